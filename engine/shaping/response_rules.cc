#include "engine/shaping/response_rules.h"

#include <fmt/format.h>
#include <re2/re2.h>
#include <re2/set.h>

#include <algorithm>
#include <array>
#include <utility>

namespace sealift::engine {
namespace {

constexpr int64_t kPatternsMemory = 64 << 20;  // for the set as a whole; a reply that needs more is matched one by one
constexpr std::array<std::string_view, 7> kScopes = {"source", "source_provider", "provider", "pool",
                                                     "stream", "campaign",        "signers"};

struct Do {
  ResponseActions actions;
  bool spares = false;
  Do Backoff() const {
    return With([](Do& it) { it.actions.backoff = true; });
  }
  Do Suspend() const {
    return With([](Do& it) { it.actions.suspend = true; });
  }
  Do Alert() const {
    return With([](Do& it) { it.actions.alert = true; });
  }
  Do Spare() const {
    return With([](Do& it) { it.spares = true; });
  }

 private:
  template <typename Change>
  Do With(Change change) const {
    Do changed = *this;
    change(changed);
    return changed;
  }
};

struct Times {
  int count;
  absl::Duration period;
  Times(int n, absl::Duration within) : count(n), period(within) {}
};

ResponseRule Reply(std::string_view name) { return {.reply_rule = std::string(name)}; }
ResponseRule Follows(Remedy remedy, std::optional<About> about) { return {.remedy = remedy, .about = about}; }
ResponseRule Classed(ReasonClass reason, std::optional<Remedy> remedy, std::optional<About> about) {
  return {.classes = {std::string(ToString(reason))}, .remedy = remedy, .about = about};
}
#define Class(reason, remedy) Classed(ReasonClass::reason, remedy, std::nullopt)
#define ClassAbout(reason, about) Classed(ReasonClass::reason, std::nullopt, About::about)

std::vector<ResponseRule> BuiltIn() {
  std::vector<ResponseRule> rules;
#define RESPONSE_RULE(rule_name, of, condition, scope_of, trigger, what, by, lasts, means) \
  {                                                                                        \
    ResponseRule rule = condition;                                                         \
    const Times times = trigger;                                                           \
    const Do done = what;                                                                  \
    rule.name = rule.counted_as = rule_name;                                               \
    rule.origin = fmt::format("built in, {}", kRulesDate);                                 \
    rule.why = means;                                                                      \
    rule.provider = of;                                                                    \
    rule.scope = ResponseScope::scope_of;                                                  \
    rule.trigger_count = times.count;                                                      \
    rule.trigger_period = times.period;                                                    \
    rule.actions = done.actions;                                                           \
    rule.spares_siblings = done.spares;                                                    \
    rule.asks_another_row = done.actions.suspend;                                          \
    rule.factor = by;                                                                      \
    rule.duration = lasts;                                                                 \
    rules.push_back(std::move(rule));                                                      \
  }
#include "engine/shaping/response_rules.def"
#undef RESPONSE_RULE
  return rules;
}

RE2::Options PatternOptions() {
  RE2::Options options(RE2::Quiet);
  options.set_max_mem(kPatternsMemory);
  options.set_case_sensitive(false);
  return options;
}

bool Any(const std::vector<std::string>& of, std::string_view word) {
  return of.empty() || std::find(of.begin(), of.end(), word) != of.end();
}

// "google.unusual_rate" and what is beneath it; "yahoo." all of a family.
bool IsOf(std::string_view rule, std::string_view family) {
  if (family.empty() || rule == family) return true;
  return rule.starts_with(family) && (family.back() == '.' || rule[family.size()] == '.');
}

// Everything but its regular expression.
bool Fits(const ResponseRule& rule, const HeardReply& reply) {
  return (rule.provider.empty() || rule.provider == reply.provider) &&
         Any(rule.classes, ToString(reply.verdict.reason_class)) && Any(rule.enhanced, reply.enhanced) &&
         IsOf(reply.verdict.rule, rule.reply_rule) &&
         rule.remedy.value_or(reply.verdict.remedy) == reply.verdict.remedy &&
         rule.about.value_or(reply.verdict.about) == reply.verdict.about;
}

}  // namespace

struct ResponseRules::Patterns {
  RE2::Set set{PatternOptions(), RE2::UNANCHORED};
  std::vector<std::unique_ptr<RE2>> single;  // a rule each; null: it has none
  std::vector<size_t> rule_of;               // by number in the set
};

ResponseRules::ResponseRules() = default;
ResponseRules::~ResponseRules() = default;

absl::StatusOr<std::shared_ptr<const ResponseRules>> ResponseRules::Compile(std::vector<ResponseRule> configured) {
  auto compiled = std::shared_ptr<ResponseRules>(new ResponseRules());
  auto patterns = std::make_unique<Patterns>();
  compiled->rules_ = std::move(configured);
  for (ResponseRule& rule : BuiltIn()) compiled->rules_.push_back(std::move(rule));
  for (size_t i = 0; i < compiled->rules_.size(); ++i) {
    const ResponseRule& rule = compiled->rules_[i];
    patterns->single.push_back(nullptr);
    if (rule.match.empty()) continue;
    std::string error;
    auto single = std::make_unique<RE2>(rule.match, PatternOptions());
    if (!single->ok() || patterns->set.Add(rule.match, &error) < 0) {
      return absl::InvalidArgumentError(
          fmt::format("{}: `match` is not a regular expression of RE2: {}", rule.name, single->error()));
    }
    patterns->single.back() = std::move(single);
    patterns->rule_of.push_back(i);
  }
  if (!patterns->set.Compile()) {
    return absl::InvalidArgumentError("the regular expressions of [[rule]] are too large together; make them simpler");
  }
  compiled->patterns_ = std::move(patterns);
  return compiled;
}

const ResponseRule* ResponseRules::Find(const HeardReply& reply) const {
  std::vector<bool> matched(rules_.size(), false);
  if (!patterns_->rule_of.empty()) {
    const std::string text =
        fmt::format("{} {}{}{}", reply.code, reply.enhanced, reply.enhanced.empty() ? "" : " ", reply.text);
    std::vector<int> numbers;
    RE2::Set::ErrorInfo error{};
    if (!patterns_->set.Match(text, &numbers, &error) && error.kind != RE2::Set::kNoError) {
      // Out of memory for all of them together, most often: one by one each has that much for itself.
      for (const size_t rule : patterns_->rule_of) matched[rule] = RE2::PartialMatch(text, *patterns_->single[rule]);
    }
    for (const int number : numbers) matched[patterns_->rule_of[static_cast<size_t>(number)]] = true;
  }
  for (size_t i = 0; i < rules_.size(); ++i) {
    if ((rules_[i].match.empty() || matched[i]) && Fits(rules_[i], reply)) return &rules_[i];
  }
  return nullptr;
}

std::string_view ToString(ResponseScope scope) { return kScopes[static_cast<size_t>(scope)]; }

std::optional<ResponseScope> ParseResponseScope(std::string_view text) {
  const auto found = std::find(kScopes.begin(), kScopes.end(), text);
  if (found == kScopes.end()) return std::nullopt;
  return static_cast<ResponseScope>(found - kScopes.begin());
}

bool AddResponseAction(std::string_view text, ResponseActions& actions) {
  bool* const action = text == "defer"      ? &actions.defer
                       : text == "bounce"   ? &actions.bounce
                       : text == "suppress" ? &actions.suppress
                       : text == "backoff"  ? &actions.backoff
                       : text == "suspend"  ? &actions.suspend
                       : text == "alert"    ? &actions.alert
                                            : nullptr;
  if (action != nullptr) *action = true;
  return action != nullptr;
}

}  // namespace sealift::engine
