#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/time/time.h"
#include "tools/sink/body_scanner.h"
#include "tools/sink/counters.h"
#include "tools/sink/server.h"
#include "tools/sink/smtp_command.h"

namespace sealift::tools::sink {

// A message that was taken. Views into the session, for the time of the call.
struct Arrival {
  absl::Time time;
  const Server* server;
  std::span<const std::string> mailboxes;
  std::string_view kept;  // the message, its header, or nothing: what the Receiver asked for
  uint64_t bytes;
  bool tls;
  std::string_view source;
};

// Receiver gets what arrives, before the client is told so.
class Receiver {
 public:
  virtual ~Receiver() = default;
  virtual BodyScanner::Keep keep() const = 0;
  virtual void Receive(const Arrival& arrival) = 0;
};

// Session is the server's side of one SMTP dialogue (RFC 5321), without the socket: bytes in, replies out. It follows
// the script, and counts what the client does that the standards forbid.
//
// The caller feeds a buffer, sends out(), and does what the step says; bytes that a step did not take are fed again, in
// front of new ones. Replies to a pipelined group gather in out(), so that one send answers one receive.
//
// Owned by:  Connection.
// Threads:   its worker's.
// Errors:    none; whatever a client sends has an answer.
class Session {
 public:
  enum class Next : uint8_t {
    kRead,      // everything possible was done
    kAct,       // send out() up to step.before, perform step.action, go on with the rest of both
    kStartTls,  // send out(), shake hands, call TlsStarted, then feed what comes
    kClose,     // send out(), then as Then says
    kReset,
    kHang,
  };
  struct Step {
    Next next = Next::kRead;
    size_t taken = 0;                // of the input
    size_t before = 0;               // of out()
    const Action* action = nullptr;  // valid as long as the script
  };

  // The longest command line that is read, CRLF included; a buffer has at least that much room.
  static constexpr size_t kLineBytesMax = 4096;

  Session(const Server& server, CountCell& counts, Receiver& receiver, std::string source);
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;
  ~Session();

  // The greeting, or what the script has instead.
  Step Open(absl::Time now);
  Step Feed(std::span<const char> input, absl::Time now);
  void TlsStarted(bool resumed);
  void TlsFailed();

  // Bytes came before the greeting went out.
  void NoteEarlyTalker() { counts_.Add(Count::early_talker); }

  // The connection ends: the provider's connection count knows it from here on, not first when the socket is gone.
  void Leave();

  std::string& out() { return out_; }

 private:
  enum class State : uint8_t { kCommand, kLongLine, kBody, kChunk };

  Step Command(std::string_view line, bool more, absl::Time now);
  Step Ehlo(const SmtpCommand& command, absl::Time now);
  Step StartTls(bool more, absl::Time now);
  Step Mail(std::string_view argument, absl::Time now);
  Step Rcpt(std::string_view argument, absl::Time now);
  Step Data(std::string_view argument, absl::Time now);
  Step Bdat(std::string_view argument);
  Step EndChunk(absl::Time now);
  Step EndMessage(absl::Time now);
  Step Quit(absl::Time now);

  // Whether the script has a reply of its own here: then `*step` performs it, and scripted_positive_ says what it
  // means. A rule that only pauses is kept in pause_, for AfterPause to put before the usual reply.
  bool Scripted(Phase phase, std::string_view mailbox, absl::Time now, Step* step);
  Step AfterPause(Step step);
  Step Perform(const Action& action);
  Step Say(std::string_view reply);
  void CountFlaws();
  void ResetTransaction();

  const Server& server_;
  CountCell& counts_;
  Receiver& receiver_;
  const std::string source_;
  std::string out_;

  State state_ = State::kCommand;
  bool tls_ = false, greeted_ = false /* EHLO or HELO was accepted */, left_ = true;
  bool mail_ = false, mail_tried_ = false;  // a transaction is open, or was asked for
  bool eight_bit_ = false, smtp_utf8_ = false;
  bool chunking_ = false, last_chunk_ = false, drop_chunk_ = false;
  uint64_t chunk_left_ = 0;
  int64_t messages_ = 0;  // transactions begun in this connection
  bool scripted_positive_ = false;
  const Action* pause_ = nullptr;
  size_t pause_at_ = 0;  // in out_
  std::vector<std::string> mailboxes_;
  BodyScanner scanner_;
};

}  // namespace sealift::tools::sink
