// Reads the config file: TOML in, a checked Options or every mistake of the file out.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "engine/options.h"

namespace sealift::engine {

// One mistake, where it stands and what to do about it.
struct ConfigProblem {
  std::string file;
  int line = 0;    // from 1; 0: the file as a whole
  int column = 0;  // from 1
  std::string text;

  std::string ToString() const;  // "file:line:column: text"
};

// What came of reading a file.
struct Config {
  std::shared_ptr<const Options> options;  // null when there are errors
  std::vector<ConfigProblem> errors;
  std::vector<ConfigProblem> warnings;  // settings that sink mode lets pass and live mode refuses
  std::vector<std::string> files;       // that were read, the named one first
  std::string data_dir;  // node.data_dir, whatever else is wrong; empty: it may stand in what is not read

  // Ok, or InvalidArgument with every error on a line of its own; NotFound when the named file is not there.
  absl::Status status() const;
};

// Files:   `include` globs are relative to the file that names them; at most 256 files, eight deep, 1 MiB each, each
// read
//          once (a cycle is an error). A key that two files set is an error; [[arrays]] add up in the order read.
// Checks:  everything that the text alone can tell: types, ranges, unknown keys (with the nearest known one), names
// that
//          refer to nothing, settings that this version does not enforce. Not the machine: see engine/kek.h for keys.
// Threads: any; blocks on the disk.
Config LoadConfig(const std::string& path, uint64_t generation = 1);

// The same for a text that is not a file; `name` stands for it in messages. `include` is an error here.
Config ParseConfig(std::string_view text, const std::string& name, uint64_t generation = 1);

}  // namespace sealift::engine
