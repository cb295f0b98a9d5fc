#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "engine/runtime/ring.h"
#include "engine/runtime/task.h"
#include "tls/channel.h"
#include "tools/sink/delay_line.h"
#include "tools/sink/session.h"
#include "tools/sink/socket.h"

namespace sealift::tools::sink {

// Connection moves the bytes of one Session: between socket and buffer, through TLS, and through a line as slow as
// the script wants it.
//
// Latency is a delay line: replies leave that much later, while what arrives meanwhile is read and answered behind
// them. So a pipelining client gains from it what it would on a long way.
//
// Owned by:  the coroutine that serves it.
// Threads:   its worker's ring.
// Errors:    none; a connection that fails is over.
class Connection {
 public:
  Connection(engine::Ring& ring, Socket socket, const Server& server, CountCell& counts, Receiver& receiver,
             std::string source);

  // Until the dialogue is over, either side closed, or the scope ended.
  engine::Task<void> Serve();

  // What is in the buffers is still answered, then the dialogue ends. From the worker's coroutines.
  void StopReading();
  // Ends it at once when it has not received anything since `nanos` (the ring's clock).
  void EndIfIdleSince(int64_t nanos);

 private:
  engine::Task<void> Converse();
  engine::Task<bool> Perform(Session::Step step);  // false: the dialogue is over
  engine::Task<bool> Act(const Action& action);
  engine::Task<bool> Finish(Then then);  // false, but for kContinue
  engine::Task<bool> StartTls();
  engine::Task<bool> Handshake();
  engine::Task<bool> Fill();  // more input; false: there is none
  engine::Task<bool> FillFromTls();
  engine::Task<bool> Flush(size_t bytes);           // of the session's out()
  engine::Task<bool> Send(std::string_view bytes);  // through TLS where it is on
  engine::Task<bool> SendRaw(std::span<const char> bytes);
  engine::Task<bool> SendTlsOutput();
  engine::Task<void> Hang();
  engine::Task<void> Linger();
  engine::Task<void> Drain();

  engine::Ring& ring_;
  Socket socket_;
  const Server& server_;
  Session session_;
  std::unique_ptr<tls::Channel> channel_;
  const std::unique_ptr<char[]> input_;
  size_t begin_ = 0, end_ = 0;      // what of input_ has not been taken
  std::unique_ptr<char[]> cipher_;  // what came in under TLS
  bool spoken_ = false;
  int64_t last_input_nanos_;
  DelayLine line_;
};

}  // namespace sealift::tools::sink
