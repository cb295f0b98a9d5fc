#include "engine/message/wanted_value.h"

#include <algorithm>
#include <vector>

#include "engine/message/program.h"

namespace sealift::engine {
namespace {

bool IsValue(const HeaderPiece& piece) {
  return piece.kind == HeaderPiece::Kind::kValue || piece.kind == HeaderPiece::Kind::kRawValue;
}

// The part of an address that a value of this slot is.
WantedValue WantedInAddress(const std::vector<HeaderPiece>& address, uint32_t slot) {
  const auto at = std::ranges::find_if(address, [](const HeaderPiece& piece) {
    return piece.kind == HeaderPiece::Kind::kText && piece.text.find('@') != std::string::npos;
  });
  const auto value =
      std::ranges::find_if(address, [&](const HeaderPiece& piece) { return IsValue(piece) && piece.slot == slot; });
  if (value == address.end()) return WantedValue::kText;
  if (at == address.end()) return WantedValue::kAddress;
  return value < at ? WantedValue::kWord : WantedValue::kDomain;
}

WantedValue WantedInHeader(const HeaderSlots& header, uint32_t slot) {
  WantedValue wanted = WantedValue::kText;
  for (const AddressPieces& address : header.addresses) {
    wanted = std::max(wanted, WantedInAddress(address.address, slot));
  }
  for (const HeaderPiece& piece : header.pieces) {
    if (piece.kind == HeaderPiece::Kind::kUrlValue && piece.slot == slot) wanted = std::max(wanted, WantedValue::kUrl);
  }
  return wanted;
}

WantedValue WantedOf(const Program& program, uint32_t slot) {
  WantedValue wanted = WantedValue::kText;
  for (const HeaderSlots& header : program.headers) wanted = std::max(wanted, WantedInHeader(header, slot));
  for (const Program::Caution& caution : program.cautions) {
    if (caution.slot != slot) continue;
    if (caution.kind == Program::Caution::Kind::kLink) wanted = std::max(wanted, WantedValue::kUrl);
    if (caution.kind == Program::Caution::Kind::kStyle) wanted = std::max(wanted, WantedValue::kWord);
  }
  return wanted;
}

// The column that a slot's value is in and the members that lead to it; empty when no column has it.
std::vector<std::string> PathOf(const std::vector<Slot>& slots, uint32_t index) {
  const Slot& slot = slots[index];
  if (!slot.is_item && slot.column >= 0) return slot.parts;
  if (slot.within == Slot::kNowhere || slot.has_fallback || slot.column == Slot::kEmail) return {};
  std::vector<std::string> path = PathOf(slots, slot.within);
  if (!path.empty() && !slot.is_item) path.insert(path.end(), slot.parts.begin(), slot.parts.end());
  return path;
}

}  // namespace

WantedField WantedOf(const Program& program, std::string_view column) {
  WantedField wanted;
  for (uint32_t slot = 0; slot < program.slots.size(); ++slot) {
    const std::vector<std::string> path = PathOf(program.slots, slot);
    if (path.empty() || path.front() != column) continue;
    WantedField* field = &wanted;
    for (size_t i = 1; i < path.size(); ++i) field = &field->members[path[i]];
    field->text = std::max(field->text, WantedOf(program, slot));
  }
  return wanted;
}

}  // namespace sealift::engine
