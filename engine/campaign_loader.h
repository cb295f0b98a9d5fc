#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "engine/campaigns.h"
#include "engine/input_digest.h"
#include "engine/message/nested_value.h"
#include "engine/message/recipient_reader.h"
#include "engine/message/template.h"
#include "engine/node.h"
#include "engine/resumable_load.h"
#include "queue/store.h"

namespace sealift::engine {

// RecipientFileLoader is how a recipient file becomes rows of the queue.
//
// The campaign comes into being with the header row, once the template was compiled against it: before that nothing was
// accepted. Each commit stores how far the file was read and the SHA-256 of it up to there. When the same file comes
// again that digest is compared where it was taken, and what lies before is passed over; another file under the same
// name is refused before anything of it is accepted.
//
// Owned by:  the API's request.
// Threads:   one, a blocking one.
class RecipientFileLoader final : public CampaignLoader {
 public:
  using AdmitChunk = std::function<absl::Status()>;  // whether the disk and the store take more

  // `kind`: of the stream, which decides who of the recipients is suppressed. `notice`: for the summary.
  RecipientFileLoader(queue::Store& store, Campaigns& campaigns, LoadRequest request, queue::CampaignSpec spec,
                      StreamKind kind, AdmitChunk admit, std::function<void(uint64_t)> accepted,
                      std::string notice = {});

  void OnRejection(std::function<void(const Rejection&)> sink) override { on_rejection_ = std::move(sink); }
  absl::Status Feed(std::span<const char> bytes) override;
  absl::StatusOr<Summary> Finish() override;

 private:
  absl::Status Read();
  absl::Status Begin(const std::vector<std::string>& text_columns);  // the header row is known
  absl::Status FindKeyColumn();
  absl::Status CompareWith(const queue::Campaign& before) const;  // an earlier load under the same name
  absl::Status Take(const RecipientReader::Recipient& recipient);
  void Reject(uint64_t offset, const Rejection& rejection);

  // The digest of the input up to `offset`, which lies in what was fed last.
  std::string DigestAt(uint64_t offset);
  void HashUpTo(uint64_t offset);
  absl::Status ComparePrefix();

  // A --require: the column's value, or --default's where that is empty or the file has no such column.
  struct Requirement {
    std::optional<size_t> column;
    std::string name, value, fallback;

    bool IsMet(const RecipientReader::Recipient& recipient) const {
      const std::string_view field = column.has_value() ? recipient.fields[*column] : std::string_view();
      const NestedValue own = NestedValue::OfField(field);
      if (own.kind() != NestedValue::Kind::kText) return own.kind() == NestedValue::Kind::kFalse && own.text() == value;
      return (field.empty() ? std::string_view(fallback) : field) == value;
    }
  };

  const LoadRequest request_;
  queue::CampaignSpec spec_;
  ResumableLoad load_;
  const std::string notice_;
  std::function<void(const Rejection&)> on_rejection_;

  RecipientReader reader_;
  std::optional<Template> content_;
  std::vector<size_t> kept_;  // of the file's columns, those that the template uses, and the key
  std::optional<size_t> key_;
  std::vector<Requirement> required_;
  std::vector<std::string_view> fields_;
  bool compared_ = true;  // what an earlier load has committed was found to be the same

  InputDigest digest_;
  uint64_t fed_ = 0;      // bytes of the input
  uint64_t hashed_ = 0;   // of them, that digest_ has seen
  std::string unhashed_;  // the others: a row may end in what was fed before the reader shows it
};

}  // namespace sealift::engine
