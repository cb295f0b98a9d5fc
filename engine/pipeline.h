#pragma once

#include <cstddef>
#include <optional>
#include <vector>

#include "engine/shaping/classification.h"
#include "engine/smtp/reply.h"

namespace sealift::engine {

// Pipeline matches what a server replies to what it was sent: replies come in the order of the commands, one each (RFC
// 2920 3.1), and the transactions that are under way end in the order in which they were begun.
//
// A command is named by its phase; kContent stands for a final dot and for BDAT LAST alike. The first command of a
// transaction is kReset or kMail. Of a transaction with several refusals the first one counts, whatever is said
// afterwards.
//
// Owned by:  a session.
// Threads:   the session's.
// Errors:    none: what a server says out of order is an answer too (Step::kBroken).
class Pipeline {
 public:
  // What a reply makes of the oldest transaction.
  struct Step {
    enum class Next {
      kMore,     // its next reply decides
      kContent,  // the server waits for the content
      kLoneDot,  // it waits for content that nobody is to get: a lone dot ends it (RFC 2920 3.1)
      kDone,     // it is over, and `reply` to `phase` is what came of it
      kBye,      // the same, and the server leaves: it does nothing that was sent behind this
      kBroken,   // the same, and the server contradicts itself: nothing that it says from here on can be believed
    };
    Next next = Next::kMore;
    Phase phase = Phase::kMail;
    const Reply* reply = nullptr;  // once it is over: what was given to OnReply, or the pipeline's until its next call
    bool unfinished = false;       // when it is over: RSET is due before the next MAIL
  };

  // A command was sent.
  void Sent(Phase command) { awaited_.push_back(command); }

  // Something is to be answered.
  bool awaits_reply() const { return !awaited_.empty(); }
  // What is answered next. There is something.
  Phase front() const { return awaited_.front(); }
  // DATA ends a group (RFC 2920 3.1): nothing follows it before its answer.
  bool ends_with_data() const { return !awaited_.empty() && awaited_.back() == Phase::kData; }
  // Whether the reply says itself that it answers front(): of those that agree, MAIL and RCPT have enhanced codes about
  // addresses (X.1.X, RFC 3463 3.2), RSET and content have others, and none has no code. A refusal may say anything.
  bool Fits(const Reply& reply) const;
  Step OnReply(const Reply& reply);

  // No reply will come any more: what was already said of the oldest transaction, if that decides it.
  std::optional<Step> Cut();

 private:
  struct Refusal {
    Phase phase;
    Reply reply;
  };

  // Nothing more of the oldest transaction was sent.
  bool IsLast(Phase command) const;
  // The oldest transaction is over: its first refusal is what came of it, else this reply.
  Step End(Step::Next next, Phase phase, const Reply& reply);

  std::vector<Phase> awaited_;      // some dozens at most
  std::optional<Refusal> refusal_;  // the first of the oldest transaction
  std::optional<Refusal> ended_;    // that of the transaction that was over last
  bool lone_dot_ = false;           // its content is one
};

}  // namespace sealift::engine
