#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

namespace sealift::engine {

// MailSplitter takes apart what a mailbox holds: one mail, or an mbox (RFC 4155) of any length, which is told by the
// "From " that it begins with. There a line that begins with "From ", at the beginning or behind an empty line, begins
// a mail.
//
// What is in it was written by strangers. A mail that looks like two is handed over as two: neither can claim more for
// it. The rest of a mail over `bytes_max` is passed over.
//
// Owned by:  a command. Threads: one.
// Memory:    one mail, up to `bytes_max`.
class MailSplitter {
 public:
  MailSplitter(size_t bytes_max, std::function<void(std::string_view mail)> each)
      : bytes_max_(bytes_max), each_(std::move(each)) {}

  void Add(std::string_view bytes);
  void Finish();

  uint64_t mails() const { return mails_; }

 private:
  void TakeLine(std::string_view line);
  void EndMail();

  const size_t bytes_max_;
  const std::function<void(std::string_view mail)> each_;
  std::string mail_;
  std::string line_;         // whose end has not come, as far as it matters
  bool begun_ = false;       // a first line was seen
  bool mbox_ = false;        // ... and it was a From_ line
  bool after_empty_ = true;  // the line before is empty, or there is none
  bool in_mail_ = false;
  uint64_t mails_ = 0;
};

}  // namespace sealift::engine
