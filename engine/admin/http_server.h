// What both listeners stand on: httplib's parsing and writing, on connections that are accepted and bounded here.
// Included only where httplib is already (it is slow to compile): http_listener.cc, unix_listener.cc.
#pragma once

#include <httplib.h>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "absl/time/time.h"
#include "engine/admin/connection_stream.h"

namespace sealift::engine {

// HttpServer runs httplib's request loop on threads of its own. It does not use httplib's accept loop, which has no
// limit on connections and hides which socket a request came from.
//
// Owned by:  a listener, which derives from it to answer.
// Threads:   connections_max of them; each accepts, serves that connection to its end and accepts again, so that a
//            connection more than that waits in the kernel's backlog.
class HttpServer : public httplib::Server {
 public:
  struct Limits {
    int connections_max = 16;
    size_t head_bytes_max = 16 << 10;  // of a request line and headers
    int requests_max = 1000;           // on one connection
    absl::Duration head_timeout = absl::Seconds(10);
    absl::Duration read_timeout = absl::Seconds(5);
    absl::Duration write_timeout = absl::Seconds(10);
    absl::Duration idle_timeout = absl::Seconds(15);
    absl::Duration drain = absl::Seconds(2);
    // Once all connections are taken, the one whose exchange has taken longest is cut for the next one: where answers
    // are quick, that is a peer that does not ask, or does not listen.
    bool longest_gives_way = false;
  };

  explicit HttpServer(const Limits& limits);
  ~HttpServer() override;  // the deriving class has called StopServing

  // Takes a bound, non-blocking socket that listens.
  void Serve(int listening);
  // Closes the listening socket, lets requests in flight end for `drain`, cuts the rest, joins.
  void StopServing();

  // The body of the request that this thread answers has to come within that time.
  static void EndReadsIn(absl::Duration time);

  bool stopping() const { return stop_.load(std::memory_order_relaxed); }

 protected:
  // Why a request is not answered: the connection closes after saying so, whatever body it was about to send.
  struct Refusal {
    int status = 0;
    std::string text;
  };
  // Called with the head of each request, before its body is read, on the thread that will answer it.
  virtual std::optional<Refusal> Admit(int fd, const httplib::Request& request) = 0;

  // The connection that this thread answers on closes after the answer: its body was not read to the end.
  static void CloseAfterAnswer();

 private:
  // What the answering thread knows of its connection beside httplib's request.
  struct Conversation {
    ConnectionStream* stream = nullptr;
    std::optional<Refusal> refusal;
    bool close = false;
  };
  static thread_local Conversation* conversation_;

  void Accept();
  void Open(int fd);
  // Its next exchange may begin.
  void Renew(int fd);
  void Converse(int fd);
  void DrainPeer(int fd);

  const Limits limits_;
  int listening_ = -1;
  int wake_ = -1;  // readable once it stops
  std::atomic<bool> stop_{false};
  std::vector<std::thread> threads_;
  std::mutex accept_mutex_;  // one thread waits for a connection at a time
  std::mutex open_mutex_;
  std::condition_variable closed_;
  std::map<int, std::chrono::steady_clock::time_point> open_;  // when its exchange began; guarded by open_mutex_
};

}  // namespace sealift::engine
