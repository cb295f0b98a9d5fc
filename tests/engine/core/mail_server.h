#pragma once

#include <climits>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/runtime/signal.h"
#include "engine/runtime/stream.h"
#include "engine/runtime/task.h"
#include "tls/server_context.h"

namespace sealift::engine {

// MailServer is an SMTP server that a test scripts: it answers as a good one does, but where the script says otherwise,
// and it keeps every byte that it was sent. It follows its own answers: a MAIL within a transaction, or content for
// nobody, is answered 503 where `strict`.
//
// Owned by:  the Internet of the test.
// Threads:   the shard's while that runs; the test's afterwards.
class MailServer {
 public:
  struct Answer {
    std::string text;         // with or without its last CRLF; empty: says nothing
    bool hang_up = false;     // ... and closes the connection then
    Signal* after = nullptr;  // says it once that is notified
  };

  struct Conversation {
    std::string clear;                  // every byte outside TLS
    std::vector<std::string> reads;     // what came, a string a Write of the client; deciphered
    std::vector<std::string> commands;  // one each; "." for the end of the content, "BDAT" for that and its command
    bool in_tls = false;
    bool tls_closed = false;  // by a word of the client, not by the end of the connection alone
    bool ended = false;
    std::string sender, recipient;  // of the transaction, as far as they were accepted; with what follows them
  };

  // A message that was answered with 2xx.
  struct Taken {
    std::string sender, recipient, content;
  };

  // Asked for every command first ("." for the end of any content); nothing: the usual answer is given.
  using Script = std::function<std::optional<Answer>(const Conversation& conversation, std::string_view command)>;

  std::string greeting = "220 mx ready";  // empty: says nothing
  std::vector<std::string> offers = {"PIPELINING", "SIZE 1000000", "ENHANCEDSTATUSCODES"};
  std::shared_ptr<tls::ServerContext> tls;  // set: STARTTLS is offered
  std::string instead_of_handshake;         // set: the answer to the client's hello is this, and goodbye
  std::string injected;                     // written in clear right behind the answer to STARTTLS
  Script script;
  bool strict = false;
  int connections_max = INT_MAX;  // at once: another is greeted by 421
  int turned_away = 0;            // so many were
  size_t withhold = 0;            // says nothing after the first message until so many have come

  std::deque<Conversation> conversations;  // the oldest first
  std::vector<std::string> contents;       // what came after DATA, as it was on the wire, without the line with the dot
  std::vector<Taken> accepted;

  Task<void> Serve(std::unique_ptr<Stream> stream);

 private:
  Answer Usual(const Conversation& conversation, std::string_view command) const;
  std::optional<Answer> OutOfOrder(const Conversation& conversation, std::string_view command) const;
  void Follow(Conversation& conversation, std::string_view command, const Answer& answer);
};

}  // namespace sealift::engine
