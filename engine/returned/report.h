#pragma once

#include <string>
#include <vector>

namespace sealift::engine {

// What a mail that came back claims. Nothing of it is true before the row that it is about was found by a name that
// nobody else can make (returned_mail.h).
struct ReturnedReport {
  enum class Kind {
    kNone,      // no report: an auto-reply (RFC 3834), or a letter
    kDelivery,  // a delivery status notification (RFC 3464)
    kFeedback,  // a complaint, or other feedback (RFC 5965)
    kOther,     // a report of another type, such as a receipt (RFC 8098), or one without its machine-readable part
  };

  // What it says of one recipient.
  struct Recipient {
    std::string original, final;  // addresses, without their type
    std::string action;           // failed, delayed, delivered, relayed, expanded; in lower case
    std::string status;           // x.y.z
    std::string diagnostic;       // of Diagnostic-Code, without its type
  };

  Kind kind = Kind::kNone;
  std::vector<std::string> senders;  // addresses at which it arrived, or which it says that the mail came from
  std::string message_id;            // of the mail that it is about, without angle brackets
  std::vector<Recipient> recipients;
  std::string feedback_type;  // abuse, fraud, not-spam, ...; in lower case
};

}  // namespace sealift::engine
