#pragma once

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "dns/address.h"

namespace sealift::engine {

// A small document on a web server, or one that is given to it.
struct WebRequest {
  std::string host;  // its name, in the URL and in its certificate
  int port = 443;
  std::string path;                     // "/.well-known/mta-sts.txt"
  std::vector<dns::Address> addresses;  // where the host is; at least one: nobody else is asked for it
  std::string post;                     // what it is given (POST); empty: it is asked (GET)
  std::string post_type;                // of that: "application/json"
  bool urgent = false;                  // goes before those that wait
};
struct WebDocument {
  int status = 0;
  std::string content_type;  // "text/plain; charset=utf-8"
  std::string body;
};

// HttpsFetcher fetches small documents from web servers, or posts them to those, that strangers name, on a thread of
// its own with libcurl.
//
// HTTPS only, with a certificate of the host's under the trusted roots; no redirect is followed, no proxy of the
// environment is used, and size and time are capped.
//
// Owned by:  the node; outlives who asks it.
// Threads:   Fetch and Urge from any; `done` runs on the fetcher's own, which it must not hold up.
// Time:      `limit` for a whole request once it has begun. A server that takes its time keeps no others waiting but
//            those of its own address.
// Errors:    Unauthenticated: the certificate. ResourceExhausted: too long, or too many requests wait. Unavailable: the
//            rest, in libcurl's words: nothing that the server wrote. Cancelled: the fetcher is going.
class HttpsFetcher {
 public:
  struct Options {
    std::string ca_file = {};  // PEM; empty: the system's
    bool fips = false;         // nothing but the algorithms of NIST SP 800-52r2
    absl::Duration limit = absl::Seconds(15);
    absl::Duration connect_limit = absl::Seconds(5);  // with the handshake
    size_t bytes_max = size_t{64} * 1024;
    size_t at_once = 32;
    size_t at_once_urgent = 4;      // more of these
    size_t at_once_an_address = 8;  // of all
    size_t waiting_max = 65'536;
  };
  using Done = std::move_only_function<void(absl::StatusOr<WebDocument>)>;

  explicit HttpsFetcher(const Options& options);
  ~HttpsFetcher();
  HttpsFetcher(const HttpsFetcher&) = delete;
  HttpsFetcher& operator=(const HttpsFetcher&) = delete;

  void Fetch(WebRequest request, Done done);

  // What waits of that host is urgent from now on.
  void Urge(const std::string& host);

 private:
  struct Transfer;

  void Run();
  // Of those that wait the ones that may begin now; they are among running_.
  std::vector<Transfer*> TakeFresh();
  std::unique_ptr<Transfer> TakeRunning(const void* which);
  bool Begin(Transfer& transfer);
  void End(std::unique_ptr<Transfer> transfer, int curl_code);

  const Options options_;
  void* const multi_;  // CURLM
  std::mutex mutex_;
  std::deque<std::unique_ptr<Transfer>> waiting_;
  bool some_may_begin_ = false;  // one came or ended
  bool stopping_ = false;
  std::vector<std::unique_ptr<Transfer>> running_;  // the thread's
  std::thread thread_;
};

}  // namespace sealift::engine
