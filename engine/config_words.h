// The words of a config file: whether one has the form that a key wants, and which one was meant.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "engine/config_fields.h"

namespace sealift::engine {

// The nearest of the known words, as ", did you mean `x`?", or "".
std::string DidYouMean(std::string_view word, const std::vector<std::string>& known);

// Whether a text is what `kind` asks for; makes it canonical. Answers what is wrong, or "".
std::string CheckText(Text kind, std::string& text);

}  // namespace sealift::engine
