#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/runtime/stream.h"
#include "engine/runtime/task.h"
#include "tls/server_context.h"

namespace sealift::engine {

// MailServer is an SMTP server that a test scripts: it answers as a good one does, but where the script says otherwise,
// and it keeps every byte that it was sent.
//
// Owned by:  the Internet of the test.
// Threads:   the shard's while that runs; the test's afterwards.
class MailServer {
 public:
  struct Answer {
    std::string text;      // with or without its last CRLF; empty: says nothing
    bool hang_up = false;  // ... and closes the connection then
  };

  struct Conversation {
    std::string clear;                  // every byte outside TLS
    std::vector<std::string> reads;     // what came, a string a Write of the client; deciphered
    std::vector<std::string> commands;  // one each; "." for the end of the content
    bool in_tls = false;
    bool ended = false;
  };

  // Asked for every command first; nothing: the usual answer is given.
  using Script = std::function<std::optional<Answer>(const Conversation& conversation, std::string_view command)>;

  std::string greeting = "220 mx ready";  // empty: says nothing
  std::vector<std::string> offers = {"PIPELINING", "SIZE 1000000", "ENHANCEDSTATUSCODES"};
  std::shared_ptr<tls::ServerContext> tls;  // set: STARTTLS is offered
  std::string instead_of_handshake;         // set: the answer to the client's hello is this, and goodbye
  std::string injected;                     // written in clear right behind the answer to STARTTLS
  Script script;

  std::deque<Conversation> conversations;  // the oldest first
  std::vector<std::string> contents;       // what came after DATA, as it was on the wire, without the line with the dot

  Task<void> Serve(std::unique_ptr<Stream> stream);

 private:
  Answer Usual(const Conversation& conversation, std::string_view command) const;
};

}  // namespace sealift::engine
