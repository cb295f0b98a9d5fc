#include "tests/engine/core/mail_server.h"

#include <algorithm>
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

// How many bytes a BDAT announces; nothing: it is another command.
std::optional<size_t> ChunkSize(std::string_view command) {
  if (!command.starts_with("BDAT ")) return std::nullopt;
  return std::stoul(std::string(command.substr(5)));
}

// Takes the next command off what was received, or the content up to its final dot; of a BDAT, once its chunk is there
// too.
std::optional<std::string> Next(std::string& received, bool in_content) {
  if (in_content && received.starts_with(".\r\n")) {
    received.erase(0, 3);
    return std::string();
  }
  const size_t end = received.find(in_content ? kEnd : "\r\n");
  if (end == std::string::npos) return std::nullopt;
  const std::optional<size_t> chunk = in_content ? std::nullopt : ChunkSize(received);
  if (chunk.has_value() && received.size() < end + 2 + *chunk) return std::nullopt;
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
  if (command.starts_with("MAIL")) return {"250 2.1.0 ok"};
  if (command.starts_with("RCPT")) return {"250 2.1.5 ok"};
  return {"250 2.0.0 ok"};
}

std::optional<MailServer::Answer> MailServer::OutOfOrder(const Conversation& conversation,
                                                         std::string_view command) const {
  const bool begun = !conversation.sender.empty();
  if (command.starts_with("MAIL") && begun) return Answer{"503 5.5.1 nested MAIL"};
  if (command.starts_with("RCPT") && !begun) return Answer{"503 5.5.1 MAIL first"};
  const bool content = command == "DATA" || command == "BDAT";
  if (content && conversation.recipient.empty()) return Answer{"503 5.5.1 no valid recipients"};
  return std::nullopt;
}

void MailServer::Follow(Conversation& conversation, std::string_view command, const Answer& answer) {
  const bool positive = answer.text.starts_with('2');
  if (command.starts_with("MAIL") && positive) conversation.sender = command;
  if (command.starts_with("RCPT") && positive) conversation.recipient = command;
  if (command == "." && positive) {
    accepted.push_back({conversation.sender, conversation.recipient, contents.back()});
  }
  // A refused chunk leaves the transaction as it was: RFC 3030 asks for RSET.
  if (command.starts_with("RSET") || (command == "." && (positive || conversation.commands.back() == "."))) {
    conversation.sender.clear();
    conversation.recipient.clear();
  }
}

Task<void> MailServer::Serve(std::unique_ptr<Stream> stream) {
  Conversation& conversation = conversations.emplace_back();
  std::string received, withheld;
  std::vector<char> buffer(64 << 10);
  bool in_content = false;
  bool over = false;
  const TlsStream* secure = nullptr;
  const bool is_one_too_many = std::ranges::count(conversations, false, &Conversation::ended) > connections_max;
  const absl::Status greeted = co_await Say(*stream, is_one_too_many ? "421 4.7.0 too many connections" : greeting);
  over = !greeted.ok();
  if (is_one_too_many) ++turned_away;
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
      const std::optional<size_t> chunk = in_content ? std::nullopt : ChunkSize(command);
      if (chunk.has_value()) {
        contents.push_back(received.substr(0, *chunk));
        received.erase(0, *chunk);
        command = ".";
      } else if (in_content) {
        contents.push_back(*std::move(taken));
        command = ".";
      }
      conversation.commands.push_back(chunk.has_value() ? "BDAT" : command);
      std::optional<Answer> answer = script ? script(conversation, command) : std::nullopt;
      if (!answer.has_value() && strict) answer = OutOfOrder(conversation, chunk.has_value() ? "BDAT" : command);
      if (!answer.has_value()) answer = Usual(conversation, command);
      Follow(conversation, command, *answer);
      in_content = command == "DATA" && answer->text.starts_with("354");
      const bool of_the_first = contents.empty() || (contents.size() == 1 && command == ".");
      if (contents.size() < withhold && !of_the_first) {
        withheld += answer->text + "\r\n";
        continue;
      }
      answer->text.insert(0, std::exchange(withheld, {}));
      if (answer->after != nullptr) {
        const absl::Status notified = co_await answer->after->Wait();
        if (!notified.ok()) co_return;
      }
      const bool upgrade = command == "STARTTLS" && answer->text.starts_with("220");
      if (upgrade && !injected.empty()) answer->text += "\r\n" + injected;
      const absl::Status said = co_await Say(*stream, answer->text);
      over = !said.ok() || answer->hang_up;
      if (!upgrade || over) continue;
      received.clear();
      if (!instead_of_handshake.empty()) {
        const absl::StatusOr<size_t> hello = co_await stream->Read(buffer);
        if (hello.ok()) conversation.clear.append(buffer.data(), *hello);
        const absl::Status ruined = co_await Say(*stream, instead_of_handshake);
        over = !ruined.ok();
      } else if (tls != nullptr) {
        auto secured = std::make_unique<TlsStream>(std::move(stream), *tls::Channel::Server(tls));
        TlsStream& under = *secured;
        secure = &under;
        stream = std::move(secured);
        const absl::Status shaken = co_await under.Handshake();
        over = !shaken.ok();
        conversation.in_tls = shaken.ok();
      }
    }
  }
  conversation.tls_closed = secure != nullptr && secure->channel().closed();
  stream->Close();
  conversation.ended = true;
}

}  // namespace sealift::engine
