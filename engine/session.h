#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "engine/attempt.h"
#include "engine/connection.h"
#include "engine/finished_row.h"
#include "engine/runtime/task.h"
#include "engine/scheduler.h"
#include "engine/site.h"
#include "engine/smtp/reply.h"

namespace sealift::engine {

// Session is one SMTP connection of a path (RFC 5321 3): it finds a host that answers as the path's policy asks
// (connection.h), and sends message after message until there are no more or the server has had enough. A session that
// saw a protocol error ends.
//
// Owned by:  the frame of Run, a child of the shard's group of sessions.
// Threads:   the shard's.
// Time:      a deadline a phase, counted for the whole phase, so that a server that drips a byte at a time gains
// nothing.
class Session {
 public:
  static Task<void> Run(Scheduler& scheduler, Path& path);

 private:
  enum class Next { kGoOn, kNotSent, kEnd };

  Session(Scheduler& scheduler, Path& path);

  Task<void> Live();
  Task<bool> Open();
  Task<void> SendAll();
  Task<std::optional<Assignment>> NextAssignment();
  Task<Next> Transact(Assignment assignment);
  Task<Next> SendContent(Assignment assignment, Reply data);
  Task<absl::Status> SendMessage();

  Next Lost(const Assignment& assignment, Phase phase, const absl::Status& status);
  // The final dot may have been sent, and no reply to it came.
  Next LostAfterDot(const Assignment& assignment, const absl::Status& status);
  Next Refused(const Assignment& assignment, Phase phase, const Reply& reply);
  void Conclude(const Assignment& assignment, Attempt attempt);
  std::shared_ptr<const queue::Evidence> EvidenceFor(const std::string& stream);
  void Render(const Assignment& assignment);
  // The same of a message that arrived finished. Errors: the session's scope has ended.
  Task<absl::Status> Fetch(Assignment assignment);
  // What the message, and its recipient's address, ask of the server.
  struct Extensions {
    bool eight_bit = false;  // 8BITMIME (RFC 6152)
    bool smtp_utf8 = false;  // SMTPUTF8 (RFC 6531)
  };
  Extensions NeededFor(std::string_view recipient) const;
  // Why this server cannot get the message, whoever asks it to.
  std::optional<Attempt> Misfit(const Extensions& needed) const;

  Scheduler& scheduler_;
  ShardServices& services_;
  Path& path_;
  const std::shared_ptr<const Options> options_;  // those in force when it began
  Connection connection_;

  bool needs_reset_ = false;  // a transaction was left unfinished
  bool dot_sent_ = false;     // at least a part of what ends the message has left
  int messages_ = 0;
  absl::Time opened_ = absl::InfinitePast();
  std::shared_ptr<const queue::Evidence> evidence_;  // what every message of this connection shares
  std::optional<Attempt> failure_;                   // of the last host that was tried

  absl::Time date_;             // of the message being sent
  std::string message_, wire_;  // where this session renders it
  // As DATA carries it, with its lone dot, or of a finished message all up to its second piece. Empty: it could not be
  // made.
  std::string_view content_;
  std::optional<FinishedMessage> finished_;
  std::optional<PieceReader> pieces_;  // of finished_, where it has more than one
  size_t message_bytes_ = 0;           // of the message itself
};

}  // namespace sealift::engine
