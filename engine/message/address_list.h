#pragma once

#include <absl/status/statusor.h>

#include <deque>
#include <string>
#include <vector>

#include "engine/message/mustache.h"

namespace sealift::engine {

// One mailbox of an address header (RFC 5322 3.4), merge fields still in it.
struct AddressTokens {
  std::vector<MustacheToken> name;     // unquoted, encoded words decoded
  std::vector<MustacheToken> address;  // between the angle brackets, or all of it
};

// Splits the value of an address header at what the template itself wrote: no comma, bracket or quote inside a value
// counts. Comments are dropped. `texts` owns what had to be unquoted.
//
// Errors: InvalidArgument, without the line: a bracket, quote or comment that is not closed, a group, a section that
// holds a bracket, comma or quote, an encoded word that has a merge field in it.
absl::StatusOr<std::vector<AddressTokens>> ParseAddressList(const std::vector<MustacheToken>& tokens,
                                                            std::deque<std::string>& texts);

}  // namespace sealift::engine
