// What comes back by mail: read in any pieces it is the same, what it claims is bounded, and a claim survives its way
// to the daemon.
#include <string>
#include <vector>

#include "engine/returned/mail_splitter.h"
#include "engine/returned/report_json.h"
#include "engine/returned/report_reader.h"
#include "tests/fuzz/property.h"

namespace sealift::fuzz {
namespace {

using engine::ReturnedReport;

constexpr size_t kMailBytesMax = 4096;

std::vector<std::string> Mails(std::string_view text, size_t piece) {
  std::vector<std::string> mails;
  engine::MailSplitter splitter(kMailBytesMax, [&](std::string_view mail) { mails.emplace_back(mail); });
  for (size_t at = 0; at < text.size(); at += piece) splitter.Add(text.substr(at, piece));
  splitter.Finish();
  return mails;
}

void Look(const ReturnedReport& report) {
  Holds(report.senders.size() <= engine::kReturnedSendersMax, "addresses are bounded");
  Holds(report.recipients.size() <= engine::kReturnedRecipientsMax, "recipients are bounded");
  Holds(report.message_id.size() <= engine::kReturnedTextBytesMax, "an id is bounded");
  Holds(report.feedback_type.size() <= engine::kReturnedTextBytesMax, "a type is bounded");
  for (const ReturnedReport::Recipient& recipient : report.recipients) {
    for (const std::string* text :
         {&recipient.original, &recipient.final, &recipient.action, &recipient.status, &recipient.diagnostic}) {
      Holds(text->size() <= engine::kReturnedTextBytesMax, "a text is bounded");
      Holds(text->find('\n') == std::string::npos, "a text is one line");
    }
  }
  const bool claims = report.kind == ReturnedReport::Kind::kDelivery || report.kind == ReturnedReport::Kind::kFeedback;
  Holds(claims || report.recipients.empty(), "only a report claims anything");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
  FuzzedDataProvider input(bytes, size);
  const size_t piece = input.ConsumeIntegralInRange<size_t>(1, 64);
  const std::string text = input.ConsumeRemainingBytesAsString();
  const std::vector<std::string> mails = Mails(text, piece);
  Holds(mails == Mails(text, text.size() + 1), "mails do not depend on how they arrive");
  for (const std::string& mail : mails) {
    Holds(mail.size() <= kMailBytesMax, "a mail is bounded");
    const ReturnedReport report = engine::ReadReturnedReport(mail);
    Look(report);
    const std::string line = engine::EncodeReturnedReport(report);
    Holds(line.find('\n') == std::string::npos && line.size() < (64 << 10) * 4, "a report is one line");
    const std::optional<ReturnedReport> read = engine::DecodeReturnedReport(line);
    Holds(read.has_value() && read->kind == report.kind && read->recipients.size() == report.recipients.size(),
          "the daemon reads what was said");
  }
  (void)engine::DecodeReturnedReport(text);
  return 0;
}

}  // namespace sealift::fuzz
