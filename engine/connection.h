#pragma once

#include <array>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "engine/attempt.h"
#include "engine/host_policy.h"
#include "engine/metrics.h"
#include "engine/options.h"
#include "engine/resolver.h"
#include "engine/runtime/endpoint.h"
#include "engine/runtime/network.h"
#include "engine/runtime/ring.h"
#include "engine/runtime/stream.h"
#include "engine/runtime/task.h"
#include "engine/smtp/capabilities.h"
#include "engine/smtp/reply.h"
#include "engine/smtp/reply_parser.h"
#include "engine/tls_memory.h"
#include "engine/tls_requirement.h"
#include "engine/tls_try.h"
#include "tls/channel.h"
#include "tls/client_context.h"
#include "tls/session_cache.h"

namespace sealift::engine {

// Connection is one SMTP connection as far as it goes without mail: it finds an address of a host that answers, says
// EHLO, and secures the connection as the mail and the host itself ask (host_policy.h; RFC 5321 3.1 and 3.2, RFC 3207).
//
// Before TLS it says EHLO, STARTTLS and QUIT and nothing else where TLS is required; a host that offered
// STARTTLS is never spoken to in clear in the same attempt, whatever breaks. In sink mode every host is the sink.
//
// Owned by:  a session, which sends over it; or a probe, which looks at what it found and says QUIT.
// Threads:   the ring's.
// Time:      a deadline a phase, counted for the whole phase, so that a server that drips a byte at a time gains
// nothing.
// Errors:    an Attempt: what a row that was sent now would have as its outcome, redacted.
class Connection {
 public:
  // What it works with; outlives it.
  struct Services {
    Ring& ring;
    Network& network;
    Resolver& resolver;
    std::shared_ptr<tls::ClientContext> tls;
    tls::SessionCache* tls_sessions = nullptr;      // null: every handshake is a whole one
    Metrics* metrics = nullptr;                     // where handshakes are counted; null: nowhere
    TlsMemory* tls_memory = nullptr;                // of the node; null: nothing is remembered
    std::function<void(const Reply&)> on_greeting;  // called with what a host greets us with; null: nobody asks
    std::function<Task<bool>()> may_connect;        // asked before each connection; null: as many as there are hosts
    std::function<void()> on_connected;             // one was established, whatever it is good for; with may_connect
  };

  // kNoTls: the host lets us in and offers less than the mail asks. kNoPromisedTls: it offers less than it has
  // promised. kNoRequireTls: it is who it says, and does not ask of the next server what the mail asks of it. kNotNow:
  // may_connect said no.
  enum class Opened { kYes, kNoTls, kNoPromisedTls, kNoRequireTls, kNo, kNotNow };

  // A command's reply, the connection's own until the next one is looked for; or what became of the connection instead.
  using Answer = absl::StatusOr<const Reply*>;

  // `source` is one of `options`.
  Connection(Services services, std::shared_ptr<const Options> options, const SourceOptions& source,
             const TlsRequirement& requirement);

  // Tries the addresses of `host`, one after the other, until one lets it in. May be called again after it did not.
  Task<Opened> Open(std::string host);
  Task<void> Quit();
  // Its parts, but for Close. True: it is on its way, and may be answered.
  Task<bool> SayQuit();
  Task<void> HearBye();
  void Close();

  // The reply to `line`. It is not sent where something has come before it: that answers nothing but is a 421, or an
  // error.
  Task<Answer> Command(std::string line, absl::Duration limit);
  Task<Answer> ReadReply();
  Task<absl::Status> Send(std::string_view bytes, absl::Duration limit);
  // Without waiting: a reply has come, or what ends the connection. The next ReadReply returns it.
  bool HasReply();
  // Without waiting, where nothing is to be answered: what has come all the same. InvalidArgument: a part of a reply.
  std::optional<Answer> Unasked();
  // A reply is never taken for the answer to what had not been sent when it came.
  static absl::Status ErrorOf(const Answer& unasked);

  const Capabilities& capabilities() const { return capabilities_; }
  // An address of the host offered STARTTLS.
  bool offered_tls() const { return offered_tls_; }
  // What the host that was tried last had to show.
  const HostPolicy& policy() const { return policy_; }
  // From now on any certificate does, and what it is is kept: for who looks and sends nothing.
  void LookOnly() { look_only_ = true; }
  // TLS is not tried from now on. For mail alone that is to go whatever the TLS, where TLS has failed before.
  void ForgoTls() { forgo_tls_ = true; }
  const std::optional<tls::PeerCertificate>& certificate() const { return certificate_; }
  // "mx1.d1.test [192.0.2.1]"
  const std::string& peer() const { return peer_; }
  // How it is secured, and by whom it was opened.
  queue::Evidence evidence() const;
  // Why the last address that was tried did not do; nothing where there was none to try.
  const std::optional<Attempt>& failure() const { return failure_; }

  // What came of TLS with the host that was opened last, an address each; the last one is that of the connection where
  // it was opened. Empty where nothing came as far as TLS.
  const std::vector<TlsTry>& tls_tries() const { return tls_tries_; }

  // What failed, as the outcome of a row.
  Attempt FromReply(Phase phase, const Reply& reply, std::string_view recipient) const;
  Attempt FromFailure(ReasonClass reason, std::string text) const;
  Attempt FromStatus(Phase phase, const absl::Status& status) const;

 private:
  Task<std::vector<Endpoint>> Endpoints();
  Task<Opened> Connect(Endpoint to);
  Task<Opened> Greet();
  Task<Opened> Hello();
  Task<Opened> StartTls();
  Task<Opened> GreetAgain();
  Task<Opened> GoOnInClear();
  void NoteTry(std::optional<TlsTry::Failure> failure, std::optional<TlsTry::Failure> fault = std::nullopt);
  void NoteRefusal();
  Opened Failed(Opened how, Attempt attempt);
  // The host has spoken TLS before.
  bool IsKnownForTls() const;
  // What it is that the host offers less than is asked of it, or no TLS at all: where it has spoken TLS before,
  // somebody may have broken that on the way.
  Opened Lacking() const { return policy_.promised ? Opened::kNoPromisedTls : Opened::kNoTls; }
  Opened LackingTls() const { return IsKnownForTls() ? Opened::kNoPromisedTls : Lacking(); }

  const Services services_;
  const std::shared_ptr<const Options> options_;  // those in force when it began
  const SourceOptions& source_;
  const TlsRequirement requirement_;

  std::string host_;   // "mx1.d1.test"
  HostPolicy policy_;  // of that host
  std::string peer_;
  std::unique_ptr<Stream> stream_;
  ReplyParser replies_;
  std::optional<Answer> next_reply_;  // what HasReply found
  Capabilities capabilities_;
  bool offered_tls_ = false;  // by an address of `host_`, in this attempt
  bool in_tls_ = false;
  bool look_only_ = false;
  bool forgo_tls_ = false;
  std::vector<TlsTry> tls_tries_;
  std::string address_;                              // that is connected to
  std::optional<tls::PeerCertificate> certificate_;  // with look_only_
  queue::Evidence security_;
  std::optional<Attempt> failure_;
  std::array<char, 4096> incoming_;
};

}  // namespace sealift::engine
