#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "engine/message/recipient_reader.h"
#include "engine/suppressions.h"

namespace sealift::engine {

// SuppressionImport puts a CSV file of any length on the suppression list: a header row, a column `email`, and where
// there are such columns `kind`, `stream`, `campaign`, `reason`, `time` (RFC 3339) and a bounce's `source`, `provider`,
// `class` and `reply`; what `suppression export` writes. Other columns are ignored.
//
// Rows are committed some thousands at a time, each commit synced. What is on the list already stays as it is, so the
// same file again adds nothing.
//
// Owned by:  one request.
// Threads:   one, a blocking one.
// Errors:    a bad row is rejected with its line and the rest goes on. After an error what was committed holds.
class SuppressionImport {
 public:
  using Rejection = RecipientReader::Rejection;
  struct Summary {
    uint64_t added = 0, known = 0, rejected = 0;  // known: in force already
  };

  SuppressionImport(Suppressions& list, Suppressions::Which which, Suppressions::Given given);
  ~SuppressionImport();  // what was committed is known to delivery from here on
  SuppressionImport(const SuppressionImport&) = delete;
  SuppressionImport& operator=(const SuppressionImport&) = delete;

  void OnRejection(std::function<void(const Rejection&)> sink) { on_rejection_ = std::move(sink); }

  // Before the first Feed: nothing is written, and Finish says what would be added.
  void OnlyCount() { only_count_ = true; }

  absl::Status Feed(std::string_view bytes);
  // Durable, and known to delivery, on return.
  absl::StatusOr<Summary> Finish();

 private:
  enum Column : size_t { kKind, kStream, kCampaign, kReason, kTime, kSource, kProvider, kClass, kReply, kColumns };

  absl::Status Read();
  absl::Status FindColumns();
  absl::Status Take(const RecipientReader::Recipient& recipient);
  void Reject(const RecipientReader::Recipient& recipient, std::string_view column, std::string_view reason);
  absl::Status Commit();
  absl::StatusOr<uint64_t> Count(const std::vector<queue::SuppressionChange>& changes) const;
  void TellShards();

  Suppressions& list_;
  const Suppressions::Which which_;
  const Suppressions::Given given_;
  std::function<void(const Rejection&)> on_rejection_;
  RecipientReader reader_;
  bool has_columns_ = false;
  std::array<std::optional<size_t>, kColumns> columns_;
  std::vector<queue::SuppressionChange> changes_;
  Summary summary_;
  bool only_count_ = false;
  bool untold_ = false;  // something is committed that delivery does not know
};

}  // namespace sealift::engine
