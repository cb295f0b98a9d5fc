#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <vector>

#include "absl/time/time.h"
#include "engine/shard_services.h"
#include "engine/signers.h"
#include "engine/site.h"

namespace sealift::engine {

// SignAhead keeps the ready lists of a shard's queues filled: rows that have left their lanes, in the order of their
// turn, to be rendered and signed before a session asks for them.
//
// A list is filled while its site has sessions, and holds what these can use: kSessionBytes for each message that they
// may have in flight, kListBytes at most, two messages at least, and these alone while the lists of the shard have
// kShardBytes: signers that run dry would wake the shard for each message. When the last session ends, rows that were
// not taken are their lanes' again. A row in a list is still its lane's in every other respect: it expires, and goes
// back when its campaign is paused or cancelled.
//
// Owned by:  the scheduler.
// Threads:   the shard's; the signers' answers arrive through its inbox.
class SignAhead final : public Signers::Client {
 public:
  static constexpr size_t kUnderWayMax = 64;  // of one shard, with the signers
  static constexpr size_t kUrgentMax = 16;    // and so many more of transactional mail
  static constexpr size_t kSessionBytes = 128 << 10;
  static constexpr size_t kListBytes = 1 << 20;
  static constexpr size_t kShardBytes = 32 << 20;
  // A message that waited longer since it was signed, its first attempt not made, gets a new Date.
  static constexpr absl::Duration kDateAgeMax = absl::Minutes(10);

  struct Callbacks {
    std::function<void(Lane&)> taken;       // a row has left the lane's window
    std::function<void(SendQueue&)> ready;  // the queue's next row can be sent
  };

  SignAhead(ShardServices& services, Callbacks callbacks) : services_(services), callbacks_(std::move(callbacks)) {}

  // The queue's rows are about to be asked for.
  void Fill(SendQueue& queue);

  // Whether the next row of the queue can be sent as it is. If not, `ready` says when.
  bool IsReady(SendQueue& queue);

  // Takes the front row out of the list; null: it is not signed.
  std::shared_ptr<SignedMessage> Take(ReadyRow& front);

  // Gives the rows back to their lanes, unsigned.
  void GiveBack(SendQueue& queue);

  // Forgets the rows of this lane: its window was given back.
  void Drop(SendQueue& queue, Lane& lane);

  // The queue is about to go.
  void Forget(SendQueue& queue);

 private:
  size_t RowsMax(const SendQueue& queue) const;
  enum class Place : uint8_t { kBehindEquals, kBeforeEquals };
  void Enlist(SendQueue& queue, Place place = Place::kBehindEquals);
  void Ask();
  bool HasRoom(const SendQueue& queue) const {
    return under_way_ < (queue.transactional() ? kUnderWayMax + kUrgentMax : kUnderWayMax);
  }
  void Request(SendQueue& queue, ReadyRow& row);
  void Leave(ReadyRow& row);
  void OnSigned(std::vector<std::shared_ptr<SignedMessage>> messages) override;
  void Receive(const std::vector<std::shared_ptr<SignedMessage>>& messages);

  ShardServices& services_;
  Callbacks callbacks_;
  std::deque<SendQueue*> waiting_;  // for room with the signers, by their standing
  size_t under_way_ = 0;
  size_t bytes_ = 0;  // that all lists were reckoned to have when their rows came in
};

}  // namespace sealift::engine
