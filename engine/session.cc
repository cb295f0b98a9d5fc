#include "engine/session.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "engine/message_identity.h"
#include "engine/runtime/deadline.h"
#include "engine/smtp/command.h"
#include "engine/smtp/dot_stuffing.h"
#include "engine/smtp/mailbox.h"

namespace sealift::engine {
namespace {

// The shard-wide words for how a session ended; values of sealift_smtp_sessions_total's label.
std::string_view ResultOf(const std::optional<Attempt>& failure) {
  if (!failure.has_value()) return "ok";
  switch (failure->verdict.reason_class) {
    case ReasonClass::kTls:
      return "tls";
    case ReasonClass::kTimeout:
      return "timeout";
    case ReasonClass::kConnection:
      return "connect";
    case ReasonClass::kProtocol:
      return "protocol";
    default:
      return failure->code != 0 ? "refused" : "connect";
  }
}

Task<absl::Status> WaitFor(Signal& signal) { co_return co_await signal.Wait(); }

}  // namespace

Task<void> Session::Run(Scheduler& scheduler, Path& path) {
  ShardServices& services = scheduler.services();
  if (services.options->FindSource(path.source_name) == nullptr) {  // a reload took it away before this began
    scheduler.paths().OnSessionEnd(path);
    co_return;
  }
  Gauge* const open = services.metrics.gauge(Metric::kSmtpConnections, {path.source_name});
  open->Add(1);
  {
    Session session(scheduler, path);
    co_await session.Live();
    services.metrics.counter(Metric::kSmtpSessions, {path.source_name, ResultOf(session.failure_)})->Add();
  }
  open->Add(-1);
  scheduler.paths().OnSessionEnd(path);
}

Session::Session(Scheduler& scheduler, Path& path)
    : scheduler_(scheduler),
      services_(scheduler.services()),
      path_(path),
      options_(services_.options),
      connection_({.ring = services_.ring,
                   .network = services_.network,
                   .resolver = services_.resolver,
                   .tls = services_.tls,
                   .tls_sessions = &services_.tls_sessions,
                   .metrics = &services_.metrics},
                  options_, *options_->FindSource(path.source_name), path.policy) {}

Task<void> Session::Live() {
  const bool open = co_await Open();
  if (!open) co_return;
  ++path_.answering;
  co_await SendAll();
  --path_.answering;
  if (messages_ > 0) --path_.taking;
  if (messages_ == 0 && failure_.has_value()) {
    scheduler_.paths().OnFruitless(path_, *failure_);
  }
}

// Finds a host that answers: by preference, equals in any order (RFC 5321 5.1).
Task<bool> Session::Open() {
  std::vector<dns::MxHost> hosts = path_.site.hosts;
  dns::ShuffleTies(hosts, [this](size_t n) { return services_.random() % n; });
  bool no_tls = !hosts.empty();  // every host let us in and offered too little
  for (const dns::MxHost& host : hosts) {
    const Connection::Opened opened = co_await connection_.Open(host.name);
    if (opened == Connection::Opened::kYes) co_return true;
    no_tls = no_tls && opened == Connection::Opened::kNoTls;
    const Scope& scope = co_await CurrentScope();
    if (scope.ended()) co_return false;
  }
  failure_ = connection_.failure();
  Attempt attempt =
      failure_.has_value() ? *failure_ : connection_.FromFailure(ReasonClass::kConnection, "no host could be tried");
  if (no_tls) attempt.verdict = ClassifyFailure(ReasonClass::kTls);
  // Whatever a host says before MAIL is not about the row.
  attempt.verdict.action = Action::kDefer;
  scheduler_.paths().OnUnreachable(path_, no_tls, std::move(attempt));
  co_return false;
}

Task<void> Session::SendAll() {
  opened_ = services_.Now();
  const DestinationSettings settings = options_->DestinationFor(path_.site.domain, path_.site.hosts.front().name);
  const int messages_max =
      std::min<int64_t>(settings.messages_per_connection,
                        static_cast<int64_t>(connection_.capabilities().limit_mail_max.value_or(INT32_MAX)));
  while (messages_ < messages_max && services_.Now() - opened_ < options_->smtp.session_max) {
    std::optional<Assignment> assignment = co_await NextAssignment();
    if (!assignment.has_value()) break;
    const Next next = co_await Transact(*std::move(assignment));
    if (next == Next::kEnd) {
      connection_.Close();
      co_return;
    }
    if (next == Next::kNotSent) continue;
    if (messages_++ == 0) scheduler_.paths().OnTaken(path_);
  }
  co_await connection_.Quit();
}

Task<std::optional<Assignment>> Session::NextAssignment() {
  const absl::Duration idle = options_->smtp.idle_timeout;
  const absl::Time patience = services_.Now() + idle;
  while (!scheduler_.draining()) {
    Refusal refusal;
    std::optional<Assignment> assignment = scheduler_.Next(path_, refusal);
    if (assignment.has_value()) co_return assignment;
    const absl::Duration left = patience - services_.Now();
    if (left <= absl::ZeroDuration()) break;
    if (refusal.kind == Refusal::Kind::kRate && refusal.until > patience) break;
    const absl::Status woken = co_await WithDeadline(services_.ring, left, WaitFor(path_.idle));
    if (!woken.ok()) break;
  }
  co_return std::nullopt;
}

// ---------------------------------------------------------------------------------------------------------------------
// Sending

void Session::Render(const Assignment& assignment) {
  finished_.reset();
  if (assignment.message != nullptr) {
    date_ = assignment.message->date;
    content_ = assignment.message->wire;
    message_bytes_ = assignment.message->size;
    return;
  }
  const queue::Row& row = assignment.claim.row();
  date_ = row.date != absl::InfinitePast() ? row.date : services_.Now();
  const MessageIdentity identity =
      Identify(services_.store, *options_, *assignment.lane->campaign, {.lane = assignment.lane->id, .row = row.id});
  message_.clear();
  wire_.clear();
  const absl::Status rendered = assignment.lane->campaign->content->Render(
      {.email = row.recipient, .fields = row.fields}, identity.At(date_), message_);
  if (rendered.ok()) AppendDotStuffed(message_, wire_);
  content_ = wire_;
  message_bytes_ = message_.size();
}

Task<absl::Status> Session::Fetch(Assignment assignment) {
  const queue::Row& row = assignment.claim.row();
  finished_.reset();
  wire_.clear();
  content_ = {};
  date_ = row.date != absl::InfinitePast() ? row.date : services_.Now();
  const absl::StatusOr<FinishedMessage> finished = FinishedOf(row);
  if (!finished.ok()) co_return absl::OkStatus();
  pieces_.emplace(services_, assignment.lane->id.campaign, finished->number);
  if (assignment.message != nullptr) {
    date_ = assignment.message->date;
    content_ = assignment.message->wire;
    message_bytes_ = assignment.message->size;
  } else {
    pieces_->Ask(0);
    const absl::StatusOr<std::string> first = co_await pieces_->Take();
    if (absl::IsCancelled(first.status())) co_return first.status();
    const MessageIdentity identity =
        Identify(services_.store, *options_, *assignment.lane->campaign, {.lane = assignment.lane->id, .row = row.id});
    uint64_t size = 0;
    if (first.ok() &&
        finished->Open(*first, {.message_id = identity.message_id, .date = date_}, nullptr, wire_, &size).ok()) {
      content_ = wire_;
      message_bytes_ = size;
    }
  }
  finished_ = *finished;
  co_return absl::OkStatus();
}

Session::Extensions Session::NeededFor(std::string_view recipient) const {
  // A recipient beyond ASCII stands in the envelope and in the header To: RFC 6531 asks for both extensions.
  const bool utf8_recipient = NeedsSmtpUtf8(recipient);
  const bool finished = finished_.has_value();
  return {.eight_bit = utf8_recipient || (finished && finished_->eight_bit),
          .smtp_utf8 = utf8_recipient || (finished && finished_->utf8_header)};
}

std::optional<Attempt> Session::Misfit(const Extensions& needed) const {
  const auto bounce = [this](ReasonClass reason, std::string_view enhanced, std::string why) {
    Attempt attempt = connection_.FromFailure(reason, std::move(why));
    attempt.verdict.action = Action::kBounce;
    attempt.enhanced = enhanced;
    return attempt;
  };
  const Capabilities& offered = connection_.capabilities();
  if (offered.size_max.has_value() && message_bytes_ > *offered.size_max) {
    return bounce(ReasonClass::kTooLarge, "5.3.4",
                  fmt::format("the message has {} bytes, the server takes {}", message_bytes_, *offered.size_max));
  }
  if (needed.smtp_utf8 && !(offered.smtputf8 && offered.eightbitmime)) {
    return bounce(ReasonClass::kContent, "5.6.7",
                  "the recipient's address or the message's header is not ASCII, and the server offers no SMTPUTF8");
  }
  if (needed.eight_bit && !offered.eightbitmime) {
    return bounce(ReasonClass::kContent, "5.6.3", "the message is 8-bit, and the server offers no 8BITMIME");
  }
  return std::nullopt;
}

Task<Session::Next> Session::Transact(Assignment assignment) {
  const queue::Row& row = assignment.claim.row();
  if (assignment.lane->campaign->content.has_value()) {
    Render(assignment);
  } else {
    const absl::Status fetched = co_await Fetch(assignment);
    if (!fetched.ok()) {
      scheduler_.Return(assignment);
      co_return Next::kEnd;
    }
  }
  if (content_.empty()) {
    // Every row was checked when it was loaded, so this is a fault of ours or of the disk: the row must not be lost for
    // it.
    Conclude(assignment, connection_.FromFailure(ReasonClass::kInternal, "the message could not be rendered"));
    co_return Next::kGoOn;
  }
  const Extensions needed = NeededFor(row.recipient);
  if (std::optional<Attempt> misfit = Misfit(needed); misfit.has_value()) {
    Conclude(assignment, *std::move(misfit));
    co_return Next::kGoOn;
  }
  const std::string sender = EnvelopeSender(services_.store, *options_, assignment.lane->campaign->stream,
                                            {.lane = assignment.lane->id, .row = row.id});
  MailParameters parameters;
  if (connection_.capabilities().size) parameters.size = message_bytes_;
  parameters.eight_bit = needed.eight_bit;
  parameters.smtp_utf8 = needed.smtp_utf8;
  const std::string mail = MailFrom(sender, parameters);
  const std::string rcpt = RcptTo(row.recipient);
  const SmtpOptions& limits = options_->smtp;

  if (connection_.has_unread()) {  // a reply that nobody asked for: most often a 421 before the server leaves
    scheduler_.Return(assignment);
    co_return Next::kEnd;
  }
  if (!connection_.capabilities().pipelining) {
    if (std::exchange(needs_reset_, false)) {
      const Connection::Answer cleared = co_await connection_.Command(std::string(kReset), limits.reset_timeout);
      if (!cleared.ok()) co_return Lost(assignment, Phase::kReset, cleared.status());
      if (!cleared->IsPositive()) co_return Refused(assignment, Phase::kReset, *cleared);
    }
    if (!scheduler_.Confirm(assignment)) co_return Next::kNotSent;
    const Connection::Answer mailed = co_await connection_.Command(mail, limits.mail_timeout);
    if (!mailed.ok()) co_return Lost(assignment, Phase::kMail, mailed.status());
    if (!mailed->IsPositive()) co_return Refused(assignment, Phase::kMail, *mailed);
    needs_reset_ = true;
    const Connection::Answer received = co_await connection_.Command(rcpt, limits.rcpt_timeout);
    if (!received.ok()) co_return Lost(assignment, Phase::kRcpt, received.status());
    if (!received->IsPositive()) co_return Refused(assignment, Phase::kRcpt, *received);
    const Connection::Answer data = co_await connection_.Command(std::string(kData), limits.data_timeout);
    if (!data.ok()) co_return Lost(assignment, Phase::kData, data.status());
    co_return co_await SendContent(std::move(assignment), *data);
  }

  if (!scheduler_.Confirm(assignment)) co_return Next::kNotSent;
  // RFC 2920: one group that DATA ends; every reply is matched to its command, in order.
  const bool reset = std::exchange(needs_reset_, false);
  std::string group = reset ? std::string(kReset) : std::string();
  group += mail;
  group += rcpt;
  group += kData;
  const absl::Status sent = co_await connection_.Send(group, limits.mail_timeout);
  if (!sent.ok()) co_return Lost(assignment, reset ? Phase::kReset : Phase::kMail, sent);
  if (reset) {
    const Connection::Answer cleared =
        co_await WithDeadline(services_.ring, limits.reset_timeout, connection_.ReadReply());
    if (!cleared.ok()) co_return Lost(assignment, Phase::kReset, cleared.status());
    if (cleared->code == 421) co_return Refused(assignment, Phase::kReset, *cleared);
  }
  const Connection::Answer mailed = co_await WithDeadline(services_.ring, limits.mail_timeout, connection_.ReadReply());
  if (!mailed.ok()) co_return Lost(assignment, Phase::kMail, mailed.status());
  if (mailed->code == 421) co_return Refused(assignment, Phase::kMail, *mailed);
  const Connection::Answer received =
      co_await WithDeadline(services_.ring, limits.rcpt_timeout, connection_.ReadReply());
  if (!received.ok()) co_return Lost(assignment, Phase::kRcpt, received.status());
  if (received->code == 421) co_return Refused(assignment, Phase::kRcpt, *received);
  const Connection::Answer data = co_await WithDeadline(services_.ring, limits.data_timeout, connection_.ReadReply());
  if (!data.ok()) co_return Lost(assignment, Phase::kData, data.status());
  if (mailed->IsPositive() && received->IsPositive()) {
    needs_reset_ = true;
    co_return co_await SendContent(std::move(assignment), *data);
  }
  needs_reset_ = true;
  Next next =
      mailed->IsPositive() ? Refused(assignment, Phase::kRcpt, *received) : Refused(assignment, Phase::kMail, *mailed);
  if (data->IsIntermediate()) {
    // The server waits for content although nobody is to get it: a lone dot ends it (RFC 2920 3.1).
    const Connection::Answer ended = co_await connection_.Command(".\r\n", limits.final_dot_timeout);
    if (!ended.ok()) next = Next::kEnd;
    needs_reset_ = false;
  }
  if (data->code == 421) next = Next::kEnd;
  co_return next;
}

// What ends a message stands in its last piece: one that could not be read to its end is never taken for whole.
Task<absl::Status> Session::SendMessage() {
  const uint32_t pieces = finished_.has_value() ? finished_->pieces : 1;
  if (pieces > 1) pieces_->Ask(1);
  dot_sent_ = pieces == 1;
  absl::Status sent = co_await connection_.Send(content_, options_->smtp.block_timeout);
  for (uint32_t i = 1; i < pieces && sent.ok(); ++i) {
    const absl::StatusOr<std::string> piece = co_await pieces_->Take();
    if (absl::IsCancelled(piece.status()) || absl::IsDeadlineExceeded(piece.status())) co_return piece.status();
    if (!piece.ok()) co_return absl::DataLossError("the message could not be read to its end");
    if (i + 1 < pieces) pieces_->Ask(i + 1);
    dot_sent_ = i + 1 == pieces;
    sent = co_await connection_.Send(*piece, options_->smtp.block_timeout);
  }
  co_return sent;
}

Task<Session::Next> Session::SendContent(Assignment assignment, Reply data) {
  if (!data.IsIntermediate()) co_return Refused(assignment, Phase::kData, data);
  const bool holds = scheduler_.HoldsInDoubt(assignment);
  if (holds) {
    const absl::Status known =
        co_await WithDeadline(services_.ring, options_->smtp.data_timeout, scheduler_.Intend(assignment, date_));
    if (!known.ok()) {
      Conclude(assignment,
               connection_.FromFailure(ReasonClass::kInternal,
                                       "the queue could not record in time that the message is being sent"));
      co_return Next::kEnd;
    }
  }
  if (connection_.has_unread()) {
    // It answered before it had the content: nothing that it says from here on can be believed.
    co_return Lost(assignment, Phase::kContent,
                   absl::InvalidArgumentError("the server replied before it had the content"));
  }
  const absl::Status sent = co_await WithDeadline(services_.ring, options_->smtp.session_max, SendMessage());
  if (!sent.ok()) {
    co_return holds&& dot_sent_ ? LostAfterDot(assignment, sent) : Lost(assignment, Phase::kContent, sent);
  }
  const Connection::Answer taken =
      co_await WithDeadline(services_.ring, options_->smtp.final_dot_timeout, connection_.ReadReply());
  if (!taken.ok()) {
    co_return holds ? LostAfterDot(assignment, taken.status()) : Lost(assignment, Phase::kContent, taken.status());
  }
  needs_reset_ = false;
  if (!taken->IsPositive()) co_return Refused(assignment, Phase::kContent, *taken);
  Attempt delivered = connection_.FromReply(Phase::kContent, *taken, assignment.claim.row().recipient);
  delivered.verdict.action = Action::kDeliver;
  Conclude(assignment, std::move(delivered));
  co_return connection_.has_unread() ? Next::kEnd : Next::kGoOn;
}

// ---------------------------------------------------------------------------------------------------------------------
// Outcomes

Session::Next Session::Lost(const Assignment& assignment, Phase phase, const absl::Status& status) {
  const bool before_anything = phase == Phase::kMail || phase == Phase::kReset;
  if (messages_ > 0 && before_anything && !connection_.has_unread() && absl::IsUnavailable(status)) {
    // The server had closed an idle connection: that says nothing about this row.
    scheduler_.Return(assignment);
    return Next::kEnd;
  }
  failure_ = connection_.FromStatus(phase, status);
  Conclude(assignment, *failure_);
  return Next::kEnd;
}

Session::Next Session::LostAfterDot(const Assignment& assignment, const absl::Status& status) {
  failure_ = connection_.FromStatus(Phase::kContent, status);
  Attempt attempt = *failure_;
  attempt.verdict.action = Action::kDefer;
  attempt.in_doubt = true;
  Conclude(assignment, std::move(attempt));
  return Next::kEnd;
}

Session::Next Session::Refused(const Assignment& assignment, Phase phase, const Reply& reply) {
  const bool goodbye = reply.code == 421;
  if (goodbye && messages_ > 0 && (phase == Phase::kMail || phase == Phase::kReset)) {
    scheduler_.Return(assignment);
    return Next::kEnd;
  }
  Attempt attempt = connection_.FromReply(phase, reply, assignment.claim.row().recipient);
  if (attempt.verdict.action == Action::kDeliver) attempt.verdict.action = Action::kDefer;
  const bool close = attempt.verdict.close;
  if (close) failure_ = attempt;
  path_.site.Remember(services_.Now(), fmt::format("{} {} ({})", reply.code, attempt.text, ToString(phase)));
  Conclude(assignment, std::move(attempt));
  return close || connection_.has_unread() ? Next::kEnd : Next::kGoOn;
}

std::shared_ptr<const queue::Evidence> Session::EvidenceFor(const std::string& stream) {
  if (evidence_ == nullptr || evidence_->stream != stream) {
    auto evidence = std::make_shared<queue::Evidence>(connection_.evidence());
    evidence->stream = stream;
    evidence_ = std::move(evidence);
  }
  return evidence_;
}

void Session::Conclude(const Assignment& assignment, Attempt attempt) {
  attempt.date = date_;
  attempt.evidence = EvidenceFor(assignment.lane->campaign->stream);
  scheduler_.Conclude(assignment, attempt);
}

}  // namespace sealift::engine
