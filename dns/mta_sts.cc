#include "dns/mta_sts.h"

#include <algorithm>
#include <charconv>
#include <utility>

#include "dns/name.h"

namespace sealift::dns {
namespace {

constexpr size_t kIdMax = 32;
constexpr std::string_view kVersion = "STSv1";

bool IsSpace(char c) { return c == ' ' || c == '\t'; }

std::string_view Trimmed(std::string_view text) {
  while (!text.empty() && IsSpace(text.front())) text.remove_prefix(1);
  while (!text.empty() && IsSpace(text.back())) text.remove_suffix(1);
  return text;
}

// Takes what stands before the next `end`, or the rest.
std::string_view TakeUntil(std::string_view& text, char end) {
  const size_t at = std::min(text.find(end), text.size());
  const std::string_view taken = text.substr(0, at);
  text.remove_prefix(std::min(at + 1, text.size()));
  return taken;
}

std::optional<std::string> PatternOf(std::string_view text) {
  const bool wildcard = text.starts_with("*.");
  std::optional<std::string> host = HostName(wildcard ? text.substr(2) : text);
  if (!host.has_value()) return std::nullopt;
  return wildcard ? "*." + *host : *std::move(host);
}

std::optional<StsPolicy::Mode> ModeOf(std::string_view text) {
  for (const auto mode : {StsPolicy::Mode::kNone, StsPolicy::Mode::kTesting, StsPolicy::Mode::kEnforce}) {
    if (text == ToString(mode)) return mode;
  }
  return std::nullopt;
}

// RFC 8461 3.2: ten digits at most.
std::optional<absl::Duration> AgeOf(std::string_view text) {
  uint64_t seconds = 0;
  if (text.size() > 10) return std::nullopt;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), seconds);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return std::min(absl::Seconds(static_cast<int64_t>(seconds)), StsPolicy::kMaxAgeMax);
}

absl::Status Wrong(const char* what) { return absl::InvalidArgumentError(what); }

}  // namespace

std::string_view ToString(StsPolicy::Mode mode) {
  switch (mode) {
    case StsPolicy::Mode::kNone:
      return "none";
    case StsPolicy::Mode::kTesting:
      return "testing";
    case StsPolicy::Mode::kEnforce:
      return "enforce";
  }
  return "none";
}

bool StsPolicy::Admits(std::string_view host) const {
  return std::ranges::any_of(mx, [host](const std::string& pattern) {
    if (!pattern.starts_with("*.")) return pattern == host;
    const size_t dot = host.find('.');
    return dot != std::string_view::npos && dot > 0 && host.substr(dot) == std::string_view(pattern).substr(1);
  });
}

absl::StatusOr<StsPolicy> StsPolicy::Parse(std::string_view text) {
  if (text.size() > kTextBytesMax) return Wrong("the policy is too long");
  std::optional<std::string_view> version, mode, max_age;
  StsPolicy policy;
  policy.text = text;
  while (!text.empty()) {
    std::string_view line = TakeUntil(text, '\n');
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (Trimmed(line).empty()) continue;
    if (line.find(':') == std::string_view::npos) return Wrong("a line of the policy is no field");
    const std::string_view key = Trimmed(TakeUntil(line, ':'));
    const std::string_view value = Trimmed(line);
    if (key == "version" && !version.has_value()) version = value;
    if (key == "mode" && !mode.has_value()) mode = value;
    if (key == "max_age" && !max_age.has_value()) max_age = value;
    if (key != "mx") continue;
    std::optional<std::string> pattern = PatternOf(value);
    if (!pattern.has_value()) return Wrong("an mx of the policy is no host name");
    if (policy.mx.size() == kPatternsMax) return Wrong("the policy names too many hosts");
    policy.mx.push_back(*std::move(pattern));
  }
  if (version != kVersion) return Wrong("the policy's version is not STSv1");
  const std::optional<Mode> known = mode.has_value() ? ModeOf(*mode) : std::nullopt;
  if (!known.has_value()) return Wrong("the policy's mode is none of enforce, testing and none");
  const std::optional<absl::Duration> age = max_age.has_value() ? AgeOf(*max_age) : std::nullopt;
  if (!age.has_value()) return Wrong("the policy's max_age is no number of seconds");
  if (policy.mx.empty() && *known != Mode::kNone) return Wrong("the policy names no host");
  policy.mode = *known;
  policy.max_age = *age;
  return policy;
}

std::optional<std::string> StsId(std::span<const std::string> texts) {
  std::optional<std::string> id;
  int records = 0;
  for (std::string_view text : texts) {
    if (Trimmed(TakeUntil(text, ';')) != "v=STSv1") continue;
    ++records;
    while (!text.empty()) {
      std::string_view field = Trimmed(TakeUntil(text, ';'));
      if (Trimmed(TakeUntil(field, '=')) != "id" || id.has_value()) continue;
      const std::string_view value = Trimmed(field);
      const bool good = !value.empty() && value.size() <= kIdMax && std::ranges::all_of(value, [](char c) {
        return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
      });
      if (good) id = value;
    }
  }
  return records == 1 ? id : std::nullopt;
}

}  // namespace sealift::dns
