#include "engine/template_admission.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "engine/exit_code.h"
#include "engine/message/template.h"

namespace sealift::engine {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

class TemplateAdmissionTest : public testing::Test {
 protected:
  TemplateAdmissionTest() {
    options_.delivery = Delivery::kLive;
    stream_.name = "news";
    stream_.return_path = "bounce.sender.test";
  }
  absl::StatusOr<std::string> Admit(const std::string& header) {
    const absl::StatusOr<TemplateFields> fields = Template::FieldsOf(header + "\n\nbody\n");
    EXPECT_TRUE(fields.ok()) << fields.status();
    return AdmitTemplate(options_, stream_, *fields);
  }
  std::string Refusal(const std::string& header) {
    const absl::StatusOr<std::string> admitted = Admit(header);
    EXPECT_EQ(ExitCodeOf(admitted.status()), ExitCode::kBadData);
    return std::string(admitted.status().message());
  }

  Options options_;
  StreamOptions stream_;
};

TEST_F(TemplateAdmissionTest, AFromThatIsAlignedWithEitherSideIsAdmitted) {
  EXPECT_EQ(*Admit("From: news@sender.test"), "");
  EXPECT_EQ(*Admit("From: Clinic <{{who}}@mail.sender.test>"), "");
  stream_.return_path = "mta.other.test";
  stream_.dkim = {"sender.test"};
  EXPECT_EQ(*Admit("From: news@sender.test"), "");
}

TEST_F(TemplateAdmissionTest, AFromThatIsAlignedWithNeitherIsRefusedLiveAndNotedInTheSink) {
  stream_.dkim = {"signer.test"};
  EXPECT_THAT(Refusal("From: news@clinic.example"),
              AllOf(HasSubstr("clinic.example"), HasSubstr("'news'"), HasSubstr("signer.test"),
                    HasSubstr("bounce.sender.test"), HasSubstr("DMARC")));
  options_.delivery = Delivery::kSink;
  const absl::StatusOr<std::string> notice = Admit("From: news@clinic.example");
  ASSERT_TRUE(notice.ok());
  EXPECT_THAT(*notice, HasSubstr("live mode would refuse this: the From domain clinic.example"));
}

TEST_F(TemplateAdmissionTest, AFromDomainThatAFieldDecidesIsRefusedLive) {
  EXPECT_THAT(Refusal("From: Clinic <news@{{domain}}>"), HasSubstr("merge field decides the domain"));
}

TEST_F(TemplateAdmissionTest, AFieldThatTheStreamConfiguresMustNotStandInTheTemplate) {
  const std::string from = "From: news@sender.test\n";
  const std::string own[] = {"List-Unsubscribe: <https://x.test/{{id}}>", "List-Id: <a.sender.test>",
                             "Feedback-ID: a:b:c:mailco"};
  for (const std::string& header : own) EXPECT_TRUE(Admit(from + header).ok()) << header;
  stream_.unsubscribe_url = "https://u.sender.test/";
  EXPECT_THAT(Refusal(from + own[0]), AllOf(HasSubstr("List-Unsubscribe"), HasSubstr("unsubscribe_url")));
  EXPECT_THAT(Refusal(from + "List-Unsubscribe-Post: List-Unsubscribe=One-Click"), HasSubstr("unsubscribe_url"));
  EXPECT_TRUE(Admit(from + own[1]).ok());
  stream_ = {.name = "news", .return_path = "sender.test", .unsubscribe_mailto = "out@sender.test"};
  EXPECT_THAT(Refusal(from + own[0]), HasSubstr("unsubscribe_mailto"));
  stream_ = {.name = "news", .return_path = "sender.test", .list_id = "a.sender.test"};
  EXPECT_THAT(Refusal(from + own[1]), HasSubstr("list_id"));
  stream_ = {.name = "news", .return_path = "sender.test", .feedback_id = "mailco"};
  EXPECT_THAT(Refusal(from + own[2]), HasSubstr("feedback_id"));
  options_.delivery = Delivery::kSink;
  EXPECT_THAT(Refusal(from + own[2]), HasSubstr("feedback_id")) << "two of one field are wrong anywhere";
}

}  // namespace
}  // namespace sealift::engine
