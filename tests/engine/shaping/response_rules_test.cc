#include "engine/shaping/response_rules.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "engine/shaping/rules_reference.h"

namespace sealift::engine {
namespace {

// The name of the rule that is met by "421 4.7.28 text", as hosts of `provider` say it at the final dot.
std::string Met(const ResponseRules& rules, std::string_view provider, std::string_view line,
                Phase phase = Phase::kContent) {
  Reply reply{.code = std::stoi(std::string(line.substr(0, 3))), .lines = std::string(line.substr(4))};
  std::string_view rest = reply.lines;
  reply.enhanced = TakeEnhancedCode(rest);
  const std::string enhanced = reply.enhanced.has_value() ? reply.enhanced->ToString() : "";
  const std::string text = reply.Text();
  const ResponseRule* const rule = rules.Find({.verdict = Classify(phase, reply),
                                               .code = reply.code,
                                               .enhanced = enhanced,
                                               .text = text,
                                               .provider = provider});
  return rule == nullptr ? "" : rule->name;
}

std::shared_ptr<const ResponseRules> Rules(std::vector<ResponseRule> configured) {
  const auto rules = ResponseRules::Compile(std::move(configured));
  EXPECT_TRUE(rules.ok()) << rules.status();
  return *rules;
}

TEST(ResponseRulesTest, BuiltInRulesKnowTheCommonReplies) {
  const auto rules = Rules({});
  EXPECT_EQ(Met(*rules, "google", "421 4.7.28 an unusual rate of mail originating from your DKIM domain [d1.test 36]"),
            "google.signer_rate");
  EXPECT_EQ(Met(*rules, "google", "421 4.7.28 an unusual rate of mail originating from your IP address"),
            "google.source_rate");
  EXPECT_EQ(Met(*rules, "google", "550 5.7.26 this mail is unauthenticated"), "google.unauthenticated");
  EXPECT_EQ(Met(*rules, "microsoft", "550 5.7.1 part of their network is on our block list (S3140)", Phase::kMail),
            "microsoft.network_blocked");
  EXPECT_EQ(Met(*rules, "microsoft", "451 4.7.650 temporarily rate limited due to IP reputation (S775)", Phase::kMail),
            "microsoft.rate");
  EXPECT_EQ(Met(*rules, "microsoft", "451 4.7.500 Server busy. Please try again later", Phase::kRcpt),
            "microsoft.busy");
  EXPECT_EQ(Met(*rules, "yahoo", "421 4.7.0 [TSS04] Messages temporarily deferred", Phase::kMail), "yahoo.deferred");
  EXPECT_EQ(Met(*rules, "yahoo", "421 4.7.1 [TSS09] All messages will be permanently deferred", Phase::kMail),
            "yahoo.permanently_deferred");
  EXPECT_EQ(Met(*rules, "other", "554 5.7.1 Client host blocked using zen.spamhaus.example", Phase::kRcpt),
            "any.block_list");
}

TEST(ResponseRulesTest, WhatIsNotAboutUsMeetsNone) {
  const auto rules = Rules({});
  EXPECT_EQ(Met(*rules, "google", "550 5.1.1 user unknown", Phase::kRcpt), "");
  EXPECT_EQ(Met(*rules, "other", "450 4.2.0 Greylisted, come back later", Phase::kRcpt), "");
  EXPECT_EQ(Met(*rules, "other", "452 4.2.2 mailbox full", Phase::kRcpt), "");
  EXPECT_EQ(Met(*rules, "other", "421 4.3.2 shutting down", Phase::kRcpt), "");
}

TEST(ResponseRulesTest, ConfiguredRulesComeFirstAndInTheirOrder) {
  const auto rules = Rules({{.name = "a", .provider = "yahoo", .match = "TSS0[0-9]"},
                            {.name = "b", .match = "4\\.7\\.28 .*unusual rate.*DKIM domain"},
                            {.name = "c", .classes = {"full"}},
                            {.name = "d", .enhanced = {"4.3.9"}}});
  EXPECT_EQ(Met(*rules, "yahoo", "421 4.7.0 [TSS04] deferred", Phase::kMail), "a");
  EXPECT_EQ(Met(*rules, "google", "421 4.7.28 an unusual rate of mail from your DKIM domain"), "b");
  EXPECT_EQ(Met(*rules, "google", "421 4.7.28 an unusual rate of mail from your IP"), "google.source_rate");
  EXPECT_EQ(Met(*rules, "other", "452 4.2.2 mailbox full", Phase::kRcpt), "c");
  EXPECT_EQ(Met(*rules, "other", "450 4.3.9 odd", Phase::kRcpt), "d");
}

TEST(ResponseRulesTest, AnExpressionThatRe2DoesNotTakeIsAnError) {
  const auto rules = ResponseRules::Compile({{.name = "rule[3]", .match = "(a"}});
  ASSERT_FALSE(rules.ok());
  EXPECT_THAT(std::string(rules.status().message()), testing::HasSubstr("rule[3]"));
}

// A set whose automaton needs more memory than it has is asked one expression at a time.
TEST(ResponseRulesTest, ManyHeavyExpressionsStillMatch) {
  std::vector<ResponseRule> many;
  for (int i = 0; i < 200; ++i) {
    many.push_back({.name = std::to_string(i), .match = "x.{0,60}y.{0,60}z" + std::to_string(i) + "$"});
  }
  const auto rules = Rules(std::move(many));
  std::string text = "450 ";
  for (int i = 0; i < 60; ++i) text += "xyzxxyyzzxzy" + std::to_string(i * 7919);
  EXPECT_EQ(Met(*rules, "other", text + " x y z137", Phase::kRcpt), "137");
}

TEST(ResponseRulesTest, TheRulesOfThePageAreThoseInForce) {
  const std::string page = RulesReference();
  const size_t at = page.find("\nAs of ") + std::string_view("\nAs of ").size();
  const std::string date = page.substr(at, std::string_view("2026-11-29").size());
  for (const ResponseRule& rule : Rules({})->rules()) EXPECT_EQ(rule.origin, "built in, " + date) << rule.name;
}

TEST(ResponseRulesTest, NamesAreDifferentAndDurationsSane) {
  std::set<std::string> names;
  for (const ResponseRule& rule : Rules({})->rules()) {
    EXPECT_TRUE(names.insert(rule.name).second) << rule.name;
    EXPECT_GT(rule.factor, 0) << rule.name;
    EXPECT_LT(rule.factor, 1) << rule.name;
    EXPECT_GE(rule.duration, absl::Minutes(15)) << rule.name;
    EXPECT_LE(rule.duration, absl::Hours(6)) << rule.name;
    EXPECT_FALSE(rule.actions.bounce || rule.actions.suppress) << rule.name;
    // A source that is blocked is not answered by moving its load to those beside it.
    EXPECT_TRUE(rule.spares_siblings || rule.scope != ResponseScope::kSourceProvider) << rule.name;
  }
}

}  // namespace
}  // namespace sealift::engine
