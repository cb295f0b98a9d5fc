// The control socket: HTTP over a Unix socket, with the caller's identity from the kernel.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace sealift::engine {

// Who asks, as SO_PEERCRED says: the process that connected, when it did. Not what it claims.
struct Caller {
  uid_t uid = 0;
  pid_t pid = 0;
  std::string user;  // the uid's name, or its digits
};

// One request, alive while its answer runs.
class AdminRequest {
 public:
  virtual ~AdminRequest() = default;

  std::string method, path;                   // path is decoded, without the query
  std::map<std::string, std::string> query;   // decoded; the first of each name
  std::map<std::string, std::string> params;  // what stood for `:name` in the route
  Caller caller;

  // "" when absent.
  std::string Query(const std::string& name) const;
  std::string Param(const std::string& name) const;
  virtual std::string Header(const std::string& name) const = 0;

  // Hands over the body piece by piece as it arrives; the peer waits while `piece` runs, so that a body of any size
  // costs one buffer. False from `piece` ends the reading with Cancelled. Once a request.
  // Errors: Cancelled, Unavailable (the peer went away, or sent nothing for read_timeout).
  virtual absl::Status ReadBody(const std::function<bool(std::string_view piece)>& piece) = 0;

  // The whole body, which has to come within body_timeout. Errors: ResourceExhausted over bytes_max, and those of
  // ReadBody.
  absl::StatusOr<std::string> Body(size_t bytes_max);

  // Nobody would hear the answer any more.
  virtual bool gone() const = 0;

 protected:
  virtual void LimitBodyTime() = 0;
};

// The writing end of a streamed answer.
class AdminWriter {
 public:
  virtual ~AdminWriter() = default;

  // Waits while the peer is slow. False: it is gone, or the listener stops; give up.
  virtual bool Write(std::string_view piece) = 0;
  // Whether the peer is gone or the listener stops: for an answer that waits for something to say.
  virtual bool ended() const = 0;
};

struct AdminResponse {
  int status = 200;
  std::string content_type = "application/json";
  std::map<std::string, std::string> headers;
  std::string body;
  // When set, `body` is ignored and this is called once, after the answer returned, on the same thread; what it writes
  // is sent as chunks as it goes.
  std::function<void(AdminWriter&)> stream;
};

using AdminAnswer = std::function<void(AdminRequest&, AdminResponse&)>;

// UnixListener serves the routes of the API on DATA_DIR/control.sock.
//
// The socket is never wider than 0600, not even for a moment. A socket left by a daemon that died is replaced; one that
// answers is another daemon, and anything that is not a socket is left alone: both are errors.
//
// Owned by:  the node. Routes are set before Serve.
// Threads:   a thread a connection, `connections_max` at most; answers run on them and may block.
// Errors:    Bind says what is wrong with the socket and what to do.
class UnixListener {
 public:
  struct Options {
    std::string path;                                  // of the socket; shorter than 108 bytes
    int connections_max = 32;                          // further ones wait in the backlog
    absl::Duration read_timeout = absl::Seconds(60);   // for the next byte of a request that began
    absl::Duration body_timeout = absl::Seconds(10);   // for a whole body, where it is not taken piece by piece
    absl::Duration write_timeout = absl::Seconds(60);  // for a peer that does not read
    absl::Duration idle_timeout = absl::Seconds(30);   // between two requests
    absl::Duration drain = absl::Seconds(2);           // for requests in flight when it stops
  };

  explicit UnixListener(const Options& options);
  ~UnixListener();  // Stop

  UnixListener(const UnixListener&) = delete;
  UnixListener& operator=(const UnixListener&) = delete;

  // `pattern` is a path whose parts that start with ':' match one part each: "/api/v1/campaigns/:name/start".
  void Route(const std::string& method, const std::string& pattern, AdminAnswer answer);

  // Makes the socket, on which nobody is let in before Serve.
  absl::Status Bind();
  void Serve();
  absl::Status Start();  // both
  void Stop();           // idempotent; removes the socket

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace sealift::engine
