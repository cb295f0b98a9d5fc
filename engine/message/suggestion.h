#pragma once

#include <span>
#include <string>
#include <string_view>

namespace sealift::engine {

// The known name that a person most likely meant by `name`: the same but for case or white space, or at most a third of
// it mistyped. Empty when nothing is close.
std::string Suggestion(std::string_view name, std::span<const std::string> known);

}  // namespace sealift::engine
