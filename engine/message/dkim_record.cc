#include "engine/message/dkim_record.h"

#include <absl/strings/escaping.h>
#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <optional>
#include <utility>

#include "engine/smtp/utf8.h"

namespace sealift::engine {
namespace {

constexpr size_t kStringBytesMax = 255;

using Tags = std::map<std::string, std::string, std::less<>>;

std::string WithoutWhiteSpace(std::string_view text) {
  std::string result;
  for (const char c : text) {
    if (c != ' ' && c != '\t' && c != '\r' && c != '\n') result += c;
  }
  return result;
}

// RFC 6376 3.2. Nothing when it is no tag list, or when v= is there and does not come first as DKIM1.
std::optional<Tags> ParseTags(std::string_view text) {
  Tags tags;
  bool first = true;
  while (!Trimmed(text).empty()) {
    const size_t end = std::min(text.find(';'), text.size());
    const std::string_view tag = text.substr(0, end);
    const size_t equals = tag.find('=');
    if (equals == std::string_view::npos) return std::nullopt;
    std::string name(Trimmed(tag.substr(0, equals)));
    std::string value = WithoutWhiteSpace(tag.substr(equals + 1));
    if (name == "v" && (!first || value != "DKIM1")) return std::nullopt;
    if (!tags.emplace(std::move(name), std::move(value)).second) return std::nullopt;  // a tag twice
    first = false;
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  if (!tags.contains("p")) return std::nullopt;
  return tags;
}

std::string_view TagOr(const Tags& tags, std::string_view name, std::string_view otherwise) {
  const auto found = tags.find(name);
  return found == tags.end() ? otherwise : std::string_view(found->second);
}

bool Lists(std::string_view list, std::string_view word) {
  while (!list.empty()) {
    const size_t end = std::min(list.find(':'), list.size());
    if (EqualsIgnoreCase(list.substr(0, end), word)) return true;
    list.remove_prefix(std::min(end + 1, list.size()));
  }
  return false;
}

// Base64 is compared by what it means: padding and line ends may differ.
bool SameBytes(const std::string& a, const std::string& b) {
  std::string left, right;
  return absl::Base64Unescape(a, &left) && absl::Base64Unescape(b, &right) && left == right;
}

DkimRecordFinding Compare(const DkimKey& key, const Tags& tags) {
  DkimRecordFinding finding;
  finding.testing = Lists(TagOr(tags, "t", ""), "y");
  const std::string_view published = TagOr(tags, "p", "");
  const std::string_view type = TagOr(tags, "k", "rsa");
  const auto differs = [&](std::string why) {
    finding.state = DkimRecordState::kDiffers;
    finding.why = std::move(why);
    return finding;
  };
  if (published.empty()) {
    finding.state = DkimRecordState::kRevoked;
    finding.why = "its p= is empty, which revokes the key";
    return finding;
  }
  if (type != KeyType(key.algorithm())) {
    return differs(fmt::format("the record is for a key of another type than {}", KeyType(key.algorithm())));
  }
  if (!SameBytes(std::string(published), key.public_key())) {
    return differs(fmt::format("the record publishes another {} key", KeyType(key.algorithm())));
  }
  if (tags.contains("h") && !Lists(TagOr(tags, "h", ""), "sha256")) return differs("its h= does not allow sha256");
  const std::string_view services = TagOr(tags, "s", "*");
  if (!Lists(services, "*") && !Lists(services, "email")) return differs("its s= is not for email");
  finding.state = DkimRecordState::kMatches;
  return finding;
}

}  // namespace

std::string_view ToString(DkimRecordState state) {
  switch (state) {
    case DkimRecordState::kMatches:
      return "matches";
    case DkimRecordState::kDiffers:
      return "differs";
    case DkimRecordState::kRevoked:
      return "revoked";
    case DkimRecordState::kUnclear:
      return "unclear";
  }
  return "unclear";
}

std::string DkimRecordName(std::string_view selector, std::string_view domain) {
  return fmt::format("{}._domainkey.{}", selector, domain);
}

std::string DkimRecordText(const DkimKey& key) {
  return fmt::format("v=DKIM1; k={}; p={}", KeyType(key.algorithm()), key.public_key());
}

std::vector<std::string> DkimRecordStrings(std::string_view text) {
  std::vector<std::string> strings;
  while (!text.empty()) {
    const size_t size = std::min(kStringBytesMax, text.size());
    strings.emplace_back(text.substr(0, size));
    text.remove_prefix(size);
  }
  return strings;
}

DkimRecordFinding CompareDkimRecord(const DkimKey& key, const std::vector<std::string>& texts) {
  if (texts.size() > 1) {
    // RFC 6376 3.6.2.2: receivers may take any of them, or none.
    return {.state = DkimRecordState::kUnclear,
            .why = fmt::format("{} TXT records stand there; keep one", texts.size())};
  }
  const std::optional<Tags> tags = texts.empty() ? std::nullopt : ParseTags(texts.front());
  if (!tags.has_value()) return {.state = DkimRecordState::kUnclear, .why = "the TXT record there is no DKIM record"};
  return Compare(key, *tags);
}

}  // namespace sealift::engine
