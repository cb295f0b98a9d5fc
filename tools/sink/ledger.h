#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "tools/sink/session.h"

namespace sealift::tools::sink {

// Ledger writes down what arrived: a line a recipient in one file, and each message's bytes in a folder. Both are
// optional; it always counts.
//
// A line, its fields parted by tabs:
//   time (seconds since 1970, six decimals), provider, mailbox, Message-ID, bytes, tls (0 or 1), source address,
//   file in the folder (or -)
// A message's lines are in the file before its 250 leaves: workers write at the end of a turn, which comes before the
// turn's sends.
//
// Owned by:  Sink; outlives its pens.
// Threads:   any; every worker has a Pen of its own. Lines are appended whole.
// Errors:    Open: NotFound or PermissionDenied with path and reason. A write that fails later ends in failure(), and
// the
//            sink goes on answering.
class Ledger {
 public:
  struct Options {
    std::string file = "";                     // empty: none
    std::string folder = "";                   // of messages; made if it does not exist; empty: none
    uint64_t count = 0;                        // calls on_count once when so many messages arrived; 0: never
    std::function<void()> on_count = nullptr;  // on a worker's thread
  };

  // One worker's end of the ledger.
  class Pen final : public Receiver {
   public:
    explicit Pen(Ledger& ledger) : ledger_(ledger) {}
    BodyScanner::Keep keep() const override;
    void Receive(const Arrival& arrival) override;
    void Flush();  // at the end of each turn

   private:
    Ledger& ledger_;
    std::string lines_;
    uint64_t messages_ = 0;  // since the last flush
  };

  static absl::StatusOr<std::unique_ptr<Ledger>> Open(Options options);
  ~Ledger();
  Ledger(const Ledger&) = delete;
  Ledger& operator=(const Ledger&) = delete;

  uint64_t messages() const { return messages_.load(); }
  bool failed() const { return failed_.load(); }

 private:
  explicit Ledger(Options options) : options_(std::move(options)) {}

  bool WriteAll(int fd, std::string_view bytes);
  bool Store(uint64_t number, std::string_view message, std::string* name);

  const Options options_;
  int file_ = -1;
  int folder_ = -1;
  std::atomic<uint64_t> next_file_{1};
  std::atomic<uint64_t> messages_{0};
  std::atomic<bool> failed_{false};
};

// The value of the header field `name` (in upper case, without colon) in a message, unfolded no further than its first
// line; empty when there is none.
std::string_view FindHeader(std::string_view message, std::string_view name);

}  // namespace sealift::tools::sink
