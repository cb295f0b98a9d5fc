#pragma once

#include <string>

namespace sealift::engine {

// docs/rules.md, made of the tables: what replies are taken to mean, and what follows.
std::string RulesReference();

}  // namespace sealift::engine
