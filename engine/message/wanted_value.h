#pragma once

#include <cstdint>
#include <string_view>

namespace sealift::engine {

class Program;

// What a template asks of a column's value, by the places that it stands in. Where it stands in several the strictest
// one counts.
enum class WantedValue : uint8_t {
  kText,     // anything
  kWord,     // letters and digits: in a style, or in front of the @ of an address
  kDomain,   // behind that @
  kUrl,      // it begins a link
  kAddress,  // it is a whole address of a header
};

// Of a column that no tag names: text.
WantedValue WantedOf(const Program& program, std::string_view column);

}  // namespace sealift::engine
