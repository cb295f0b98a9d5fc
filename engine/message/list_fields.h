#pragma once

#include <string>
#include <string_view>

namespace sealift::engine {

// What a stream configures of the header fields that lawful bulk mail carries; empty: none of it.
struct ListSettings {
  std::string_view unsubscribe_url, unsubscribe_mailto, list_id, feedback_id;
};

// Which of these fields a template carries itself.
struct OwnListFields {
  bool unsubscribe = false;  // List-Unsubscribe or List-Unsubscribe-Post: they belong together
  bool list_id = false;
  bool feedback_id = false;
};

// Appends the fields that the settings ask for, each with its line end and no line over 998 bytes:
//
//   List-Unsubscribe       RFC 2369 3.2: the HTTPS address with `token=TOKEN` in its query, then the mail address with
//   the
//                          subject "unsubscribe TOKEN"
//   List-Unsubscribe-Post  RFC 8058 3.1, only with an HTTPS address
//   List-Id                RFC 2919
//   Feedback-ID            Google's: up to four words with colons between, the last of them the sender's;
//                          {campaign} stands for the campaign's name
//
// A field that the template carries itself is left out: a message has each of them once. `token` and `campaign` have
// letters, digits and dots, dashes, underscores only; the settings have passed the checks below.
void AppendListFields(const ListSettings& settings, const OwnListFields& own, std::string_view campaign,
                      std::string_view token, std::string& out);

// Whether a value of a setting can be used: empty, or what is wrong with it, as the end of a sentence that begins with
// the value.
std::string CheckUnsubscribeUrl(std::string_view url);
std::string CheckUnsubscribeMailto(std::string_view address);
std::string CheckListId(std::string_view value);
std::string CheckFeedbackId(std::string_view value);

}  // namespace sealift::engine
