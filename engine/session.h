#pragma once

#include <array>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "engine/attempt.h"
#include "engine/runtime/endpoint.h"
#include "engine/runtime/stream.h"
#include "engine/runtime/task.h"
#include "engine/scheduler.h"
#include "engine/site.h"
#include "engine/smtp/capabilities.h"
#include "engine/smtp/reply.h"
#include "engine/smtp/reply_parser.h"
#include "engine/tls_stream.h"

namespace sealift::engine {

// Session is one SMTP connection of a path (RFC 5321 3): it finds a host that answers, secures the connection as the
// path's policy asks, and sends message after message until there are no more or the server has had enough.
//
// Before TLS the session says EHLO, STARTTLS and QUIT and nothing else where its policy requires TLS; a host that
// offered STARTTLS is never spoken to in clear in the same attempt, whatever breaks. A session that saw a protocol
// error ends.
//
// Owned by:  the frame of Run, a child of the shard's group of sessions.
// Threads:   the shard's.
// Time:      a deadline a phase, counted for the whole phase, so that a server that drips a byte at a time gains
// nothing.
class Session {
 public:
  static Task<void> Run(Scheduler& scheduler, Path& path);

 private:
  enum class Opened { kYes, kNoTls, kNo };
  enum class Next { kGoOn, kNotSent, kEnd };

  // A command's reply, or what became of the connection instead.
  using Answer = absl::StatusOr<Reply>;

  Session(Scheduler& scheduler, Path& path);

  Task<void> Live();
  Task<void> SendAll();

  // Opening: which host, and how far it lets us in.
  Task<bool> Open();
  Task<Opened> OpenHost(dns::MxHost host);
  Task<std::vector<Endpoint>> Endpoints(std::string host);
  Task<Opened> Connect(Endpoint to);
  Task<Opened> Greet();
  Task<Opened> Hello();
  Task<Opened> StartTls();

  // Sending.
  Task<std::optional<Assignment>> NextAssignment();
  Task<Next> Transact(Assignment assignment);
  Task<Next> SendContent(Assignment assignment, Reply data);
  Task<void> Quit();

  // The wire.
  Task<Answer> ReadReply();
  Task<Answer> Command(std::string line, absl::Duration limit);
  Task<absl::Status> Send(std::string_view bytes, absl::Duration limit);
  void Close();

  // What failed, as the outcome of a row.
  Attempt FromReply(Phase phase, const Reply& reply, std::string_view recipient) const;
  Attempt FromFailure(ReasonClass reason, std::string text) const;
  Attempt FromStatus(Phase phase, const absl::Status& status) const;
  Opened Failed(Opened how, Attempt attempt);
  Next Lost(const Assignment& assignment, Phase phase, const absl::Status& status);
  Next Refused(const Assignment& assignment, Phase phase, const Reply& reply);
  void Conclude(const Assignment& assignment, Attempt attempt);
  std::shared_ptr<const queue::Evidence> EvidenceFor(const std::string& stream);
  void Render(const Assignment& assignment);

  Scheduler& scheduler_;
  ShardServices& services_;
  Path& path_;
  const std::shared_ptr<const Options> options_;  // those in force when it began
  const SourceOptions& source_;
  const tls::Policy policy_;

  std::string host_;    // "mx1.d1.test"
  std::string peer_;    // "mx1.d1.test [192.0.2.1]"
  std::string server_;  // "mx1.d1.test:25", for the cache of TLS sessions
  std::unique_ptr<Stream> stream_;
  ReplyParser replies_;
  Capabilities capabilities_;
  bool in_tls_ = false;
  bool needs_reset_ = false;  // a transaction was left unfinished
  int messages_ = 0;
  absl::Time opened_ = absl::InfinitePast();
  queue::Evidence security_;  // what every message of this connection shares
  std::shared_ptr<const queue::Evidence> evidence_;
  std::optional<Attempt> failure_;  // of the last host that was tried

  absl::Time date_;             // of the message being sent
  std::string message_, wire_;  // where this session renders it
  std::string_view content_;    // as DATA carries it, with its lone dot; empty: it could not be made
  size_t message_bytes_ = 0;    // of the message itself
  std::array<char, 4096> incoming_;
};

}  // namespace sealift::engine
