#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

namespace sealift::tools::sink {

// What the sink counts, by provider. The second half are faults of the client: the standards' rules (RFC 5321 and its
// extensions) that it broke. They stay 0 for a client that is right, and tests of the whole check that they do.
#define SEALIFT_SINK_COUNTS(X)                                                   \
  X(connections)    /* accepted */                                               \
  X(tls_resumed)    /* of tls_handshakes */                                      \
  X(tls_handshakes) /* completed */                                              \
  X(tls_failures)   /* begun and not completed */                                \
  X(transactions)   /* MAIL accepted */                                          \
  X(require_tls)    /* of these, with REQUIRETLS */                              \
  X(plaintext_mail) /* MAIL commands in clear */                                 \
  X(recipients)     /* RCPT accepted */                                          \
  X(messages)       /* accepted at the final dot */                              \
  X(bytes)          /* of these, dots undone */                                  \
  X(replies_4xx)                                                                 \
  X(replies_5xx)                                                                 \
  X(scripted_replies) /* by a rule */                                            \
  X(greylisted)       /* recipients deferred */                                  \
  X(blocked)          /* connections and MAIL of a source that is turned away */ \
  X(over_messages)    /* limits exceeded, one each time */                       \
  X(over_connects)                                                               \
  X(over_connections)                                                            \
  X(over_messages_per_connection)

#define SEALIFT_SINK_FAULTS(X)                                                                 \
  X(bare_lf) /* 2.3.8 */                                                                       \
  X(bare_cr)                                                                                   \
  X(long_line)           /* 4.5.3.1.6, over 1000 bytes with CRLF */                            \
  X(long_command)        /* 4.5.3.1.4 */                                                       \
  X(unstuffed_dot)       /* 4.5.2 */                                                           \
  X(eight_bit)           /* 8 bits in a message that did not announce them, or in a command */ \
  X(early_talker)        /* 4.3.1, bytes before the greeting */                                \
  X(text_after_starttls) /* RFC 3207 */                                                        \
  X(pipelined_past)      /* RFC 2920, behind a command that ends a group */                    \
  X(pipelined_unoffered)                                                                       \
  X(bad_sequence) /* 4.1.4 */                                                                  \
  X(bad_syntax)                                                                                \
  X(unoffered_parameter) /* of MAIL or RCPT */                                                 \
  X(ehlo_not_fqdn)       /* 4.1.1.1 */                                                         \
  X(oversize)            /* RFC 1870, more than SIZE offers */                                 \
  X(misrouted)           /* a recipient whose domain this server does not serve */

enum class Count : uint8_t {
#define X(name) name,
  SEALIFT_SINK_COUNTS(X) SEALIFT_SINK_FAULTS(X)
#undef X
};
inline constexpr std::string_view kCountNames[] = {
#define X(name) #name,
    SEALIFT_SINK_COUNTS(X) SEALIFT_SINK_FAULTS(X)
#undef X
};
inline constexpr size_t kCounts = std::size(kCountNames);
inline constexpr size_t kFirstFault = static_cast<size_t>(Count::bare_lf);

// CountCell is one worker's numbers about one provider.
//
// Threads:   Add from its worker only; Get from any.
class alignas(64) CountCell {
 public:
  void Add(Count what, uint64_t n = 1) {
    std::atomic<uint64_t>& value = values_[static_cast<size_t>(what)];
    value.store(value.load(std::memory_order_relaxed) + n, std::memory_order_relaxed);  // one writer: no locked add
  }
  uint64_t Get(Count what) const { return values_[static_cast<size_t>(what)].load(std::memory_order_relaxed); }

 private:
  std::array<std::atomic<uint64_t>, kCounts> values_{};
};

// Counters hold every worker's cells.
//
// Owned by:  Sink.
// Threads:   any.
class Counters {
 public:
  Counters(size_t workers, size_t providers) : providers_(providers), cells_(workers * providers) {}

  CountCell& Cell(size_t worker, size_t provider) { return cells_[worker * providers_ + provider]; }

  uint64_t OfProvider(size_t provider, Count what) const {
    uint64_t sum = 0;
    for (size_t i = provider; i < cells_.size(); i += providers_) sum += cells_[i].Get(what);
    return sum;
  }
  uint64_t Total(Count what) const {
    uint64_t sum = 0;
    for (const CountCell& cell : cells_) sum += cell.Get(what);
    return sum;
  }
  // Every fault of the client.
  uint64_t Faults() const {
    uint64_t sum = 0;
    for (size_t i = kFirstFault; i < kCounts; ++i) sum += Total(static_cast<Count>(i));
    return sum;
  }

  // Of the DNS server, all workers together.
  struct Dns {
    std::atomic<uint64_t> queries{0}, silent{0}, tcp{0};
  };
  Dns dns;

 private:
  size_t providers_;
  std::vector<CountCell> cells_;
};

}  // namespace sealift::tools::sink
