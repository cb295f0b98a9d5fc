// The TCP side of a node: what monitoring asks, and nothing else.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace sealift::engine {

// HttpListener serves GET /metrics, /healthz and /readyz. It changes nothing, says nothing about a message and needs no
// login; whatever else is asked is 404 or 405. A request whose Host header is neither a loopback name, the listen
// address nor the node's own name is refused with 421, so that a web page cannot read it through a rebound name.
//
// Owned by:  the node.
// Threads:   one a connection, 16 at most; the pages run on them and may block. Further connections wait in the
//            backlog, as all do before Serve.
// Errors:    Listen says why an address cannot be bound and what to change.
class HttpListener {
 public:
  struct Pages {
    std::function<std::string()> metrics;  // Prometheus text
    std::function<absl::Status()> ready;   // Ok: 200; otherwise 503 with the sentence
  };

  // `listen` is address:port, "127.0.0.1:9625" or "[::1]:9625"; port 0 takes any. `hostname` is the node's own.
  static absl::StatusOr<std::unique_ptr<HttpListener>> Listen(const std::string& listen, const std::string& hostname);
  void Serve(Pages pages);
  ~HttpListener();  // stops; a request in flight is answered first, for at most two seconds

  HttpListener(const HttpListener&) = delete;
  HttpListener& operator=(const HttpListener&) = delete;

  uint16_t port() const;

 private:
  class Impl;
  explicit HttpListener(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace sealift::engine
