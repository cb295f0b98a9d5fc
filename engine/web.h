#pragma once

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "engine/https_fetcher.h"
#include "engine/runtime/ring.h"
#include "engine/runtime/task.h"

namespace sealift::engine {

// Web is the seam where documents of web servers are fetched: HTTPS in production, a simulated Internet in tests.
//
// Owned by:  the shard.
// Threads:   the shard's.
// Errors:    HttpsFetcher's. When the awaiting scope ends first, its status.
class Web {
 public:
  virtual ~Web() = default;
  virtual Task<absl::StatusOr<WebDocument>> Get(WebRequest request) = 0;
  // What is being asked of that host, and waits, is urgent by now.
  virtual void Urge(const std::string& host) = 0;
};

// HttpsWeb has the node's fetcher, a thread of its own, do it, and makes the answer something to await.
class HttpsWeb final : public Web {
 public:
  HttpsWeb(Ring& ring, HttpsFetcher& fetcher);
  ~HttpsWeb() override;

  Task<absl::StatusOr<WebDocument>> Get(WebRequest request) override;
  void Urge(const std::string& host) override { fetcher_.Urge(host); }

 private:
  struct Mailbox;

  HttpsFetcher& fetcher_;
  const std::shared_ptr<Mailbox> mailbox_;
};

}  // namespace sealift::engine
