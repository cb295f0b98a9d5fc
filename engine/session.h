#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "engine/attempt.h"
#include "engine/carriage.h"
#include "engine/connection.h"
#include "engine/connection_permits.h"
#include "engine/host_search.h"
#include "engine/outgoing_message.h"
#include "engine/pipeline.h"
#include "engine/reception.h"
#include "engine/runtime/task.h"
#include "engine/scheduler.h"
#include "engine/site.h"
#include "engine/smtp/reply.h"

namespace sealift::engine {

// Session is one SMTP connection of a path (RFC 5321 3): it finds a host that lets it in (host_search.h), and sends
// message after message until there are no more or the server has had enough.
//
// It writes as much at once as the standards allow: a transaction's commands are one group where the server offers
// PIPELINING, its content with them where it offers CHUNKING, and up to `pipeline_depth` transactions go ahead of their
// replies, where the first one has shown that the server's replies say what they answer: a reply too many would
// otherwise be taken for the answer to what follows. Replies are taken before anything more is sent, so that one that
// comes before its command is known for what it is; the session ends then, as it does after every protocol error. QUIT
// is sent when everything is answered.
//
// Owned by:  the frame of Run, a child of the shard's group of sessions.
// Threads:   the shard's.
// Time:      a deadline a phase, counted for the whole phase, so that a server that drips a byte at a time gains
// nothing.
class Session {
 public:
  // kReserved: it sends mail of transactional streams alone.
  // `permits`: one of each was taken for its first connection.
  static Task<void> Run(Scheduler& scheduler, Path& path, Path::Taken& taken, Reception::Visit visit,
                        std::unique_ptr<Carriage> carriage, ConnectionPermits permits);

 private:
  // A message on its way. Its outcome comes with the replies, in the order of the pipeline's transactions.
  struct Transaction {
    Assignment assignment;
    absl::Time date;
    size_t depth = 1;       // at most so many may be under way together with it
    bool complete = false;  // its last byte may have been sent: the server may have it
  };
  // A transaction's commands, as far as they go without a reply.
  struct Group {
    struct Command {
      Phase phase;
      size_t end;  // of it within `bytes`
    };
    std::string bytes;
    std::vector<Command> commands;  // four at most

    void Close(Phase phase) { commands.push_back({phase, bytes.size()}); }
  };

  // Whether this server's replies say themselves what they answer (Pipeline::Fits).
  enum class Telling { kUnknown, kYes, kNo };

  Session(Scheduler& scheduler, Path& path, Path::Taken& taken, Reception::Visit& visit, Carriage& carriage,
          ConnectionPermits permits);

  Task<void> Live();
  Task<bool> Open();
  void OnSlowOpening();
  Task<void> SendAll();
  // A stop does not wait for the answer.
  Task<void> Quit();

  // Sends the next transaction, as far as it goes without a reply. False: there is none, or not now.
  Task<bool> Begin();
  Task<std::optional<Assignment>> NextAssignment();
  Task<void> Transact(Assignment assignment);
  // Takes what has come. False: nothing more may be sent.
  Task<bool> ReadyToSend();
  // RSET by itself, so that what becomes known before its answer is still asked about before MAIL.
  Task<bool> Reset();
  Task<void> SendGroup();
  Task<void> SendOneByOne();
  Task<void> SendContent();
  Task<absl::Status> WriteContent();
  // Waits for the next reply, and does what it asks for.
  Task<void> TakeReply();

  // False: it answers something else than what it stands in the place of.
  bool Believes(const Reply& reply);
  void LookAround();
  bool MayBegin();
  size_t DepthOf(const Assignment& assignment) const;
  absl::Duration LimitOf(Phase phase) const;
  void WriteGroup(const Assignment& assignment);
  // Why this server cannot get the message, whoever asks it to.
  std::optional<Attempt> Misfit() const;

  Attempt AttemptFrom(const Pipeline::Step& step, const Assignment& assignment);
  // The oldest transaction is over.
  void Finish(const Pipeline::Step& step);
  // No reply will come any more, or none that could be believed.
  void Lose(Phase phase, const absl::Status& status);
  // Of what is still under way: what the server may have is in doubt, for `reason`; the rest is as it was.
  void Abandon(const Attempt& reason);
  void ReturnAll();
  // The server spoke or left while nothing was asked of it: that ends the session, and is not about the row.
  void OnUnasked(const Connection::Answer& said, const Assignment& assignment);
  Transaction TakeOldest();
  void Conclude(const Assignment& assignment, absl::Time date, Attempt attempt);
  std::shared_ptr<const queue::Evidence> EvidenceFor(const std::string& stream);

  Scheduler& scheduler_;
  ShardServices& services_;
  Path& path_;
  Path::Taken& taken_;
  const Slots::For what_;
  const std::shared_ptr<const Options> options_;  // those in force when it began
  HostSearch search_;
  Connection& connection_;  // the one that it opened

  Carriage& carriage_;
  Timer slow_opening_;

  OutgoingMessage message_;  // the one that is being sent
  Group group_;              // what carries it
  std::string sender_;       // its envelope sender
  Pipeline pipeline_;
  std::vector<Transaction> under_way_;  // the oldest first
  Telling telling_ = Telling::kUnknown;
  bool reset_due_ = false;                           // a transaction was left unfinished
  bool closing_ = false;                             // nothing more is begun
  bool over_ = false;                                // nothing more is said, not even QUIT
  int64_t begun_max_ = 0;                            // transactions of this connection
  int answered_ = 0;                                 // those among them that had an answer
  absl::Time opened_ = absl::InfinitePast();         // by the steady clock
  std::shared_ptr<const queue::Evidence> evidence_;  // what every message of this connection shares
  std::optional<Attempt> failure_;                   // what ended it, or kept it from beginning
};

}  // namespace sealift::engine
