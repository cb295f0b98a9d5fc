#pragma once

#include <memory>
#include <mutex>
#include <utility>

#include "absl/time/time.h"
#include "engine/precedence.h"

namespace sealift::engine {

// Reception is how many connections at once a receiver is known to let one source have.
//
// As many as it has had may be opened again at any time. Beyond that they are tried one by one: no other is opened
// before the last one was greeted, so that whoever limits connections sees his limit broken once, by one. Where many
// have been let in an eighth of these is tried at once, until a connection is refused; it is one by one for good then,
// after a pause. A server that keeps us waiting for its greeting refuses nobody: one more a second goes to him.
//
// Owned by:  the paths of one source to what judges as one, which may be on several shards; and their visits.
// Threads:   any; it locks for a moment.
// Time:      the caller passes it, by the steady clock, which is one for all shards.
class Reception {
 public:
  static constexpr absl::Duration kPause = absl::Minutes(1);           // after a refusal, until another is tried
  static constexpr absl::Duration kPatience = absl::Seconds(1);        // with a greeting
  static constexpr absl::Duration kSettles = absl::Milliseconds(100);  // a server may count a while what has ended
  static constexpr int kShareTried = 8;

  // A connection that is opened, from now to its end.
  class Visit {
   public:
    Visit(std::shared_ptr<Reception> reception, absl::Time now);
    Visit(Visit&& other) noexcept = default;
    Visit& operator=(Visit&&) = delete;
    Visit(const Visit&) = delete;
    Visit& operator=(const Visit&) = delete;

    // It is greeted. May be called again: of two hosts that were tried each may have done it.
    void LetIn();
    void End(absl::Time now);
    ~Visit();

   private:
    std::shared_ptr<Reception> reception_;  // null: it has ended
    bool let_in_ = false;
  };

  // When another connection may be opened; `now` or earlier: at once.
  absl::Time MayOpen(absl::Time now) const;

  // While others are let in, one was not. True: it is the first since a pause was over.
  bool Refused(absl::Time now);

  // Until when none is opened beyond those that are known to be let in; InfinitePast: nobody was refused.
  absl::Time full_until() const;
  int most() const;
  int let_in() const;
  // What is transactional and may open none calls here, or claims the next.
  Precedence& precedence() { return precedence_; }

 private:
  Precedence precedence_;
  mutable std::mutex mutex_;
  int waiting_ = 0, let_in_ = 0;  // for a greeting; greeted
  int most_ = 0;                  // let in at once, since one was refused
  bool refused_ = false;          // one was
  absl::Time opened_ = absl::InfinitePast(), ended_ = absl::InfinitePast(), full_until_ = absl::InfinitePast();
};

}  // namespace sealift::engine
