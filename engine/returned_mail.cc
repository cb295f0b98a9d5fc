#include "engine/returned_mail.h"

#include <absl/strings/numbers.h>
#include <fmt/format.h>

#include <algorithm>
#include <vector>

#include "engine/exit_code.h"
#include "engine/message_identity.h"
#include "engine/shaping/classification.h"
#include "engine/shaping/reply_subject.h"
#include "engine/smtp/mailbox.h"
#include "engine/smtp/redact.h"
#include "engine/smtp/reply.h"
#include "engine/smtp/utf8.h"

namespace sealift::engine {
namespace {

using Recipient = ReturnedReport::Recipient;

enum class DsnAction : uint8_t { kFailed, kDelayed, kOther };

// "5.1.1", nothing else.
std::optional<EnhancedCode> ParseStatus(std::string_view status) {
  std::string_view rest = status;
  std::optional<EnhancedCode> code = TakeEnhancedCode(rest);
  return rest.empty() ? code : std::nullopt;
}

// RFC 3464 2.3.3. A report that forgot it says it with its status.
DsnAction ActionOf(const Recipient& recipient) {
  if (recipient.action == "failed") return DsnAction::kFailed;
  if (recipient.action == "delayed") return DsnAction::kDelayed;
  if (!recipient.action.empty()) return DsnAction::kOther;
  const std::optional<EnhancedCode> status = ParseStatus(recipient.status);
  if (!status) return DsnAction::kOther;
  return status->cls == 5 ? DsnAction::kFailed : status->cls == 4 ? DsnAction::kDelayed : DsnAction::kOther;
}

bool SameMailbox(std::string_view address, const Mailbox& mailbox) {
  const absl::StatusOr<Mailbox> other = ParseMailbox(address);
  return other.ok() && other->domain == mailbox.domain && EqualsIgnoreCase(other->local, mailbox.local);
}

// What the report says of the mailbox that the message went to. Where it names several others, as the expansion of a
// list does, the best of them counts: the message arrived there.
struct Said {
  Recipient recipient;
  DsnAction action = DsnAction::kOther;
  bool ours = false;  // it names that mailbox
};

std::optional<Said> SaidOf(const ReturnedReport& report, std::string_view address) {
  const absl::StatusOr<Mailbox> mailbox = ParseMailbox(address);
  std::optional<Said> best;
  for (const Recipient& recipient : report.recipients) {
    const bool ours =
        mailbox.ok() && (SameMailbox(recipient.original, *mailbox) || SameMailbox(recipient.final, *mailbox));
    Said said{recipient, ActionOf(recipient), ours};
    if (ours) return said;
    if (!best || said.action > best->action) best = std::move(said);
  }
  return best;
}

// The reply that the other server heard or gave: "550 5.1.1 User unknown", or its status alone.
Reply ReplyOf(const Recipient& recipient) {
  Reply reply;
  std::string_view text = recipient.diagnostic;
  const bool coded = text.size() >= 3 && (text[0] == '4' || text[0] == '5') &&
                     std::ranges::all_of(text.substr(0, 3), [](char c) { return c >= '0' && c <= '9'; }) &&
                     (text.size() == 3 || text[3] == ' ' || text[3] == '-');
  const std::optional<EnhancedCode> status = ParseStatus(recipient.status);
  if (coded) {
    static_cast<void>(absl::SimpleAtoi(std::string(text.substr(0, 3)), &reply.code));
    text.remove_prefix(std::min<size_t>(text.size(), 4));
  } else {
    reply.code = status && status->cls == 4 ? 450 : 550;
  }
  std::string line(text);
  std::ranges::replace_if(line, [](char c) { return c < 0x20 || c > 0x7E; }, '?');
  std::string_view behind = line;
  reply.enhanced = TakeEnhancedCode(behind);
  if (!reply.enhanced) reply.enhanced = status;
  if (reply.enhanced && reply.enhanced->cls != reply.code / 100) reply.enhanced.reset();
  reply.lines = std::move(line);
  return reply;
}

// Whether anything that it says is temporary: then it says nothing of the mailbox.
bool IsLasting(const Reply& reply, const Recipient& recipient) {
  const std::optional<EnhancedCode> status = ParseStatus(recipient.status);
  return reply.IsPermanent() && (!status || status->cls == 5);
}

// How it was sent: by the attempt that a server took, or the last that spoke to one.
const queue::Event* SentBy(const queue::Trace& trace) {
  for (auto event = trace.events.rbegin(); event != trace.events.rend(); ++event) {
    if (event->kind == queue::OutcomeKind::kDelivered) return &*event;
  }
  for (auto event = trace.events.rbegin(); event != trace.events.rend(); ++event) {
    if (!event->evidence.mx.empty()) return &*event;
  }
  return nullptr;
}

bool IsComplaint(std::string_view feedback_type) {
  return feedback_type == "abuse" || feedback_type == "fraud" || feedback_type == "opt-out" ||
         feedback_type == "opt-out-list";
}

}  // namespace

absl::StatusOr<std::optional<ReturnedMail::Subject>> ReturnedMail::Find(const ReturnedReport& report) {
  std::optional<queue::MessageKey> message;
  for (const std::string& sender : report.senders) {
    // Others than an envelope sender may be the Message-ID of a finished message, or anything.
    if (sender.size() < 2 || (sender[0] != 'b' && sender[0] != 'B') || sender[1] != '+') continue;
    const absl::StatusOr<queue::MessageKey> named = ParseMessageName(store_, sender);
    if (named.ok()) message = *named;
    if (message) break;
  }
  if (!message && report.kind == ReturnedReport::Kind::kFeedback && !report.message_id.empty()) {
    const absl::StatusOr<queue::MessageKey> named = ParseMessageName(store_, report.message_id);
    if (named.ok()) message = *named;
  }
  if (!message) return std::nullopt;
  absl::StatusOr<queue::Campaign> campaign = store_.GetCampaign(message->lane.campaign);
  if (absl::IsNotFound(campaign.status())) return std::nullopt;
  if (!campaign.ok()) return WithExit(campaign.status(), ExitCode::kIo);
  absl::StatusOr<queue::Trace> trace = store_.TraceMessage(*message);
  if (!trace.ok()) return WithExit(trace.status(), ExitCode::kIo);
  if (SentBy(*trace) == nullptr) return std::nullopt;  // what was never sent cannot come back
  std::string recipient = trace->events.back().recipient;
  return Subject{*message, *std::move(campaign), *std::move(trace), std::move(recipient)};
}

absl::StatusOr<ReturnedMail::Result> ReturnedMail::Take(const ReturnedReport& report, const std::string& by,
                                                        const std::string& reason) {
  using Kind = ReturnedReport::Kind;
  if (report.kind != Kind::kDelivery && report.kind != Kind::kFeedback) return Result::kNothing;
  const std::lock_guard lock(mutex_);
  absl::StatusOr<std::optional<Subject>> subject = Find(report);
  if (!subject.ok()) return subject.status();
  if (!*subject) return Result::kUnknown;
  if (report.kind == Kind::kDelivery) return TakeDelivery(report, **subject);
  if (!IsComplaint(report.feedback_type)) return Result::kNothing;
  return TakeComplaint(**subject, report, by, reason);
}

absl::StatusOr<ReturnedMail::Result> ReturnedMail::TakeDelivery(const ReturnedReport& report, Subject& subject) {
  const std::optional<Said> said = SaidOf(report, subject.recipient);
  if (!said || said->action == DsnAction::kOther) return Result::kNothing;
  if (said->action == DsnAction::kDelayed) return Result::kDelayed;
  const std::shared_ptr<const Options> options = around_.options();
  const queue::Event& sent = *SentBy(subject.trace);
  const std::string host = sent.evidence.mx.substr(0, sent.evidence.mx.find_first_of(" ["));
  const std::string provider = host.empty() ? "other" : std::string(options->ProviderOf(host));
  const Reply reply = ReplyOf(said->recipient);
  // As the answer to RCPT: where it was given, nobody tells.
  std::string sender;
  AppendEnvelopeSender(store_, *options, sent.evidence.stream, subject.message, sender);
  const SourceOptions* const source = options->FindSource(sent.evidence.source);
  Parties parties{.recipient = subject.recipient,
                  .sender = sender,
                  .hostname = source != nullptr ? source->hostname : options->node.hostname};
  if (const StreamOptions* const stream = options->FindStream(sent.evidence.stream); stream != nullptr) {
    parties.signed_for = stream->dkim;
  }
  const Verdict verdict = Reconsider(Classify(Phase::kRcpt, reply), reply, parties);
  const Remedy remedy = IsLasting(reply, said->recipient) ? RemedyAt(provider, verdict) : Remedy::kNone;

  queue::Outcome outcome;
  outcome.kind = queue::OutcomeKind::kBounced;
  outcome.time = absl::Now();
  outcome.attempt = sent.attempt;
  outcome.reason_class = std::string(ToString(verdict.reason_class));
  outcome.rule = std::string(verdict.rule);
  outcome.code = reply.code;
  if (reply.enhanced) outcome.enhanced = reply.enhanced->ToString();
  outcome.reply = RedactReply(reply.Text(), subject.recipient);
  outcome.evidence = std::make_shared<const queue::Evidence>(
      queue::Evidence{.stream = sent.evidence.stream, .source = sent.evidence.source, .mx = sent.evidence.mx});
  outcome.bad_mailbox = remedy == Remedy::kSuppress || remedy == Remedy::kSuppressAgain;
  const bool of_many = outcome.bad_mailbox && !host.empty() && around_.doubts(host);
  outcome.doubtful = outcome.bad_mailbox && (remedy == Remedy::kSuppressAgain || !said->ours || of_many);
  outcome.sink = subject.campaign.spec.mode == "sink";
  outcome.provider = provider;
  const Bounce bounce{.stream = subject.campaign.spec.stream,
                      .campaign = subject.campaign.spec.name,
                      .source = sent.evidence.source,
                      .provider = provider,
                      .reason_class = outcome.reason_class,
                      .bad_mailbox = outcome.bad_mailbox};
  const absl::StatusOr<queue::LateBounce> settled = store_.SettleLateBounce(subject.message, std::move(outcome));
  if (!settled.ok()) return WithExit(settled.status(), ExitCode::kIo);
  if (*settled == queue::LateBounce::kKnown) return Result::kKnown;
  if (*settled == queue::LateBounce::kUnknown) return Result::kUnknown;
  if (subject.trace.row && !subject.trace.row->parked) around_.reread(subject.campaign.id);
  if (bounce.bad_mailbox) around_.heard();
  around_.bounced(bounce);
  return Result::kBounce;
}

absl::StatusOr<ReturnedMail::Result> ReturnedMail::TakeComplaint(const Subject& subject, const ReturnedReport& report,
                                                                 const std::string& by, const std::string& reason) {
  const std::string evidence = fmt::format("feedback report ({}) of message {} of campaign {}", report.feedback_type,
                                           store_.EncodeMessageId(subject.message), subject.campaign.spec.name);
  const absl::StatusOr<std::optional<queue::SuppressionRecord>> record = store_.FindSuppressions(subject.recipient);
  if (!record.ok()) return WithExit(record.status(), ExitCode::kIo);
  if (*record && std::ranges::any_of((*record)->history, [&](const queue::SuppressionEntry& entry) {
        return entry.added && entry.what.kind == queue::SuppressionKind::kComplaint && entry.reply == evidence;
      })) {
    return Result::kKnown;
  }
  const queue::Event& sent = *SentBy(subject.trace);
  const std::string host = sent.evidence.mx.substr(0, sent.evidence.mx.find_first_of(" ["));
  queue::SuppressionEntry entry;
  entry.what.kind = queue::SuppressionKind::kComplaint;
  entry.what.sink = subject.campaign.spec.mode == "sink";
  entry.time = absl::Now();
  entry.reason = reason;
  entry.by = by;
  entry.source = sent.evidence.source;
  entry.provider = host.empty() ? "" : std::string(around_.options()->ProviderOf(host));
  entry.reply = evidence;
  const absl::StatusOr<uint64_t> changed = store_.ChangeSuppressions({{subject.recipient, std::move(entry)}}, true);
  if (!changed.ok()) return WithExit(changed.status(), ExitCode::kIo);
  if (*changed == 0) return Result::kKnown;
  around_.heard();
  return Result::kComplaint;
}

}  // namespace sealift::engine
