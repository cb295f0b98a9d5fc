#include "tools/sealift/message_flags.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <utility>

#include "engine/message/letter.h"
#include "tools/sealift/failure.h"
#include "tools/sealift/files.h"

namespace sealift::tools {
namespace {

using engine::ExitCode;

constexpr const char* kLetterFlags[] = {"from", "subject", "text", "html", "attach"};

absl::Status Usage(const Invocation& call, std::string what, std::string why) {
  return Fail(ExitCode::kUsage, {fmt::format("{}: {}", call.command->Name(), what), "", std::move(why),
                                 "Give --template FILE; or --from, --subject and --text FILE or --html FILE (or both), "
                                 "and --attach FILE as often as needed."});
}

bool HasLetter(const Invocation& call) {
  return std::ranges::any_of(kLetterFlags, [&](const char* flag) { return call.Has(flag); });
}

absl::Status ReadVersion(const Invocation& call, const char* flag, std::optional<std::string>& version) {
  if (!call.Has(flag)) return absl::OkStatus();
  absl::StatusOr<std::string> text = ReadWholeFile(call.Value(flag), fmt::format("--{}", flag));
  if (!text.ok()) return text.status();
  version = *std::move(text);
  return absl::OkStatus();
}

}  // namespace

bool HasMessage(const Invocation& call) { return call.Has("template") || HasLetter(call); }

absl::StatusOr<std::string> MessageOf(const Invocation& call) {
  if (call.Has("template")) {
    if (HasLetter(call)) {
      return Usage(call, "two messages", "A --template is the whole message; it takes nothing beside it.");
    }
    return ReadWholeFile(call.Value("template"), "--template");
  }
  if (!HasLetter(call)) return Usage(call, "there is no message", "Neither a template nor its parts were given.");
  for (const char* flag : {"from", "subject"}) {
    if (!call.Has(flag)) {
      return Usage(call, fmt::format("--{} is missing", flag), "A message has a sender, a subject and a text.");
    }
  }
  if (!call.Has("text") && !call.Has("html")) {
    return Usage(call, "--text or --html is missing", "A message has a sender, a subject and a text.");
  }
  engine::Letter letter{
      .from = call.Value("from"), .subject = call.Value("subject"), .text = {}, .html = {}, .attachments = {}};
  if (absl::Status status = ReadVersion(call, "text", letter.text); !status.ok()) return status;
  if (absl::Status status = ReadVersion(call, "html", letter.html); !status.ok()) return status;
  for (const std::string& path : call.Values("attach")) {
    absl::StatusOr<std::string> bytes = ReadWholeFile(path, "--attach");
    if (!bytes.ok()) return bytes.status();
    letter.attachments.push_back({std::filesystem::path(path).filename(), *std::move(bytes)});
  }
  absl::StatusOr<std::string> eml = letter.Compose();
  if (!eml.ok()) {
    return Fail(ExitCode::kBadData, {fmt::format("{}: the message cannot be made", call.command->Name()), "",
                                     fmt::format("Of what was given, {}.", std::string(eml.status().message())),
                                     "Correct it and give the command again."});
  }
  return eml;
}

}  // namespace sealift::tools
