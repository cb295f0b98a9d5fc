#pragma once

#include <absl/status/status.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "engine/message/context_stack.h"

namespace sealift::engine {

// A piece of a header's value. Ifs and unlesses hold the index of the piece after their section, ends that of their if.
struct HeaderPiece {
  enum class Kind : uint8_t {
    kText,
    kValue,
    kRawValue,
    kUrlValue,  // begins the URL of a List-... header, whose scheme is the value's
    kIf,
    kEnd,  // of an if: once more for each further item
    kUnless,
  };

  Kind kind = Kind::kText;
  uint32_t slot = 0;
  uint32_t after = 0;
  std::string text;
};

// A mailbox of an address header: a display name, possibly empty, and an address.
struct AddressPieces {
  std::vector<HeaderPiece> name;
  std::vector<HeaderPiece> address;
  std::string fixed;  // the address, parsed when compiling, when no field is in it

  bool IsRecipient(const std::vector<Slot>& slots) const;  // nothing but {{email}}
};

// A header with merge fields, written for each row.
struct HeaderSlots {
  enum class Kind : uint8_t {
    kText,       // unstructured: Subject, X-...
    kAddresses,  // From, To, Reply-To, ...
    kUrls,       // List-Unsubscribe, ...
  };

  Kind kind = Kind::kText;
  std::string name;                      // as the template spells it
  int line = 0;                          // in the template
  std::vector<HeaderPiece> pieces;       // kText, kUrls
  std::vector<AddressPieces> addresses;  // kAddresses

  // Checks the row's values; appends "Name: value\r\n" when `out` is not null.
  absl::Status Write(const std::vector<Slot>& slots, ContextStack& contexts, std::string* out) const;
};

// What no value that begins a link may be but nothing, or a URL of a scheme that runs nothing.
bool IsHarmlessLink(std::string_view value);

}  // namespace sealift::engine
