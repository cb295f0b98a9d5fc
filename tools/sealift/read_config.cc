#include "tools/sealift/read_config.h"

#include <fmt/format.h>

#include "tools/sealift/failure.h"

namespace sealift::tools {

using engine::ExitCode;

absl::StatusOr<engine::Config> ReadConfig(const Invocation& call) {
  engine::Config config = engine::LoadConfig(call.config);
  if (absl::IsNotFound(config.status())) {
    return Fail(ExitCode::kNoInput, {"there is no configuration", call.config, std::string(config.status().message()),
                                     "Name the file with --config or SEALIFT_CONFIG."});
  }
  return config;
}

absl::Status Refused(const engine::Config& config, const std::string& path) {
  std::string why;
  for (const engine::ConfigProblem& problem : config.errors) why += (why.empty() ? "" : "\n") + problem.ToString();
  return Fail(
      ExitCode::kConfig,
      {fmt::format("the configuration has {} mistake{}", config.errors.size(), config.errors.size() == 1 ? "" : "s"),
       path, why, "Correct each; a running daemon keeps what it has until a reload succeeds."});
}

}  // namespace sealift::tools
