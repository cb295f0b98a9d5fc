// One accepted socket as httplib reads and writes it. Included only by the admin folder's .cc files, as httplib is.
#pragma once

#include <httplib.h>

#include <chrono>
#include <string>

#include "absl/time/time.h"

namespace sealift::engine {

// ConnectionStream bounds what a peer may cost: every wait has a limit, and so has the head of a request as a whole, in
// bytes and in time, against a peer that drips. It leaves `Range` out of the head (RFC 9110 14.2: a server may):
// httplib would answer with a copy of the body for each of thousands of ranges.
//
// Owned by:  the thread that serves the connection, with the socket.
class ConnectionStream : public httplib::Stream {
 public:
  struct Limits {
    size_t head_bytes_max;
    absl::Duration head_timeout, read_timeout, write_timeout;
  };

  ConnectionStream(int fd, const Limits& limits) : fd_(fd), limits_(limits) {}

  // From here to EndHead the head's limits hold.
  void BeginHead();
  void EndHead() {
    in_head_ = false;
    end_ = Clock::time_point::max();
  }
  // What is read until the next head has to come within that time.
  void EndReadsIn(absl::Duration time) { end_ = Clock::now() + absl::ToChronoNanoseconds(time); }

  bool is_readable() const override;
  bool is_writable() const override;
  ssize_t read(char* out, size_t size) override;
  ssize_t write(const char* bytes, size_t size) override;
  void get_remote_ip_and_port(std::string& ip, int& port) const override;
  void get_local_ip_and_port(std::string& ip, int& port) const override;
  socket_t socket() const override { return fd_; }

 private:
  using Clock = std::chrono::steady_clock;

  bool Wait(short events, absl::Duration at_most) const;
  // Of what was received, at most so many bytes; waits for some.
  ssize_t Take(char* out, size_t size);
  // The next line of the head becomes line_; what Take says, where it has no end.
  ssize_t NextLine();

  const int fd_;
  const Limits limits_;
  bool in_head_ = false;
  size_t head_bytes_ = 0;
  Clock::time_point end_ = Clock::time_point::max();  // of reading
  // httplib reads heads a byte at a time; a system call a byte would be most of the cost of a small request.
  std::string buffer_;
  size_t taken_ = 0;
  std::string line_;  // of the head
  size_t line_taken_ = 0;

 public:
  // Whether bytes of a next request have already been read.
  bool buffered() const { return taken_ < buffer_.size(); }
};

}  // namespace sealift::engine
