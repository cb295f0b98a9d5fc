#include "engine/smtp/capabilities.h"

#include <absl/strings/str_join.h>
#include <gtest/gtest.h>

#include <utility>
#include <vector>

namespace sealift::engine {
namespace {

Capabilities Offered(const std::vector<std::string>& lines) {
  Reply reply;
  reply.code = 250;
  reply.lines = absl::StrJoin(lines, "\n");
  return Capabilities::FromEhlo(reply);
}

TEST(CapabilitiesTest, KeywordsAreFoundInAnyCase) {
  const Capabilities offered = Offered({"mx.d1.test", "StartTLS", "pipelining", "8bitmime", "SMTPUTF8", "CHUNKING",
                                        "BINARYMIME", "DSN", "ENHANCEDSTATUSCODES", "REQUIRETLS"});
  EXPECT_TRUE(offered.starttls && offered.pipelining && offered.eightbitmime && offered.smtputf8 && offered.chunking);
  EXPECT_TRUE(offered.binarymime && offered.dsn && offered.enhanced_status_codes && offered.requiretls);
}

TEST(CapabilitiesTest, FirstLineOffersNothing) {
  EXPECT_EQ(Offered({"STARTTLS"}), Capabilities());
  EXPECT_EQ(Offered({}), Capabilities());
}

TEST(CapabilitiesTest, LongerWordsAreOtherKeywords) {
  EXPECT_EQ(Offered({"mx", "STARTTLSX", "XSTARTTLS", "PIPELINING-X", "SIZES 5", ""}), Capabilities());
}

TEST(CapabilitiesTest, KeywordWithParametersCounts) {
  EXPECT_TRUE(Offered({"mx", "STARTTLS REQUIRED", " DSN"}).starttls);
}

TEST(CapabilitiesTest, SizeIsALimitOnlyWhenItIsANumberOverZero) {
  EXPECT_EQ(Offered({"mx", "SIZE 35882577"}).size_max, 35882577U);
  for (const std::string_view line :
       {"SIZE", "SIZE 0", "SIZE x", "SIZE -1", "SIZE 99999999999999999999999", "SIZE 12x"}) {
    const Capabilities offered = Offered({"mx", std::string(line)});
    EXPECT_TRUE(offered.size) << line;
    EXPECT_EQ(offered.size_max, std::nullopt) << line;
  }
}

TEST(CapabilitiesTest, LimitsAreRead) {
  const Capabilities offered = Offered({"mx", "LIMITS MAILMAX=20 rcptmax=100 RCPTDOMAINMAX=1 OTHER=5 BAD"});
  EXPECT_EQ(offered.limit_mail_max, 20U);
  EXPECT_EQ(offered.limit_rcpt_max, 100U);
  EXPECT_EQ(offered.limit_domains_max, 1U);
  EXPECT_EQ(Offered({"mx", "LIMITS MAILMAX=999999"}).limit_mail_max, 999'999U);
  for (const char* line : {"LIMITS MAILMAX=0", "LIMITS MAILMAX=1000000", "LIMITS MAILMAX=18446744073709551615"}) {
    EXPECT_EQ(Offered({"mx", line}).limit_mail_max, std::nullopt) << line;
  }
}

}  // namespace
}  // namespace sealift::engine
