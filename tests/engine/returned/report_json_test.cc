#include "engine/returned/report_json.h"

#include <gmock/gmock.h>

namespace sealift::engine {
namespace {

TEST(ReportJsonTest, AReportComesBackAsItWas) {
  ReturnedReport report;
  report.kind = ReturnedReport::Kind::kDelivery;
  report.senders = {"b+abc@bounce.example.com", "x@d1.test"};
  report.message_id = "abc@mta1.example.com";
  report.recipients = {{.original = "jane@d1.test",
                        .final = "jane@d2.test",
                        .action = "failed",
                        .status = "5.1.1",
                        .diagnostic = "550 5.1.1 no \"such\"\nuser"}};
  const std::optional<ReturnedReport> read = DecodeReturnedReport(EncodeReturnedReport(report));
  ASSERT_TRUE(read.has_value());
  EXPECT_EQ(read->kind, report.kind);
  EXPECT_EQ(read->senders, report.senders);
  EXPECT_EQ(read->message_id, report.message_id);
  ASSERT_EQ(read->recipients.size(), 1u);
  EXPECT_EQ(read->recipients[0].original, "jane@d1.test");
  EXPECT_EQ(read->recipients[0].final, "jane@d2.test");
  EXPECT_EQ(read->recipients[0].action, "failed");
  EXPECT_EQ(read->recipients[0].status, "5.1.1");
  EXPECT_EQ(read->recipients[0].diagnostic, report.recipients[0].diagnostic);

  ReturnedReport feedback;
  feedback.kind = ReturnedReport::Kind::kFeedback;
  feedback.feedback_type = "abuse";
  const std::optional<ReturnedReport> complaint = DecodeReturnedReport(EncodeReturnedReport(feedback));
  ASSERT_TRUE(complaint.has_value());
  EXPECT_EQ(complaint->kind, ReturnedReport::Kind::kFeedback);
  EXPECT_EQ(complaint->feedback_type, "abuse");
}

TEST(ReportJsonTest, OneLineWhateverIsInIt) {
  ReturnedReport report;
  report.message_id = "a\n\xff\x01 b";
  const std::string line = EncodeReturnedReport(report);
  EXPECT_EQ(line.find('\n'), std::string::npos);
  EXPECT_TRUE(DecodeReturnedReport(line).has_value());
}

TEST(ReportJsonTest, WhatIsNoReportIsNone) {
  for (const char* line :
       {"", "{}", "[]", "{\"kind\":\"letter\"}", "{\"kind\":7}", "{\"kind\":\"none\",\"senders\":[1]}",
        "{\"kind\":\"delivery\",\"recipients\":[\"jane\"]}", "{\"kind\":\"delivery\",\"recipients\":[{\"action\":3}]}",
        "{\"kind\":\"feedback\",\"feedback_type\":{}}", "{\"kind\":\"delivery\",\"senders\":{}}"}) {
    EXPECT_FALSE(DecodeReturnedReport(line).has_value()) << line;
  }
}

}  // namespace
}  // namespace sealift::engine
