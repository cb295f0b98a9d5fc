#include "engine/message/context_stack.h"

#include <fmt/format.h>

#include <cassert>
#include <memory>
#include <optional>

namespace sealift::engine {

void ContextStack::Fail(const Slot& slot, std::string_view what) {
  if (!status_.ok()) return;
  status_ = absl::InvalidArgumentError(fmt::format(
      "{}{} (line {} of the template) {}", slot.is_item ? "{{.}} in the section " : "", slot.name, slot.line, what));
}

bool ContextStack::Count(const Slot& slot) {
  if (++looked_at_ <= kLookAtMax) return true;
  Fail(slot, "takes too long: the row's lists have too many items, or its objects too many members");
  return false;
}

NestedValue ContextStack::Find(const Slot& slot) {
  const NestedValue nothing;
  if (!status_.ok()) return nothing;
  std::optional<NestedValue> value;
  if (slot.is_item) {
    assert(depth_ > 0);
    value = frames_[depth_ - 1].item;
  } else {
    for (size_t i = depth_; i > 0 && !value.has_value(); --i) {
      const NestedValue& item = frames_[i - 1].item;
      if (item.kind() == NestedValue::Kind::kObject) value = item.Member(slot.parts.front(), looked_at_);
    }
    if (!value.has_value() && slot.column == Slot::kEmail) value = NestedValue::OfText(row_.email);
    if (!value.has_value() && slot.column >= 0) {
      value = NestedValue::OfField(row_.fields[static_cast<size_t>(slot.column)]);
    }
    for (size_t i = 1; i < slot.parts.size() && value.has_value(); ++i) {
      const NestedValue holder = *value;
      value.reset();
      if (holder.kind() == NestedValue::Kind::kObject) value = holder.Member(slot.parts[i], looked_at_);
    }
  }
  if (!Count(slot)) return nothing;
  if (value.has_value() && value->kind() == NestedValue::Kind::kDamaged) {
    Fail(slot, "has a value that is damaged");
    return nothing;
  }
  const bool empty = value.has_value() && value->kind() == NestedValue::Kind::kText && value->text().empty();
  if (value.has_value() && !empty) return *value;
  if (slot.has_fallback) return NestedValue::OfText(slot.fallback);
  if (!value.has_value()) {
    Fail(slot,
         fmt::format("is missing: neither a column nor what it stands in has it. Give it a value, null for none, or a "
                     "default: --default {}=TEXT",
                     slot.name));
  }
  return nothing;
}

std::string_view ContextStack::NestedText(const Slot& slot) {
  const NestedValue value = Find(slot);
  if (value.kind() != NestedValue::Kind::kList && value.kind() != NestedValue::Kind::kObject) return value.text();
  Fail(slot, "is a list or an object in this row, and stands for text");
  return {};
}

bool ContextStack::IsFalseNested(const Slot& slot) {
  const bool is_false = Find(slot).IsFalse();
  return is_false && status_.ok();
}

bool ContextStack::EnterNested(uint32_t slot) {
  const NestedValue value = Find(slots_[slot]);
  if (!status_.ok() || value.IsFalse()) return false;
  assert(depth_ < frames_.size());
  Frame& frame = *std::construct_at(&frames_[depth_], value, std::string_view(), slot);
  if (value.kind() == NestedValue::Kind::kList) {
    frame.rest = value.items();
    frame.item = NestedValue::Take(frame.rest);
  }
  ++depth_;
  return true;
}

bool ContextStack::RepeatNested(bool once, size_t grown, size_t most) {
  assert(depth_ > 0);
  Frame& frame = frames_[depth_ - 1];
  const Slot& slot = slots_[frame.slot];
  if (grown > most) Fail(slot, "makes the message too long: lists may add 1 MiB to a part");
  if (status_.ok() && !frame.rest.empty()) {
    if (once) Fail(slot, "is a list of several items in this row, and its section stands where a link begins");
    frame.item = NestedValue::Take(frame.rest);
    if (Count(slot) && status_.ok()) return true;
  }
  --depth_;
  return false;
}

}  // namespace sealift::engine
