// key rotate, key show
#include <fmt/format.h>

#include <filesystem>
#include <nlohmann/json.hpp>

#include "engine/kek.h"
#include "queue/key_report.h"
#include "tools/sealift/commands.h"
#include "tools/sealift/daemon_client.h"
#include "tools/sealift/failure.h"
#include "tools/sealift/read_config.h"

namespace sealift::tools {
namespace {

using engine::ExitCode;
using nlohmann::json;

// What the configuration names, which need not be what the daemon was started with; why not, when it cannot be read.
json ConfiguredKey(const Invocation& call) {
  const absl::StatusOr<engine::Config> config = ReadConfig(call);
  if (!config.ok()) return {{"why", std::string(config.status().message())}};
  if (!config->errors.empty()) return {{"why", "the configuration has mistakes; see `sealift config check`"}};
  if (engine::KekIsElsewhere(*config->options)) {
    return {{"why", fmt::format("it is the credential {} of the daemon's unit, which the command line cannot look at",
                                config->options->keys.kek_credential)}};
  }
  const absl::StatusOr<engine::Kek> kek = engine::LoadKek(*config->options);
  if (!kek.ok()) return {{"why", std::string(kek.status().message())}};
  return {{"fingerprint", queue::FingerprintOf(*kek)}};
}

}  // namespace

CommandResult RunKeyShow(const Invocation& call, Console& console) {
  const json configured = ConfiguredKey(call);
  absl::StatusOr<DaemonClient> daemon = DaemonClient::For(call);
  const absl::StatusOr<json> keys = daemon.ok() ? daemon->Get("/api/v1/keys") : daemon.status();
  json answer = keys.ok() ? *keys : json::object();
  answer["configured"] = configured.contains("fingerprint") ? configured["fingerprint"] : json();
  if (!keys.ok() && !configured.contains("fingerprint")) return keys.status();
  console.Record(answer, {{"configured", "key that the configuration names"},
                          {"kek", "key that the queue is opened with"},
                          {"next", "key that a rotation waits for"},
                          {"campaign_keys", "data keys of campaigns"},
                          {"event_keys", "data keys of months of events"},
                          {"incarnation", "incarnation"},
                          {"incarnation_drawn", "  drawn"}});
  if (configured.contains("why")) console.Say("The configured key: " + configured.value("why", ""));
  if (!keys.ok()) console.Say("No daemon was asked: " + FailureOf(keys.status()).why);
  return ExitCode::kOk;
}

CommandResult RunKeyRotate(const Invocation& call, Console& console) {
  std::error_code error;
  const std::string file = std::filesystem::absolute(call.arguments[0], error);
  absl::StatusOr<DaemonClient> daemon = DaemonClient::For(call);
  if (!daemon.ok()) return daemon.status();
  const absl::StatusOr<json> answer =
      daemon->Post("/api/v1/keys/rotate", {{"file", file}, {"reason", call.Value("reason")}});
  if (!answer.ok()) return answer.status();
  console.Record(*answer, {{"kek", "key in use"}, {"next", "next key"}});
  console.Say(
      "Either key opens the queue now. Keep a copy of the next one where the data is not, name it in [keys] (or put it "
      "where kek_command or the credential takes it from), and restart sealiftd: then the data keys are wrapped by it, "
      "and the one before opens nothing any more.");
  return ExitCode::kOk;
}

}  // namespace sealift::tools
