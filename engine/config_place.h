#pragma once

#include <string>
#include <string_view>

#include "engine/options.h"

namespace sealift::engine {

// "file:line:column" of a key or an element that was set, or "default": for whoever has to correct it. What says only
// where a limit comes from leaves the column out (Options::WhereSet).
inline std::string PlaceOf(const Options& options, std::string_view key) {
  const auto it = options.origins.find(key);
  return it == options.origins.end() ? "default" : it->second;
}

}  // namespace sealift::engine
