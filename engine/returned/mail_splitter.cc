#include "engine/returned/mail_splitter.h"

namespace sealift::engine {
namespace {

constexpr std::string_view kFrom = "From ";

}  // namespace

void MailSplitter::Add(std::string_view bytes) {
  while (!bytes.empty()) {
    const size_t end = bytes.find('\n');
    const std::string_view piece = bytes.substr(0, end == std::string_view::npos ? bytes.size() : end + 1);
    bytes.remove_prefix(piece.size());
    // Beyond what is kept of a mail nothing of a line matters but its end.
    if (line_.size() < bytes_max_) line_ += piece.substr(0, bytes_max_ - line_.size());
    if (end == std::string_view::npos) return;
    if (!line_.ends_with('\n')) line_ += '\n';
    TakeLine(line_);
    line_.clear();
  }
}

void MailSplitter::TakeLine(std::string_view line) {
  const bool from = line.starts_with(kFrom);
  if (!begun_) mbox_ = from;
  begun_ = true;
  const bool begins = mbox_ && from && after_empty_;
  after_empty_ = line == "\n" || line == "\r\n";
  if (begins) {
    EndMail();
    in_mail_ = true;
    return;
  }
  in_mail_ = true;
  if (mail_.size() < bytes_max_) mail_ += line.substr(0, bytes_max_ - mail_.size());
}

void MailSplitter::EndMail() {
  if (!in_mail_) return;
  in_mail_ = false;
  ++mails_;
  each_(mail_);
  mail_.clear();
}

void MailSplitter::Finish() {
  if (!line_.empty()) TakeLine(line_);
  line_.clear();
  EndMail();
}

}  // namespace sealift::engine
