// The part of a script that says what a provider answers: rules, limits, and the replies of both. Mistakes go into the
// table, as TomlTable says.
#pragma once

#include <cstdint>
#include <vector>

#include "tools/sink/script.h"
#include "tools/sink/toml_table.h"

namespace sealift::tools::sink {

// The four short keys (connections, ...) and [[provider.limit]] of a provider's table.
void ReadLimits(TomlTable& provider, const Script& script, std::vector<Limit>* limits);

// [[provider.rule]], into their phases; each takes the next id.
void ReadRules(TomlTable& table, const Script& script, uint64_t* next_id, Provider* provider);

}  // namespace sealift::tools::sink
