// A configuration file: either options that can be worked with, or mistakes with their places.
#include <string>

#include "engine/config_file.h"
#include "tests/fuzz/property.h"

namespace sealift::fuzz {

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
  const std::string text(reinterpret_cast<const char*>(bytes), size);
  const engine::Config config = engine::ParseConfig(text, "sealift.toml");
  Holds((config.options != nullptr) == config.errors.empty(), "there are options, or errors");
  for (const engine::ConfigProblem& problem : config.errors) {
    Holds(!problem.text.empty() && problem.line >= 0, "an error says what and where");
  }
  return 0;
}

}  // namespace sealift::fuzz
