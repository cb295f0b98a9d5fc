#include "engine/message/nested_value.h"

#include <fmt/format.h>

#include <charconv>
#include <iterator>
#include <utility>

namespace sealift::engine {
namespace {

constexpr size_t kLengthDigitsMax = 8;

void Append(std::string_view payload, char type, std::string& out) {
  fmt::format_to(std::back_inserter(out), "{}:", payload.size());
  out += payload;
  out += type;
}

void Wrap(size_t begin, char type, std::string& out) {
  out.insert(begin, fmt::format("{}:", out.size() - begin));
  out += type;
}

}  // namespace

NestedValue NestedValue::Take(std::string_view& items) {
  const std::string_view all = std::exchange(items, {});
  const size_t colon = all.substr(0, kLengthDigitsMax + 1).find(':');
  const std::string_view digits = all.substr(0, colon == std::string_view::npos ? 0 : colon);
  size_t size = 0;
  const auto [stopped, error] = std::from_chars(digits.begin(), digits.end(), size);
  if (error != std::errc() || stopped != digits.end() || size >= all.size() - colon - 1) {
    return {Kind::kDamaged, {}};
  }
  const std::string_view payload = all.substr(colon + 1, size);
  const std::string_view rest = all.substr(colon + 1 + size + 1);
  NestedValue value;
  switch (all[colon + 1 + size]) {
    case ',':
    case '#':
    case '^':
    case '~':
      value = {Kind::kText, payload};
      break;
    case '!':
      value = {payload == "false" ? Kind::kFalse : Kind::kText, payload};
      break;
    case ']':
      value = {Kind::kList, payload};
      break;
    case '}':
      value = {Kind::kObject, payload};
      break;
    default:
      return {Kind::kDamaged, {}};
  }
  items = rest;
  return value;
}

NestedValue NestedValue::OfField(std::string_view field) {
  if (!IsNested(field)) return OfText(field);
  field.remove_prefix(1);
  const NestedValue value = Take(field);
  return field.empty() ? value : NestedValue(Kind::kDamaged, {});
}

bool NestedValue::IsFalse() const {
  switch (kind_) {
    case Kind::kText:
    case Kind::kList:
      return bytes_.empty();
    case Kind::kObject:
      return false;
    case Kind::kFalse:
    case Kind::kDamaged:
      break;
  }
  return true;
}

std::optional<NestedValue> NestedValue::Member(std::string_view name, size_t& passed) const {
  for (std::string_view rest = bytes_; !rest.empty();) {
    ++passed;
    const NestedValue key = Take(rest);
    const NestedValue value = Take(rest);
    if (key.kind_ != Kind::kText || value.kind_ == Kind::kDamaged) return NestedValue(Kind::kDamaged, {});
    if (key.bytes_ == name) return value;
  }
  return std::nullopt;
}

void AppendNestedText(std::string_view text, std::string& out) { Append(text, ',', out); }

void AppendNestedNumber(std::string_view number, std::string& out) {
  Append(number, number.find_first_of(".eE") == std::string_view::npos ? '#' : '^', out);
}

void AppendNestedTruth(bool truth, std::string& out) { Append(truth ? "true" : "false", '!', out); }

void AppendNestedNull(std::string& out) { Append({}, '~', out); }

void WrapNestedList(size_t begin, std::string& out) { Wrap(begin, ']', out); }

void WrapNestedObject(size_t begin, std::string& out) { Wrap(begin, '}', out); }

}  // namespace sealift::engine
