#include "tests/engine/core/mail_server.h"

#include <utility>

#include "engine/tls_stream.h"
#include "tls/channel.h"

namespace sealift::engine {
namespace {

constexpr std::string_view kEnd = "\r\n.\r\n";

Task<absl::Status> Say(Stream& stream, std::string text) {
  if (text.empty()) co_return absl::OkStatus();
  if (!text.ends_with("\r\n")) text += "\r\n";
  co_return co_await stream.Write(text);
}

// Takes the next command off what was received, or the content up to its final dot.
std::optional<std::string> Next(std::string& received, bool in_content) {
  if (in_content && received.starts_with(".\r\n")) {
    received.erase(0, 3);
    return std::string();
  }
  const size_t end = received.find(in_content ? kEnd : "\r\n");
  if (end == std::string::npos) return std::nullopt;
  std::string taken = received.substr(0, in_content ? end + 2 : end);
  received.erase(0, end + (in_content ? kEnd.size() : 2));
  return taken;
}

}  // namespace

MailServer::Answer MailServer::Usual(const Conversation& conversation, std::string_view command) const {
  if (command.starts_with("EHLO")) {
    std::vector<std::string> lines = {"mx"};
    lines.insert(lines.end(), offers.begin(), offers.end());
    const bool starttls = tls != nullptr || !instead_of_handshake.empty();
    if (starttls && !conversation.in_tls) lines.emplace_back("STARTTLS");
    std::string text;
    for (size_t i = 0; i < lines.size(); ++i) text += (i + 1 < lines.size() ? "250-" : "250 ") + lines[i] + "\r\n";
    return {text};
  }
  if (command.starts_with("DATA")) return {"354 go ahead"};
  if (command == "STARTTLS") return {"220 2.0.0 ready"};
  if (command == "QUIT") return {"221 2.0.0 bye", true};
  if (command == ".") return {"250 2.0.0 taken"};
  return {"250 2.0.0 ok"};
}

Task<void> MailServer::Serve(std::unique_ptr<Stream> stream) {
  Conversation& conversation = conversations.emplace_back();
  std::string received;
  std::vector<char> buffer(64 << 10);
  bool in_content = false;
  bool over = false;
  const absl::Status greeted = co_await Say(*stream, greeting);
  over = !greeted.ok();
  while (!over) {
    const absl::StatusOr<size_t> count = co_await stream->Read(buffer);
    if (!count.ok() || *count == 0) break;
    conversation.reads.emplace_back(buffer.data(), *count);
    if (!conversation.in_tls) conversation.clear += conversation.reads.back();
    received += conversation.reads.back();
    while (!over) {
      std::optional<std::string> taken = Next(received, in_content);
      if (!taken.has_value()) break;
      std::string command = *taken;
      if (in_content) {
        contents.push_back(*std::move(taken));
        command = ".";
      }
      conversation.commands.push_back(command);
      std::optional<Answer> answer = script ? script(conversation, command) : std::nullopt;
      if (!answer.has_value()) answer = Usual(conversation, command);
      in_content = command == "DATA" && answer->text.starts_with("354");
      const bool upgrade = command == "STARTTLS" && answer->text.starts_with("220");
      if (upgrade && !injected.empty()) answer->text += "\r\n" + injected;
      const absl::Status said = co_await Say(*stream, answer->text);
      over = !said.ok() || answer->hang_up;
      if (!upgrade) continue;
      received.clear();
      if (!instead_of_handshake.empty()) {
        const absl::StatusOr<size_t> hello = co_await stream->Read(buffer);
        if (hello.ok()) conversation.clear.append(buffer.data(), *hello);
        const absl::Status ruined = co_await Say(*stream, instead_of_handshake);
        over = !ruined.ok();
      } else if (tls != nullptr) {
        auto secured = std::make_unique<TlsStream>(std::move(stream), *tls::Channel::Server(tls));
        TlsStream& under = *secured;
        stream = std::move(secured);
        const absl::Status shaken = co_await under.Handshake();
        over = !shaken.ok();
        conversation.in_tls = shaken.ok();
      }
    }
  }
  stream->Close();
  conversation.ended = true;
}

}  // namespace sealift::engine
