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

// What a domain of ours lacks slows who signs for it, and what a host of ours lacks stops that source alone.
TEST(ResponseRulesTest, ADomainOfOursStopsNoSource) {
  const auto rules = Rules({});
  for (const std::string_view text :
       {"550 5.7.1 DKIM signature of d=sender.test s=2026a is revoked, message refused",
        "550 5.7.1 SPF: 192.0.2.7 may not send for sender.test", "554 5.7.9 refused, see our DMARC policy",
        "550 5.7.26 refused", "550 5.1.8 Domain of sender address does not exist",
        "550 The From domain has no MX record", "553 5.1.7 return path is invalid"}) {
    for (const std::string_view provider : {"other", "proofpoint", "mimecast"}) {
      EXPECT_EQ(Met(*rules, provider, text), "any.domain_listed") << text;
    }
    EXPECT_EQ(Met(*rules, "google", text), "google.unauthenticated") << text;
    EXPECT_EQ(Met(*rules, "microsoft", text), "microsoft.authentication") << text;
  }
  EXPECT_EQ(Met(*rules, "other", "451 4.7.5 DKIM key of sender.test could not be fetched, try again"),
            "any.domain_slow");
  for (const std::string_view text :
       {"550 5.7.25 no PTR record for 192.0.2.7", "550 5.7.1 cannot find your reverse hostname",
        "504 5.5.2 <mta1>: Helo command rejected: need fully-qualified hostname", "550 5.7.25 refused"}) {
    EXPECT_EQ(Met(*rules, "other", text, Phase::kRcpt), "any.refused") << text;
    EXPECT_EQ(Met(*rules, "google", text, Phase::kRcpt), "any.refused") << text;
  }
  EXPECT_EQ(Met(*rules, "google", "550 5.7.1 very low reputation of the sending domain"),
            "google.low_domain_reputation");
  EXPECT_EQ(Met(*rules, "google", "550 5.7.1 very low reputation of the sending IP address"), "google.low_reputation");
  for (const ResponseRule& rule : rules->rules()) {
    if (rule.about == About::kDomain) EXPECT_EQ(rule.scope, ResponseScope::kSigners) << rule.name;
  }
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
