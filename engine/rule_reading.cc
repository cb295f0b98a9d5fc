#include "engine/rule_reading.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "engine/config_walk.h"

namespace sealift::engine {
namespace {

// "4.7.28": a code as the replies have it that rules hear (RFC 3463), as it is written there.
bool IsEnhancedCode(std::string_view code) {
  if (!code.starts_with("4.") && !code.starts_with("5.")) return false;
  const size_t dot = code.find('.', 2);
  if (dot == std::string_view::npos) return false;
  const auto is_number = [](std::string_view part) {
    if (part.empty() || part.size() > 3 || (part.size() > 1 && part[0] == '0')) return false;
    return std::ranges::all_of(part, [](char c) { return c >= '0' && c <= '9'; });
  };
  return is_number(code.substr(2, dot - 2)) && is_number(code.substr(dot + 1));
}

bool IsReasonClass(std::string_view name) {
  for (int i = 0; i <= static_cast<int>(ReasonClass::kOther); ++i) {
    if (ToString(static_cast<ReasonClass>(i)) == name) return true;
  }
  return false;
}

// When it is met and triggered. What it then does may change, and what was counted stays.
std::string ConditionsOf(const ResponseRule& rule) {
  return fmt::format("{:?} {:?} {} {} {} {}/{}", rule.provider, rule.match, rule.classes, rule.enhanced,
                     ToString(rule.scope), rule.trigger_count, absl::FormatDuration(rule.trigger_period));
}

// FNV-1a: the same in every version, because events and state have it.
std::string NumberOf(std::string_view text) {
  uint64_t hash = 14695981039346656037U;
  for (const char c : text) hash = (hash ^ static_cast<uint8_t>(c)) * 1099511628211U;
  return fmt::format("{:08x}", static_cast<uint32_t>(hash ^ (hash >> 32)));
}

}  // namespace

absl::StatusOr<ResponseRule> ReadRule(const RuleOptions& rule, std::string_view key, std::string origin,
                                      std::string_view* wrong_field) {
  ResponseRule read{.name = rule.name,
                    .origin = std::move(origin),
                    .provider = rule.provider,
                    .match = rule.match,
                    .classes = rule.classes,
                    .enhanced = rule.enhanced,
                    .factor = rule.factor};
  const auto wrong = [&](std::string_view field, std::string why) {
    if (wrong_field != nullptr) *wrong_field = field;
    return absl::InvalidArgumentError(fmt::format("{}: {}", key, std::move(why)));
  };
  if (rule.match.empty() && rule.classes.empty() && rule.enhanced.empty()) {
    return wrong("", "a [[rule]] needs a condition: `match`, `class` or `enhanced`");
  }
  if (std::ranges::any_of(rule.match, [](char c) { return static_cast<unsigned char>(c) >= 0x80; })) {
    return wrong(
        "match",
        "`match` is in ASCII: a reply is kept with a '?' for each byte of other letters; write `.+` for those, "
        "or say which `class` it has");
  }
  for (const std::string& reason : rule.classes) {
    if (!IsReasonClass(reason))
      return wrong("class", fmt::format("`class` knows no \"{}\"; docs/rules.md lists them", reason));
  }
  for (const std::string& code : rule.enhanced) {
    if (!IsEnhancedCode(code)) {
      return wrong(
          "enhanced",
          fmt::format("`enhanced` is of whole codes, such as \"4.7.28\": no reply that a rule hears has \"{}\"", code));
    }
  }
  if (!rule.scope.empty()) {
    const std::optional<ResponseScope> scope = ParseResponseScope(rule.scope);
    if (!scope.has_value() || *scope == ResponseScope::kSigners) {
      return wrong("scope",
                   fmt::format("`scope` is source, source_provider, provider, pool, stream or campaign, not \"{}\"",
                               rule.scope));
    }
    read.scope = *scope;
  }
  if (rule.actions.empty()) return wrong("actions", "`actions` is empty, so the rule would do nothing");
  for (const std::string& action : rule.actions) {
    if (!AddResponseAction(action, read.actions)) {
      return wrong(
          "actions",
          fmt::format("`actions` are defer, bounce, suppress, backoff, suspend and alert, not \"{}\"", action));
    }
  }
  if (read.actions.defer && (read.actions.bounce || read.actions.suppress)) {
    return wrong("actions", "a row is either deferred or bounced: leave out `defer`, or `bounce` and `suppress`");
  }
  if (read.actions.backoff && (rule.factor <= 0 || rule.factor >= 1)) {
    return wrong("factor", "`factor` of a backoff is more than 0 and less than 1: 0.5 halves the rate");
  }
  if (!rule.floor.rate.unlimited()) read.floor_per_second = rule.floor.rate.PerSecond();
  if (!rule.trigger.rate.unlimited()) {
    if (rule.trigger.rate.count > 1000) return wrong("trigger", "`trigger` counts to 1000 at most");
    read.trigger_count = static_cast<int>(rule.trigger.rate.count);
    read.trigger_period = rule.trigger.rate.period;
  }
  if (rule.duration > absl::ZeroDuration()) read.duration = rule.duration;
  const bool of_source = read.scope == ResponseScope::kSourceProvider || read.scope == ResponseScope::kSource;
  read.spares_siblings = of_source && (read.actions.backoff || read.actions.suspend);
  read.counted_as = ConditionsOf(read);
  if (read.name.empty()) read.name = "rule." + NumberOf(read.counted_as);
  return read;
}

absl::StatusOr<std::shared_ptr<const ResponseRules>> ReadRules(const Options& options) {
  std::vector<ResponseRule> rules;
  for (size_t i = 0; i < options.rules.size(); ++i) {
    const std::string key = ElementKey("rule", options.rules[i], i);
    std::string origin = options.WhereSet(key + ".match");
    for (const char* condition : {".class", ".enhanced"}) {
      if (origin == "default") origin = options.WhereSet(key + condition);
    }
    absl::StatusOr<ResponseRule> rule = ReadRule(options.rules[i], key, std::move(origin));
    if (!rule.ok()) return rule.status();
    rules.push_back(*std::move(rule));
  }
  return ResponseRules::Compile(std::move(rules));
}

}  // namespace sealift::engine
