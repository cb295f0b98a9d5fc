#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace sealift::engine {

// NestedValue is a list, an object or a false of a recipient file as a row's field keeps it; and what it is made of.
//
// A field is text. One that begins with a NUL is no text, which never has one, but behind it a tagged netstring
// (tnetstrings.info), whose lengths let a renderer pass over what it does not want and read texts where they lie:
//   4:Jane,  text             3:1.5^ 2:12#  a number as it was written    4:true! 5:false!    0:~  null
//   N:VALUE...]  a list       N:KEY VALUE...}  an object, a KEY being a text
// Numbers, true and null are text once they are here: 1.5, true, and nothing.
//
// Owned by:  a value; it points into the field.
// Threads:   any.
// Errors:    what is no such value is read as kDamaged: a field is not trusted to be what was written.
class NestedValue {
 public:
  enum class Kind : uint8_t { kText, kFalse, kList, kObject, kDamaged };

  static constexpr char kMark = '\0';
  static constexpr size_t kDepthMax = 16;  // lists and objects within each other

  NestedValue() = default;

  static bool IsNested(std::string_view field) { return !field.empty() && field.front() == kMark; }
  static NestedValue OfText(std::string_view text) { return {Kind::kText, text}; }
  static NestedValue OfField(std::string_view field);

  // The first of `items`, which is taken from them; kDamaged takes them all.
  static NestedValue Take(std::string_view& items);

  Kind kind() const { return kind_; }
  std::string_view text() const { return bytes_; }   // of kText; "false" of kFalse
  std::string_view items() const { return bytes_; }  // of kList, for Take

  // What Mustache takes for false: nothing, false, an empty list.
  bool IsFalse() const;

  // Of kObject: the member's value. `passed` grows by the members that were looked at.
  std::optional<NestedValue> Member(std::string_view name, size_t& passed) const;

 private:
  NestedValue(Kind kind, std::string_view bytes) : kind_(kind), bytes_(bytes) {}

  Kind kind_ = Kind::kText;
  std::string_view bytes_;
};

// Puts a NestedValue's bytes together, the mark left out: each appends one value; a list or object wraps what was
// appended since `begin`.
void AppendNestedText(std::string_view text, std::string& out);
void AppendNestedNumber(std::string_view number, std::string& out);  // as JSON writes one
void AppendNestedTruth(bool truth, std::string& out);
void AppendNestedNull(std::string& out);
void WrapNestedList(size_t begin, std::string& out);
void WrapNestedObject(size_t begin, std::string& out);

}  // namespace sealift::engine
