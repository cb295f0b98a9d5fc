#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "queue/store.h"
#include "queue/types.h"

namespace sealift::engine {

// The state of a row that may have arrived. Only `queue list` and `queue release` mean such rows by it.
inline constexpr std::string_view kInDoubtState = "in_doubt";

// The state of a row that an operator's order keeps. Only `queue list` means such rows by it.
inline constexpr std::string_view kHeldState = "held";

// QueueFilter says which rows a command is about: those that every term means. A filter without a term is refused by
// the commands; `everything` says it on purpose.
//
// Terms of the first line bind a whole lane (what one campaign has for one domain); `source` is a way out, not a row;
// the others are asked of each row.
struct QueueFilter {
  std::optional<std::string> domain, provider, campaign, stream;
  std::optional<std::string> source;
  std::optional<std::string> reason_class;   // --class: of the last attempt
  std::optional<std::string> state;          // fresh, retrying, in_doubt, held
  std::optional<std::string> recipient;      // personal: Describe leaves it out
  std::optional<std::string> id;             // a Message-ID, or what else names a message
  std::optional<absl::Duration> older_than;  // since it was accepted
  bool everything = false;

  bool empty() const { return terms() == 0 && !everything; }
  int terms() const;
  // Whether it needs to see rows.
  bool OfRows() const { return reason_class || state || recipient || id || older_than; }

  // Whether every row that `other` means is meant by this one too.
  bool Covers(const QueueFilter& other) const;

  // "campaign=spring domain=d1.test"; says that a recipient is meant, not who.
  std::string Describe() const;

  friend bool operator==(const QueueFilter&, const QueueFilter&) = default;
};

// A term as commands and records call it, in the order in which they are listed. `older_than` is not among them.
struct FilterTerm {
  const char* name;
  std::optional<std::string> QueueFilter::* value;
};
const std::vector<FilterTerm>& FilterTerms();

// A filter as records keep it, in JSON. DataLoss: not what FilterToText wrote.
std::string FilterToText(const QueueFilter& filter);
absl::StatusOr<QueueFilter> ParseFilter(std::string_view text);

// What is known of a lane. Null provider: its site is not known yet.
struct LaneFacts {
  queue::LaneId id;
  std::string_view campaign, stream, domain;
  const std::string* provider = nullptr;
};

// What is known of a row.
struct RowFacts {
  queue::RowId id{};
  uint16_t attempts = 0;
  std::string_view reason_class;
  std::string_view recipient;
  absl::Time accepted;
  bool in_doubt = false;
  bool held = false;  // an operator's order keeps it
};

// RowMatcher is a filter whose names were looked up once, to be asked of many lanes and rows.
//
// Owned by:  whoever asks; the store outlives it.
// Threads:   any; immutable.
class RowMatcher {
 public:
  // Errors: usage, for a term that is none.
  static absl::StatusOr<RowMatcher> Of(const QueueFilter& filter, const queue::Store& store);

  // The filter as it was understood: domain and recipient in their one form.
  const QueueFilter& filter() const { return filter_; }

  // False: no row of the lane is meant. While the provider is not known a filter by provider means none.
  bool MayMean(const LaneFacts& lane) const;
  // Asked only of a lane that is meant.
  bool Means(const RowFacts& row, absl::Time now) const;
  // Where all rows are that are meant, if that is one destination.
  std::optional<queue::DestinationId> destination() const { return destination_; }
  const std::optional<queue::MessageKey>& message() const { return message_; }

 private:
  QueueFilter filter_;
  const queue::Store* store_ = nullptr;
  std::optional<queue::DestinationId> destination_;
  std::optional<queue::AddressHash> recipient_;
  std::optional<queue::MessageKey> message_;
};

}  // namespace sealift::engine
