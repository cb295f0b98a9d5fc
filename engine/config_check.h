// What one key cannot tell: names that refer to each other, settings that contradict, promises that this version cannot
// keep.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "engine/config_file.h"
#include "engine/options.h"

namespace sealift::engine {

// An Options while it is being read, with where everything stands.
struct ConfigDraft {
  struct Place {
    std::string file;
    int line = 0;
    int column = 0;
  };

  Options options;
  std::map<std::string, Place>
      places;   // keys ("source[ip1].rate") and elements ("source[ip1]", "node") that a file set
  Place whole;  // the file itself, for what is missing from it
  std::vector<ConfigProblem> errors, warnings;

  // Reports at the key, or at the nearest thing around it that stands in a file.
  void Error(const std::string& key, std::string text);
  void Warn(const std::string& key, std::string text);

 private:
  ConfigProblem At(const std::string& key, std::string text) const;
};

// Fills in what follows from other keys (defaults that are other keys' values, indexes) and reports what does not fit.
void CheckConfig(ConfigDraft& draft);

}  // namespace sealift::engine
