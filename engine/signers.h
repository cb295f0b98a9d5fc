#pragma once

#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/time/time.h"
#include "engine/active_campaign.h"
#include "engine/message/dkim_signer.h"
#include "engine/message_identity.h"
#include "engine/metrics.h"
#include "queue/pack.h"
#include "queue/store.h"

namespace sealift::engine {

struct SendQueue;

// A message, rendered and signed before a session asks for it. Its signer thread writes the first two; the shard reads
// them once it has been told.
struct SignedMessage {
  std::string wire;  // as DATA carries it, of a finished message up to its first piece; empty: it could not be made
  size_t size = 0;   // of the message itself

  absl::Time date;               // its Date header
  SendQueue* waiting = nullptr;  // the shard's: who is to be told; null: it was dropped, or is ready
  bool ready = false;            // the shard's
};

// Signers are the threads that render and sign messages: an RSA signature is the dearest step of a message by far, and
// a shard has other sessions to serve meanwhile. They run at a lower priority than the shards, but for one that only
// transactional mail has: it waits neither for a core nor behind other messages.
//
// While there is more to sign they sign several messages at once, which takes 0.6 of the time (RsaMultiBuffer), and
// hand over several at once: to wake a shard for each costs more processor time than all else that is done for a
// message, for what it needs has left the caches meanwhile.
//
// Owned by:  the node; destroyed before the shards that it answers.
// Threads:   Sign from any. Its queue is bounded by its callers: each shard has at most SignAhead::kUnderWayMax and
//            kUrgentMax here.
class Signers {
 public:
  static constexpr size_t kTogetherMax = 16;  // that wait for each other once they are signed

  // Who asks. Answered on a signer's thread, also for messages that nobody wants any more.
  class Client {
   public:
    virtual void OnSigned(std::vector<std::shared_ptr<SignedMessage>> messages) = 0;

   protected:
    ~Client() = default;
  };

  struct Work {
    std::shared_ptr<const ActiveCampaign> campaign;
    std::shared_ptr<const queue::Pack> pack;
    uint8_t row = 0;  // of the pack
    std::shared_ptr<const DkimSigner> signer;
    queue::Store* store = nullptr;  // where finished messages are
    MessageIdentity identity;
    std::shared_ptr<SignedMessage> message;
    Client* client = nullptr;
    bool urgent = false;  // transactional: before all that is not, and handed over at once
  };

  // `threads` for all mail, and the one.
  Signers(int threads, Metrics& metrics);
  ~Signers();  // what is under way ends; what waits is dropped
  Signers(const Signers&) = delete;
  Signers& operator=(const Signers&) = delete;

  void Sign(Work work);

 private:
  using Finished = std::vector<std::pair<Client*, std::shared_ptr<SignedMessage>>>;

  // A thread of it: what it does next, and the memory that it uses again.
  struct Turn {
    std::vector<Work> works;  // that one signer signs
    std::vector<std::string> texts;
    Finished finished;
  };

  void Run(int index);
  bool Next(bool urgent_only, Turn& turn);  // hands over what is finished before it waits; false: it is over
  static void Gather(std::deque<Work>& line, std::vector<Work>& works);
  static void HandOver(Finished& finished);
  void Make(Turn& turn) const;
  absl::Status Compose(Work& work, std::string& text, std::optional<Sha256>& body_hash) const;

  Counter* const rsa_;
  Counter* const ed25519_;
  std::mutex mutex_;
  std::condition_variable wake_, wake_urgent_;
  std::deque<Work> urgent_, works_;
  bool urgent_waits_ = false;  // the thread of transactional mail has nothing to do
  bool stop_ = false;
  std::vector<std::thread> threads_;
};

}  // namespace sealift::engine
