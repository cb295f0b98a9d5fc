#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "engine/campaigns.h"
#include "engine/node.h"
#include "queue/store.h"

namespace sealift::engine {

// ResumableLoad is what every load of a campaign has in common, whatever its input is made of: it makes the campaign or
// finds the one that an earlier load has left, commits chunks, and says in the end what came of it.
//
// Each commit stores how far the input was read and its digest up to there. When the same input comes again, who reads
// it compares that digest where it was taken, and adds only what lies behind.
//
// Owned by:  a CampaignLoader.
// Threads:   one, a blocking one.
// Errors:    with an exit code: 73 for other content under a known name, 74 and 75 for what cannot be written.
class ResumableLoad {
 public:
  struct Services {
    queue::Store& store;
    Campaigns& campaigns;
    std::function<absl::Status()> admit;          // whether the disk and the store take more
    std::function<void(uint64_t rows)> accepted;  // once they are durable
  };

  // `kind`: of the stream, which decides who of the recipients is suppressed.
  ResumableLoad(Services services, StreamKind kind) : services_(std::move(services)), kind_(kind) {}
  ~ResumableLoad();  // a chunk on its way to the disk is waited for
  ResumableLoad(const ResumableLoad&) = delete;
  ResumableLoad& operator=(const ResumableLoad&) = delete;

  // `compare` says whether a campaign of this name, with the same stream, mode and settings, was made of the same. What
  // `request` does not say stays as it was; a start at another time does too, since `now+1h` is one each time.
  absl::Status Begin(const queue::CampaignSpec& spec, const LoadRequest& request,
                     const std::function<absl::Status(const queue::Campaign&)>& compare);

  // Where rows are added; null when an earlier load had come to the end of its input.
  queue::Load* rows() const { return rows_.get(); }

  // What an earlier load has committed: so many bytes of its input, and nothing when there was none.
  uint64_t resume_at() const { return known_.has_value() ? known_->input_offset : 0; }
  bool known() const { return known_.has_value(); }
  bool was_complete() const { return known_.has_value() && known_->load_complete; }
  // Whether an input with this digest up to resume_at() is the one that was loaded before.
  bool IsSame(std::string_view digest) const { return known_.has_value() && digest == known_->input_digest; }

  // The refusal of an input; `what` completes "was already loaded": "from other messages".
  absl::Status OtherContent(std::string_view what) const;

  // A chunk that is not the last is committed while the caller reads on; what becomes of it the next call says.
  absl::Status Commit(uint64_t offset, const std::string& digest, bool complete);

  // Commits the rest, and starts the campaign where the request says so.
  absl::StatusOr<CampaignLoader::Summary> Finish(uint64_t offset, const std::string& digest,
                                                 const LoadRequest& request);

 private:
  absl::Status Compare(const queue::Campaign& before, const LoadRequest& request,
                       const std::function<absl::Status(const queue::Campaign&)>& compare) const;
  absl::Status CompareSettings(const queue::Campaign& before, const LoadRequest& request) const;
  void CountAccepted();

  const Services services_;
  const StreamKind kind_;
  std::string name_, stream_, mode_;
  std::unique_ptr<queue::Load> rows_;
  uint64_t counted_ = 0;                  // rows of the campaign that services_.accepted has heard of
  std::optional<queue::Campaign> known_;  // it was there before this load
  std::optional<absl::Time> start_at_;
};

}  // namespace sealift::engine
