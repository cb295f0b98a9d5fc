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

}  // namespace

WantedValue WantedOf(const Program& program, std::string_view column) {
  WantedValue wanted = WantedValue::kText;
  for (uint32_t slot = 0; slot < program.slots.size(); ++slot) {
    if (program.slots[slot].name != column) continue;
    for (const HeaderSlots& header : program.headers) wanted = std::max(wanted, WantedInHeader(header, slot));
    for (const Program::Caution& caution : program.cautions) {
      if (caution.slot != slot) continue;
      if (caution.kind == Program::Caution::Kind::kLink) wanted = std::max(wanted, WantedValue::kUrl);
      if (caution.kind == Program::Caution::Kind::kStyle) wanted = std::max(wanted, WantedValue::kWord);
    }
  }
  return wanted;
}

}  // namespace sealift::engine
