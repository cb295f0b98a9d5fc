#pragma once

#include <absl/status/status.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "engine/message/nested_value.h"
#include "engine/message/template.h"

namespace sealift::engine {

// One name a template uses, and where a row has its value.
struct Slot {
  static constexpr int kEmail = -1;
  static constexpr int kAbsent = -2;  // no column: only an item of a list, an object or the default has it

  std::string name;
  int column = kAbsent;  // index into Row::fields, or one of the above
  std::string fallback;
  bool has_fallback = false;

  // Where the row's values may be lists and objects (Template::Names::kPaths).
  std::vector<std::string> parts;  // of the name, between its dots; the first is looked up, the others lead on from it
  bool is_item = false;            // {{.}}: what the section called `name` is at
  int line = 0;                    // of the template, where it is first used
  uint32_t within = kNowhere;      // the section's slot that it was first used in

  static constexpr uint32_t kNowhere = UINT32_MAX;

  // Of a row of flat text.
  std::string_view Value(const Template::Row& row) const {
    const std::string_view value = column == kEmail    ? row.email
                                   : column == kAbsent ? std::string_view()
                                                       : row.fields[static_cast<size_t>(column)];
    return value.empty() ? std::string_view(fallback) : value;
  }
};

// ContextStack is what the names of a template stand for while one row is rendered.
//
// In a row of flat text that is the same everywhere. Where a row has lists and objects it is Mustache's context stack:
// a section that is a list is gone through once for each of its items, one that is an object or another true value
// once; within it a name is looked up in the innermost item first, then further out, at last among the columns.
// {{a.b}} is the member b of what a is.
//
// A name that is nowhere and has no default, a list or an object where text must stand, and what takes too long make
// the row a bad one: `status` says so in the end, and until then every further value is empty and every section false.
//
// Owned by:  one rendering.
// Threads:   one.
// Memory:    its own; nothing is allocated but an error's text.
class ContextStack {
 public:
  static constexpr size_t kSectionsMax = 32;          // within each other
  static constexpr size_t kLookAtMax = 200'000;       // items entered and members looked at, for one message
  static constexpr size_t kGrowthBytesMax = 1 << 20;  // of a part or header, beyond the template's own size

  // `nested`: whether values may be lists and objects, or names lead into them. All outlive this.
  ContextStack(const std::vector<Slot>& slots, const Template::Row& row, bool nested)
      : slots_(slots), row_(row), nested_(nested) {}
  ~ContextStack() = default;
  ContextStack(const ContextStack&) = delete;
  ContextStack& operator=(const ContextStack&) = delete;

  bool nested() const { return nested_; }
  const Template::Row& row() const { return row_; }

  // What a tag gives.
  std::string_view Text(uint32_t slot) { return nested_ ? NestedText(slots_[slot]) : slots_[slot].Value(row_); }

  // At the beginning of a section: whether what it holds is rendered. Then Repeat is to be called at its end.
  bool Enter(uint32_t slot) { return nested_ ? EnterNested(slot) : !slots_[slot].Value(row_).empty(); }

  // At the end of a section that was entered: whether it has another item, for which it is gone through again. `once`:
  // the section may not be gone through twice. `grown`: bytes that its part has come to, of which it may have `most`.
  bool Repeat(bool once, size_t grown, size_t most) { return nested_ && RepeatNested(once, grown, most); }

  // Of an inverted section.
  bool IsFalse(uint32_t slot) { return nested_ ? IsFalseNested(slots_[slot]) : slots_[slot].Value(row_).empty(); }

  // Makes the row a bad one, for what `slot` is in it.
  void Fail(const Slot& slot, std::string_view what);
  bool failed() const { return nested_ && !status_.ok(); }
  const absl::Status& status() const { return status_; }

 private:
  struct Frame {
    NestedValue item;
    std::string_view rest;  // of the list whose item it is
    uint32_t slot = 0;
  };

  NestedValue Find(const Slot& slot);
  std::string_view NestedText(const Slot& slot);
  bool IsFalseNested(const Slot& slot);
  bool EnterNested(uint32_t slot);
  bool RepeatNested(bool once, size_t grown, size_t most);
  bool Count(const Slot& slot);

  const std::vector<Slot>& slots_;
  const Template::Row& row_;
  const bool nested_;
  size_t depth_ = 0;
  size_t looked_at_ = 0;
  absl::Status status_;
  union {
    std::array<Frame, kSectionsMax> frames_;  // as many as depth_ says: a row of flat text does not pay for them
  };
};

}  // namespace sealift::engine
