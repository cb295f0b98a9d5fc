#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "absl/status/statusor.h"
#include "engine/options.h"
#include "engine/returned/report.h"
#include "queue/store.h"

namespace sealift::engine {

// ReturnedMail decides what follows from mail that came back after a server had taken it: bounces and complaints.
//
// Who writes such mail is nobody we know, so a claim counts only for the row that its envelope sender names,
// b+TOKEN@..., which only whoever got the message has seen (queue/message_token.h); a complaint, which often comes
// without it, also for the row of the returned Message-ID. Anything else changes nothing.
//
//   failed     The row is bounced from then on, whatever it was counted as, with an event that says why. Its reply is
//              classified as one that was heard (shaping/classification.h): a 5xx that names the mailbox as bad
//              suppresses as it does there, and is only suspected where the report names another mailbox than ours, as
//              forwarding does, and while far more are refused there than usual (restraints.h). Policy, reputation and
//              everything 4xx never suppress.
//   delayed    Nothing: the other server still tries.
//   complaint  abuse, fraud or opt-out suppress as `complaint`, which binds marketing streams.
//
// The same report again changes nothing, also after a suppression was taken back.
//
// Owned by:  the node.
// Threads:   any but a shard's; blocks. One report at a time.
// Errors:    the store's.
class ReturnedMail {
 public:
  enum class Result : uint8_t {
    kBounce,
    kComplaint,
    kDelayed,
    kNothing,  // delivered, relayed, feedback that is no complaint
    kUnknown,  // no valid token, or a row of which nothing is known any more
    kKnown,    // a bounce or complaint that was taken in before
  };

  // What a bounce is counted as, beside its event.
  struct Bounce {
    std::string stream, campaign, source, provider, reason_class;
    bool bad_mailbox = false;
  };

  struct Surroundings {
    std::function<std::shared_ptr<const Options>()> options;
    std::function<void()> heard;                    // returns once every shard knows what the store has announced
    std::function<void(queue::CampaignId)> reread;  // a queued row of it was settled
    std::function<void(const Bounce&)> bounced;
    std::function<bool(const std::string& mx)> doubts;  // counts a bad mailbox there: one of far too many?
  };

  ReturnedMail(queue::Store& store, Surroundings around) : store_(store), around_(std::move(around)) {}

  // `by`: who handed it over, and `reason`: why, for the history of an address.
  absl::StatusOr<Result> Take(const ReturnedReport& report, const std::string& by, const std::string& reason);

 private:
  // The row and what it was; nothing: no valid name, or nothing is known of it.
  struct Subject {
    queue::MessageKey message;
    queue::Campaign campaign;
    queue::Trace trace;
    std::string recipient;
  };
  absl::StatusOr<std::optional<Subject>> Find(const ReturnedReport& report);
  absl::StatusOr<Result> TakeDelivery(const ReturnedReport& report, Subject& subject);
  absl::StatusOr<Result> TakeComplaint(const Subject& subject, const ReturnedReport& report, const std::string& by,
                                       const std::string& reason);

  queue::Store& store_;
  const Surroundings around_;
  std::mutex mutex_;
};

}  // namespace sealift::engine
