#pragma once

#include <cstdint>
#include <map>
#include <string>
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

// The same of what is within the value: a column whose members the template names is an object that has them, one that
// it names none of is text.
struct WantedField {
  WantedValue text = WantedValue::kText;
  std::map<std::string, WantedField> members;
};

// Of a column that no tag names: any text.
WantedField WantedOf(const Program& program, std::string_view column);

}  // namespace sealift::engine
