#pragma once

#include <string>
#include <utility>
#include <vector>

#include "tests/scenario/harness/certificate.h"
#include "tests/scenario/harness/process.h"
#include "tests/scenario/harness/temp_dir.h"

namespace sealift::scenario {

// A step of a ScriptedServer's conversation. A conversation that has no step left is closed.
struct Step {
  std::string what, bytes;

  static Step Say(std::string bytes) { return {"say", std::move(bytes)}; }
  // Reads up to the end of a line. A client that leaves instead ends the conversation.
  static Step Hear() { return {"hear", ""}; }
  // The handshake, with the host's certificate.
  static Step Tls() { return {"tls", ""}; }
  // Serves as a good server does from here on, without extensions, until QUIT. Every message is answered with `taken`;
  // a 421 in it is its last word.
  static Step Serve(std::string taken = "250 ok\r\n") { return {"serve", std::move(taken)}; }
  // Takes pipelined messages by BDAT LAST, with small buffers and in strict order: it reads no byte before it has sent
  // all of the reply to what came before, which has eight long lines.
  static Step ServeAtLength() { return {"at_length", ""}; }
  // Reads nothing more, through a small window.
  static Step Stall() { return {"stall", ""}; }
  static Step Reset() { return {"reset", ""}; }
};

// Mail servers that say what a script tells them, below what a mail server would do: bytes at any time, a handshake
// after words that do not belong there, a connection that is reset at once. sealift-sink (sink.h) scripts whole
// dialogues; this is for what it does not do.
class ScriptedServer {
 public:
  static constexpr int kPort = 2525;

  struct Host {
    std::string address;
    std::vector<Step> steps;  // of every connection
    CertificateAuthority::Pair certificate;
  };

  ScriptedServer(const TempDir& dir, const std::vector<Host>& hosts);

  // The recipients of what Step::Serve took, in the order of their coming; "in clear " before those without TLS.
  std::vector<std::string> Taken() const;

 private:
  Process process_;
};

}  // namespace sealift::scenario
