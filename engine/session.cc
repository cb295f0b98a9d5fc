#include "engine/session.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "engine/message_identity.h"
#include "engine/runtime/deadline.h"
#include "engine/shaping/reply_subject.h"
#include "engine/smtp/command.h"
#include "queue/reply_line.h"

namespace sealift::engine {
namespace {

// Of transactions on one connection, whatever a destination is set to. Their replies together are at most four lines of
// 512 bytes each (RFC 5321 4.5.3.1.5): less than any receive buffer, so a server never waits for us to read while we
// wait for it to.
constexpr size_t kDepthMax = 16;
// A larger message is worth the round trip that tells whether anyone is to get it.
constexpr size_t kChunkBytesMax = 256 << 10;
// A session without work looks so often whether other mail waits for its connection: while a limit on connections is
// reached, and while none is.
constexpr absl::Duration kLookAround = absl::Milliseconds(100), kSeldomLookAround = absl::Seconds(1);
constexpr absl::Duration kTurn = absl::Seconds(5);  // of what only one has, while others have none
constexpr size_t kBlockBytes = 64 << 10;            // of content, each under a deadline of its own: RFC 5321 4.5.3.2.5

Attempt Unmailed(Attempt attempt) {
  attempt.mailed = false;
  return attempt;
}

Task<absl::Status> WaitFor(Signal& signal) { co_return co_await signal.Wait(); }

}  // namespace

Task<void> Session::Run(Scheduler& scheduler, Path& path, Path::Taken& taken, Reception::Visit visit,
                        std::unique_ptr<Carriage> carriage, ConnectionPermits permits) {
  ShardServices& services = scheduler.services();
  if (services.options->FindSource(path.source_name) == nullptr) {  // a reload took it away before this began
    carriage->Release();
    scheduler.paths().OnSessionEnd(path, taken);
    co_return;
  }
  Gauge* const open = services.metrics.gauge(Metric::kSmtpConnections, {path.source_name});
  open->Add(1);
  {
    Session session(scheduler, path, taken, visit, *carriage, std::move(permits));
    co_await session.Live();
  }
  open->Add(-1);
  visit.End(services.SteadyNow());
  carriage->Release();
  scheduler.paths().OnSessionEnd(path, taken);
}

Session::Session(Scheduler& scheduler, Path& path, Path::Taken& taken, Reception::Visit& visit, Carriage& carriage,
                 ConnectionPermits permits)
    : scheduler_(scheduler),
      services_(scheduler.services()),
      path_(path),
      taken_(taken),
      what_(taken.what),
      options_(services_.options),
      search_(scheduler, path, visit, options_, std::move(permits)),
      connection_(search_.connection()),
      carriage_(carriage),
      slow_opening_(Timer::Calling<&Session::OnSlowOpening>(this)),
      message_(services_, options_) {}

Task<void> Session::Live() {
  services_.ArmAt(slow_opening_, services_.Now() + kTurn);
  const bool open = co_await Open();
  services_.ring.timers().Disarm(slow_opening_);
  if (!open) co_return search_.CountEnd(search_.failure());
  ++path_.answering;
  co_await SendAll();
  --path_.answering;
  search_.CountEnd(failure_);
  if (answered_ > 0) --path_.taking;
  if (answered_ == 0 && failure_.has_value()) {
    scheduler_.paths().OnFruitless(path_, *failure_);
  } else if (!failure_.has_value() && carriage_.messages >= begun_max_) {
    scheduler_.paths().OnUsedUp(path_);
  }
  if (carriage_.messages == 0) {
    scheduler_.paths().OnOpenedInVain(path_);
  } else {
    path_.in_vain = 0;
  }
}

Task<bool> Session::Open() {
  Paths::Stoppable opening(scheduler_.paths(), co_await CurrentScope());
  co_return co_await search_.Run().In(opening.scope());
}

// A host that says nothing for minutes has no connection that others could carry their mail by.
void Session::OnSlowOpening() { carriage_.Release(); }

Task<void> Session::SendAll() {
  opened_ = services_.SteadyNow();
  begun_max_ = static_cast<int64_t>(connection_.capabilities().limit_mail_max.value_or(INT32_MAX));
  while (!over_) {
    LookAround();
    if (MayBegin()) {
      const bool begun = co_await Begin();
      if (begun) continue;
    }
    if (over_ || under_way_.empty()) break;
    co_await TakeReply();
  }
  if (over_ || connection_.Unasked().has_value()) {
    connection_.Close();
  } else {
    co_await Quit();
  }
}

Task<void> Session::Quit() {
  const bool said = co_await connection_.SayQuit();
  Paths::Stoppable waiting(scheduler_.paths(), co_await CurrentScope());
  if (said) co_await connection_.HearBye().In(waiting.scope());
  connection_.Close();
}

// Between two messages: whether others need its connection.
void Session::LookAround() {
  if (closing_) return;
  // A site that has none, for want of what several share, gets one of those that have more, or of who has had his turn.
  const bool may_give =
      what_ == Slots::For::kAnything && (path_.sessions > 1 || services_.SteadyNow() - opened_ >= kTurn);
  Paths& paths = scheduler_.paths();
  closing_ = paths.IsTooMany(path_, taken_) || paths.StandsAside(path_, what_, carriage_) ||
             (may_give && paths.GivesWay(path_));
}

bool Session::MayBegin() {
  const absl::Time now = services_.SteadyNow();
  if (closing_ || carriage_.messages >= begun_max_ || now - opened_ >= options_->smtp.session_max) return false;
  if (pipeline_.ends_with_data()) return false;
  if (!under_way_.empty() && carriage_.IsToGiveWay(kTurn, now)) return false;
  return std::ranges::all_of(under_way_, [this](const Transaction& other) { return under_way_.size() < other.depth; });
}

size_t Session::DepthOf(const Assignment& assignment) const {
  const StreamOptions* const stream = assignment.queue->stream;
  if (!connection_.capabilities().pipelining || telling_ != Telling::kYes) return 1;
  if (stream == nullptr || stream->in_doubt == InDoubt::kHold) return 1;
  return std::clamp<size_t>(static_cast<size_t>(assignment.queue->settings.pipeline_depth), 1, kDepthMax);
}

Task<bool> Session::Begin() {
  std::optional<Assignment> assignment;
  if (under_way_.empty()) {
    assignment = co_await NextAssignment();
  } else {
    Refusal refusal;
    assignment = scheduler_.Next(path_, refusal, carriage_, what_);
  }
  if (carriage_.used_up) begun_max_ = carriage_.messages;
  if (!assignment.has_value()) co_return false;
  if (!under_way_.empty() && under_way_.size() >= DepthOf(*assignment)) {  // it goes alone, once these are answered
    scheduler_.Return(*assignment);
    co_return false;
  }
  if (under_way_.empty()) carriage_.KeepOnly(assignment->queue->carried_by);
  // A connection has as many as may be of the strictest whose mail it carries.
  begun_max_ = std::min<int64_t>(begun_max_, assignment->permits->messages_per_connection);
  co_await Transact(*std::move(assignment));
  co_return true;
}

Task<std::optional<Assignment>> Session::NextAssignment() {
  const absl::Duration idle = options_->smtp.idle_timeout;
  const absl::Time patience = services_.SteadyNow() + idle;
  Signal& work = what_ == Slots::For::kReserved ? path_.idle_reserved : path_.idle;
  while (!scheduler_.draining()) {
    LookAround();
    if (closing_) break;
    if (carriage_.IsToGiveWay(kTurn, services_.SteadyNow())) carriage_.GiveWay(services_.SteadyNow());
    Refusal refusal;
    std::optional<Assignment> assignment = scheduler_.Next(path_, refusal, carriage_, what_);
    if (assignment.has_value() || carriage_.used_up) co_return assignment;
    carriage_.Release();
    const absl::Duration left = patience - services_.SteadyNow();
    if (left <= absl::ZeroDuration()) break;
    if (refusal.kind == Refusal::Kind::kRate && refusal.until - services_.Now() > left) break;
    const bool last = std::ranges::any_of(path_.slots, [](const auto& slots) { return slots->IsFull(); });
    const absl::Duration nap = std::min(left, last ? kLookAround : kSeldomLookAround);
    if (what_ == Slots::For::kAnything) scheduler_.paths().OnIdle(path_);
    const absl::Status woken = co_await WithDeadline(services_.ring, nap, WaitFor(work));
    if (woken.ok()) continue;
    if (nap == left || !absl::IsDeadlineExceeded(woken)) break;
    if (what_ == Slots::For::kAnything && scheduler_.paths().GivesWay(path_)) break;
  }
  co_return std::nullopt;
}

// ---------------------------------------------------------------------------------------------------------------------
// Sending

std::optional<Attempt> Session::Misfit() const {
  const auto bounce = [this](ReasonClass reason, std::string_view enhanced, std::string why) {
    Attempt attempt = Unmailed(connection_.FromFailure(reason, std::move(why)));
    attempt.verdict.action = Action::kBounce;
    attempt.enhanced = enhanced;
    return attempt;
  };
  const Capabilities& offered = connection_.capabilities();
  if (offered.size_max.has_value() && message_.bytes() > *offered.size_max) {
    return bounce(ReasonClass::kTooLarge, "5.3.4",
                  fmt::format("the message has {} bytes, the server takes {}", message_.bytes(), *offered.size_max));
  }
  if (message_.needed().smtp_utf8 && !(offered.smtputf8 && offered.eightbitmime)) {
    return bounce(ReasonClass::kContent, "5.6.7",
                  "the recipient's address or the message's header is not ASCII, and the server offers no SMTPUTF8");
  }
  if (message_.needed().eight_bit && !offered.eightbitmime) {
    return bounce(ReasonClass::kContent, "5.6.3", "the message is 8-bit, and the server offers no 8BITMIME");
  }
  return std::nullopt;
}

Task<void> Session::Transact(Assignment assignment) {
  const absl::Status taken = co_await message_.Take(assignment);
  if (!taken.ok()) {
    scheduler_.Return(assignment);
    closing_ = true;
    co_return;
  }
  if (message_.empty()) {
    Conclude(assignment, message_.date(),
             Unmailed(connection_.FromFailure(ReasonClass::kInternal, "the message could not be rendered")));
    co_return;
  }
  if (std::optional<Attempt> misfit = Misfit(); misfit.has_value()) {
    Conclude(assignment, message_.date(), *std::move(misfit));
    co_return;
  }
  const bool admitted = co_await scheduler_.Admit(assignment);
  if (!admitted) co_return;
  const bool ready = co_await ReadyToSend();
  if (!ready) {
    scheduler_.Return(assignment);
    co_return;
  }
  if (under_way_.empty()) {
    const std::optional<Connection::Answer> said = connection_.Unasked();
    if (said.has_value()) {
      OnUnasked(*said, assignment);
      co_return;
    }
  }
  if (!connection_.capabilities().pipelining && std::exchange(reset_due_, false)) {
    const bool reset = co_await Reset();
    if (!reset) {
      scheduler_.Return(assignment);
      co_return;
    }
  }
  if (!scheduler_.Confirm(assignment)) co_return;
  search_.tls_account().Carries(assignment.lane->domain);
  WriteGroup(assignment);
  ++carriage_.messages;
  under_way_.push_back({.assignment = assignment, .date = message_.date(), .depth = DepthOf(assignment)});
  if (connection_.capabilities().pipelining) {
    co_await SendGroup();
  } else {
    co_await SendOneByOne();
  }
  services_.spare_buffers.Give(std::exchange(group_.bytes, {}));
}

Task<bool> Session::Reset() {
  Paths::Stoppable waiting(scheduler_.paths(), co_await CurrentScope());
  const Connection::Answer answer =
      co_await connection_.Command(std::string(kReset), options_->smtp.reset_timeout).In(waiting.scope());
  if (answer.ok() && (*answer)->IsPositive()) co_return true;
  over_ = true;
  if (waiting.scope().ended()) co_return false;
  failure_ = answer.ok() ? connection_.FromReply(Phase::kReset, **answer, {})
                         : connection_.FromStatus(Phase::kReset, answer.status());
  co_return false;
}

// What has come answers what was sent before; what is still there when all of that is answered answers nothing.
Task<bool> Session::ReadyToSend() {
  while (!over_ && pipeline_.awaits_reply() && connection_.HasReply()) co_await TakeReply();
  co_return !over_ && !closing_;
}

void Session::WriteGroup(const Assignment& assignment) {
  const Capabilities& offered = connection_.capabilities();
  MailParameters parameters;
  if (offered.size) parameters.size = message_.bytes();
  parameters.eight_bit = message_.needed().eight_bit;
  parameters.smtp_utf8 = message_.needed().smtp_utf8;
  parameters.require_tls = path_.requirement.requiretls;
  const queue::Row& row = assignment.claim.row();
  sender_.clear();
  AppendEnvelopeSender(services_.store, *options_, assignment.lane->campaign->stream,
                       {.lane = assignment.lane->id, .row = row.id}, sender_);
  group_.bytes = services_.spare_buffers.Take();
  group_.commands.clear();
  // Behind a transaction whose end is not known yet, RSET makes this one mean the same however that ends.
  if (std::exchange(reset_due_, false) || !under_way_.empty()) {
    group_.bytes += kReset;
    group_.Close(Phase::kReset);
  }
  if (offered.dsn) parameters.envelope_id = TokenOfSender(sender_);
  AppendMailFrom(sender_, parameters, group_.bytes);
  group_.Close(Phase::kMail);
  AppendRcptTo(row.recipient, offered.dsn, group_.bytes);
  group_.Close(Phase::kRcpt);
  // What is rather held than sent twice waits for the store once its recipient is taken.
  if (offered.chunking && !scheduler_.HoldsInDoubt(assignment) && message_.IsWhole() &&
      message_.bytes() <= kChunkBytesMax) {
    const std::string_view chunk = message_.AsChunk();
    AppendBdatLast(chunk.size(), group_.bytes);
    group_.bytes += chunk;
    group_.Close(Phase::kContent);
    message_.Release();
  } else {
    group_.bytes += kData;
    group_.Close(Phase::kData);
  }
}

// RFC 2920, RFC 3030: all at once.
Task<void> Session::SendGroup() {
  const absl::Status sent = co_await connection_.Send(group_.bytes, options_->smtp.block_timeout);
  if (sent.ok()) {
    for (const Group::Command& command : group_.commands) pipeline_.Sent(command.phase);
    under_way_.back().complete = group_.commands.back().phase == Phase::kContent;
  } else if (under_way_.size() == 1) {
    Lose(group_.commands.front().phase, sent);
  } else {
    // The replies to what went before may have come all the same.
    scheduler_.Return(under_way_.back().assignment);
    under_way_.pop_back();
    closing_ = true;
  }
}

Task<void> Session::SendOneByOne() {
  size_t begin = 0;
  for (const Group::Command& command : group_.commands) {
    const std::optional<Connection::Answer> said = connection_.Unasked();
    if (said.has_value()) co_return Lose(command.phase, Connection::ErrorOf(*said));
    const std::string_view bytes = std::string_view(group_.bytes).substr(begin, command.end - begin);
    const absl::Status sent = co_await connection_.Send(bytes, options_->smtp.block_timeout);
    if (!sent.ok()) co_return Lose(command.phase, sent);
    begin = command.end;
    pipeline_.Sent(command.phase);
    under_way_.back().complete = command.phase == Phase::kContent;
    co_await TakeReply();
    if (under_way_.empty()) co_return;  // it was refused, or the connection was lost
  }
}

Task<void> Session::SendContent() {
  Transaction& transaction = under_way_.front();
  if (scheduler_.HoldsInDoubt(transaction.assignment)) {
    const absl::Status known = co_await WithDeadline(services_.ring, options_->smtp.data_timeout,
                                                     scheduler_.Intend(transaction.assignment, transaction.date));
    if (!known.ok()) {
      over_ = true;
      const Transaction unknown = TakeOldest();
      Conclude(unknown.assignment, unknown.date,
               connection_.FromFailure(ReasonClass::kInternal,
                                       "the queue could not record in time that the message is being sent"));
      co_return;
    }
  }
  const absl::Status sent = co_await WithDeadline(services_.ring, options_->smtp.session_max, WriteContent());
  if (!sent.ok()) co_return Lose(Phase::kContent, sent);
  message_.Release();
  pipeline_.Sent(Phase::kContent);
}

// What ends a message stands in its last piece: one that could not be read to its end is never taken for whole.
Task<absl::Status> Session::WriteContent() {
  std::optional<std::string> piece;
  std::string_view rest = message_.AsData();
  while (true) {
    while (!rest.empty()) {
      const std::optional<Connection::Answer> said = connection_.Unasked();
      if (said.has_value()) co_return Connection::ErrorOf(*said);
      const std::string_view block = rest.substr(0, kBlockBytes);
      // From here on at least a part of what ends the message may have left.
      under_way_.front().complete = block.size() == rest.size() && message_.OnLastPiece();
      const absl::Status sent = co_await connection_.Send(block, options_->smtp.block_timeout);
      if (!sent.ok()) co_return sent;
      rest.remove_prefix(block.size());
    }
    absl::StatusOr<std::optional<std::string>> next = co_await message_.NextPiece();
    if (!next.ok()) co_return next.status();
    if (!next->has_value()) co_return absl::OkStatus();
    piece = **std::move(next);
    rest = *piece;
  }
}

Task<void> Session::TakeReply() {
  const Phase phase = pipeline_.front();
  const Connection::Answer answer = co_await WithDeadline(services_.ring, LimitOf(phase), connection_.ReadReply());
  if (!answer.ok()) co_return Lose(phase, answer.status());
  if ((*answer)->code == 221) {  // the answer to QUIT, which is never sent while another is awaited
    co_return Lose(phase, absl::InvalidArgumentError("the server said goodbye (221) and was not asked to"));
  }
  if (!Believes(**answer)) {
    co_return Lose(phase, absl::InvalidArgumentError("the server replied to something else than it was asked"));
  }
  const Pipeline::Step step = pipeline_.OnReply(**answer);
  if (step.next == Pipeline::Step::Next::kMore) co_return;
  if (step.next == Pipeline::Step::Next::kContent) co_return co_await SendContent();
  if (step.next != Pipeline::Step::Next::kLoneDot) co_return Finish(step);
  const absl::Status sent = co_await connection_.Send(".\r\n", options_->smtp.block_timeout);
  if (!sent.ok()) co_return Lose(Phase::kContent, sent);
  pipeline_.Sent(Phase::kContent);
}

bool Session::Believes(const Reply& reply) {
  const bool fits = pipeline_.Fits(reply);
  if (telling_ == Telling::kYes) return fits || under_way_.front().depth == 1;
  if (!fits) telling_ = Telling::kNo;
  const bool taken = pipeline_.front() == Phase::kContent && reply.IsPositive();
  if (taken && telling_ == Telling::kUnknown) telling_ = Telling::kYes;
  return true;
}

absl::Duration Session::LimitOf(Phase phase) const {
  const SmtpOptions& limits = options_->smtp;
  switch (phase) {
    case Phase::kReset:
      return limits.reset_timeout;
    case Phase::kRcpt:
      return limits.rcpt_timeout;
    case Phase::kData:
      return limits.data_timeout;
    case Phase::kContent:
      return limits.final_dot_timeout;
    default:
      return limits.mail_timeout;
  }
}

// ---------------------------------------------------------------------------------------------------------------------
// Outcomes

Attempt Session::AttemptFrom(const Pipeline::Step& step, const Assignment& assignment) {
  const queue::Row& row = assignment.claim.row();
  Attempt attempt = connection_.FromReply(step.phase, *step.reply, row.recipient);
  if (attempt.verdict.action == Action::kBounce || (step.reply->IsPermanent() && IsAboutUs(attempt.verdict.about))) {
    std::string sender;
    AppendEnvelopeSender(services_.store, *options_, assignment.lane->campaign->stream,
                         {.lane = assignment.lane->id, .row = row.id}, sender);
    const SourceOptions* const source = options_->FindSource(path_.source_name);
    Parties parties{.recipient = row.recipient, .sender = sender, .hostname = source->hostname};
    const StreamOptions* const stream = options_->FindStream(assignment.lane->campaign->stream);
    if (stream != nullptr) parties.signed_for = stream->dkim;
    attempt.verdict = Reconsider(attempt.verdict, *step.reply, parties);
  }
  if (attempt.verdict.action != Action::kDeliver) {
    path_.site.Remember(
        services_.Now(), path_,
        fmt::format("{} ({})", queue::ReplyLine(attempt.code, attempt.enhanced, attempt.text), ToString(step.phase)));
  }
  return attempt;
}

void Session::Finish(const Pipeline::Step& step) {
  using Next = Pipeline::Step::Next;
  const Transaction transaction = TakeOldest();
  const bool before_anything = step.phase == Phase::kMail || step.phase == Phase::kReset;
  Attempt attempt = AttemptFrom(step, transaction.assignment);
  attempt.mailed = !before_anything;
  const bool bye = step.next == Next::kBye;
  reset_due_ = step.unfinished;
  over_ = bye || step.next == Next::kBroken || attempt.verdict.close;
  if (over_) failure_ = attempt;
  if (step.next == Next::kBroken) {
    failure_ = connection_.FromFailure(ReasonClass::kProtocol, "the server contradicts what it replied before");
  }
  // Whoever says 421 does nothing that was sent behind it: RFC 5321 3.8.
  if (bye) ReturnAll();
  if (step.reply->code == 421 && before_anything && answered_ > 0) {
    // The server had enough of us, not of the row.
    attempt.evidence = EvidenceFor(transaction.assignment.lane->campaign->stream);
    scheduler_.ReturnAndHear(transaction.assignment, attempt);
  } else {
    Conclude(transaction.assignment, transaction.date, attempt);
    if (!over_ && answered_++ == 0) scheduler_.paths().OnTaken(path_);
  }
  if (over_) Abandon(*failure_);
}

void Session::Lose(Phase phase, const absl::Status& status) {
  over_ = true;
  failure_ = connection_.FromStatus(phase, status);
  const std::optional<Pipeline::Step> refused = pipeline_.Cut();
  const Transaction transaction = TakeOldest();
  const bool before_anything = phase == Phase::kMail || phase == Phase::kReset;
  if (refused.has_value()) {
    Conclude(transaction.assignment, transaction.date, AttemptFrom(*refused, transaction.assignment));
  } else if (!transaction.complete && before_anything && answered_ > 0 && absl::IsUnavailable(status)) {
    // The server had closed an idle connection: that says nothing about this row.
    scheduler_.Return(transaction.assignment);
  } else {
    Attempt attempt = *failure_;
    attempt.unanswered = transaction.complete;
    attempt.in_doubt = transaction.complete && transaction.assignment.intended;
    Conclude(transaction.assignment, transaction.date, std::move(attempt));
  }
  Abandon(*failure_);
}

void Session::Abandon(const Attempt& reason) {
  for (const Transaction& transaction : under_way_) {
    if (!transaction.complete) continue;
    Attempt attempt = reason;
    attempt.verdict.action = Action::kDefer;
    attempt.unanswered = true;
    attempt.in_doubt = transaction.assignment.intended;
    Conclude(transaction.assignment, transaction.date, std::move(attempt));
  }
  std::erase_if(under_way_, [](const Transaction& transaction) { return transaction.complete; });
  ReturnAll();
}

// The newest first, so that they stand in their lanes as they did.
void Session::ReturnAll() {
  while (!under_way_.empty()) {
    const Transaction newest = std::move(under_way_.back());
    under_way_.pop_back();
    scheduler_.Return(newest.assignment);
  }
}

void Session::OnUnasked(const Connection::Answer& said, const Assignment& assignment) {
  over_ = true;
  failure_ = said.ok() && (*said)->code == 421 ? connection_.FromReply(Phase::kReset, **said, {})
                                               : connection_.FromStatus(Phase::kMail, Connection::ErrorOf(said));
  if (answered_ > 0) {
    scheduler_.Return(assignment);
  } else {
    Conclude(assignment, message_.date(), Unmailed(*failure_));
  }
}

Session::Transaction Session::TakeOldest() {
  Transaction oldest = std::move(under_way_.front());
  under_way_.erase(under_way_.begin());
  return oldest;
}

std::shared_ptr<const queue::Evidence> Session::EvidenceFor(const std::string& stream) {
  if (evidence_ == nullptr || evidence_->stream != stream) {
    auto evidence = std::make_shared<queue::Evidence>(connection_.evidence());
    evidence->stream = stream;
    evidence_ = std::move(evidence);
  }
  return evidence_;
}

void Session::Conclude(const Assignment& assignment, absl::Time date, Attempt attempt) {
  attempt.date = date;
  attempt.evidence = EvidenceFor(assignment.lane->campaign->stream);
  scheduler_.Conclude(assignment, attempt);
}

}  // namespace sealift::engine
