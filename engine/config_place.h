#pragma once

#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "engine/exit_code.h"
#include "engine/options.h"

namespace sealift::engine {

// "file:line:column" of a key or an element that was set, or "default": for whoever has to correct it. What says only
// where a limit comes from leaves the column out (Options::WhereSet).
inline std::string PlaceOf(const Options& options, std::string_view key) {
  const auto it = options.origins.find(key);
  return it == options.origins.end() ? "default" : it->second;
}

// A failure with the place in front where the key was set that it is about.
inline absl::Status SetAt(const Options& options, std::string_view key, const absl::Status& why) {
  const std::string place = PlaceOf(options, key);
  if (why.ok() || place == "default") return why;
  return WithExit(absl::Status(why.code(), absl::StrCat(place, ": ", why.message())), ExitCodeOf(why));
}

}  // namespace sealift::engine
