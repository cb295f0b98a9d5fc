#include "engine/restoration.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

#include "engine/exit_code.h"
#include "engine/smtp/mailbox.h"
#include "queue/event_block.h"

namespace sealift::engine {
namespace {

using nlohmann::json;

constexpr size_t kLineBytesMax = 256 << 10;
constexpr size_t kEventsACommit = 500;
constexpr size_t kDoubtsMax = 16'384;
constexpr size_t kReleasedMax = 262'144;

std::string Text(const json& event, const char* member) {
  const auto found = event.find(member);
  return found != event.end() && found->is_string() ? found->get<std::string>() : std::string();
}

int Number(const json& event, const char* member) {
  const auto found = event.find(member);
  return found != event.end() && found->is_number_integer() ? found->get<int>() : 0;
}

std::optional<queue::OutcomeKind> ParseKind(std::string_view text) {
  using queue::OutcomeKind;
  for (const OutcomeKind kind : {OutcomeKind::kDelivered, OutcomeKind::kDeferred, OutcomeKind::kBounced,
                                 OutcomeKind::kExpired, OutcomeKind::kSuppressed, OutcomeKind::kCancelled}) {
    if (queue::ToString(kind) == text) return kind;
  }
  return std::nullopt;
}

std::string Day(absl::Time time) { return absl::FormatTime("%Y-%m-%dT%H:%M:%SZ", time, absl::UTCTimeZone()); }

// Whose domain an event tells, masked or not; none where it tells none.
std::optional<std::string> DomainOf(std::string_view recipient) {
  const size_t at = recipient.rfind('@');
  if (at == std::string_view::npos) return std::nullopt;
  const absl::StatusOr<Mailbox> mailbox = ParseMailbox(fmt::format("x{}", recipient.substr(at)));
  return mailbox.ok() ? std::optional(mailbox->domain) : std::nullopt;
}

queue::EventCursor CursorOf(const queue::Event& event) {
  return queue::EventCursor::Parse(event.cursor).value_or(queue::EventCursor());
}

bool IsNewer(const queue::Event& event, const queue::Event& than) {
  return std::pair(CursorOf(event), event.time) > std::pair(CursorOf(than), than.time);
}

absl::Status BadLine(uint64_t line, std::string_view why) {
  return WithExit(
      absl::InvalidArgumentError(fmt::format(
          "line {} of the events {}. Nothing is released; but for a dry run, what stands before that line was taken "
          "over. Give what `sealift -o ndjson events` printed on the node that was lost",
          line, why)),
      ExitCode::kBadData);
}

}  // namespace

absl::Status Restoration::MaySend() const {
  const std::optional<queue::Restored> restored = pending();
  if (!restored) return absl::OkStatus();
  return WithExit(
      absl::FailedPreconditionError(fmt::format(
          "this node was restored at {} from a backup of {}: what is queued may have been sent since, so every row is "
          "in "
          "doubt and nothing is sent. `sealift backup reconcile --events FILE --suppressions FILE` takes over what "
          "happened since; `sealift queue release --state in_doubt --reason TEXT` sends all of it",
          Day(restored->at), Day(restored->taken))),
      ExitCode::kDenied);
}

absl::Status Restoration::Release() {
  const std::lock_guard lock(mutex_);
  if (!pending()) return absl::OkStatus();
  if (absl::Status released = store_.Release(); !released.ok()) return WithExit(released, ExitCode::kIo);
  return go_on_();
}

absl::Status Reconciliation::Feed(std::string_view bytes) {
  while (!bytes.empty()) {
    const size_t end = bytes.find('\n');
    rest_.append(bytes.substr(0, end));
    if (rest_.size() > kLineBytesMax) return BadLine(line_ + 1, "is too long");
    if (end == std::string_view::npos) break;
    bytes.remove_prefix(end + 1);
    if (absl::Status taken = Take(std::exchange(rest_, {})); !taken.ok()) return taken;
  }
  return absl::OkStatus();
}

absl::Status Reconciliation::Take(std::string_view line) {
  ++line_;
  if (line.ends_with('\r')) line.remove_suffix(1);
  if (line.empty()) return absl::OkStatus();  // a heartbeat of `--follow`
  const json parsed = json::parse(line, nullptr, /*allow_exceptions=*/false);
  if (!parsed.is_object()) return BadLine(line_, "is no event: it is no JSON object");
  if (parsed.contains("error")) return BadLine(line_, "says that the export ended early");
  queue::Event event;
  const std::optional<queue::OutcomeKind> kind = ParseKind(Text(parsed, "outcome"));
  if (!kind) return BadLine(line_, "is no event: it has no outcome");
  event.kind = *kind;
  const std::string id = Text(parsed, "id");
  const std::optional<queue::MessageKey> message = restoration_.store_.DecodeMessageId(id.substr(0, id.find('@')));
  if (!message) return BadLine(line_, "is of another node: its id says nothing to this one's key");
  event.message = *message;
  // Any id says something to any key, but only ours says the destination that the line names.
  const std::string recipient = Text(parsed, "recipient");
  if (const std::optional<std::string> domain = DomainOf(recipient);
      domain.has_value() && restoration_.store_.DestinationOf(*domain) != message->lane.destination) {
    return BadLine(line_, "is of another node: its id does not fit its recipient under this one's key");
  }
  event.cursor = Text(parsed, "cursor");
  std::string error;
  if (!absl::ParseTime(absl::RFC3339_full, Text(parsed, "time"), &event.time, &error)) {
    return BadLine(line_, "has no time");
  }
  event.time = std::min(event.time, absl::Now());  // the clock there may have run ahead
  event.attempt = static_cast<uint16_t>(std::clamp(Number(parsed, "attempt"), 0, 65'535));
  event.code = Number(parsed, "code");
  event.reason_class = Text(parsed, "class");
  event.rule = Text(parsed, "rule");
  event.enhanced = Text(parsed, "enhanced");
  event.reply = Text(parsed, "reply");
  event.key = Text(parsed, "key");
  event.evidence = {.stream = Text(parsed, "stream"),
                    .source = Text(parsed, "source"),
                    .mx = Text(parsed, "mx"),
                    .tls_version = Text(parsed, "tls"),
                    .cipher = Text(parsed, "cipher"),
                    .verified_name = Text(parsed, "verified"),
                    .policy = Text(parsed, "policy")};
  // A row without a key of its own is called by its number, which says nothing that the row does not.
  if (event.key == fmt::format("{}", static_cast<uint32_t>(message->row))) event.key.clear();
  ++summary_.events;
  summary_.newest = std::max(summary_.newest, event.time);
  if (event.kind == queue::OutcomeKind::kDeferred) ++summary_.deferred;
  names_.try_emplace(message->lane.campaign, Text(parsed, "campaign"), event.evidence.stream);
  if (const std::optional<queue::EventCursor> cursor = queue::EventCursor::Parse(event.cursor); cursor.has_value()) {
    const std::string before = Text(parsed, "after");
    const std::optional<queue::EventCursor> after = queue::EventCursor::Parse(before);
    const queue::EventCursor nothing_known{cursor->sequence, cursor->index - std::min<uint64_t>(cursor->index, 1)};
    const bool fresh = chain_.Add(!before.empty() && after.has_value() ? *after : nothing_known, *cursor);
    // What settles nothing cannot see that a line has settled its row before.
    if (dry_run_ && !fresh) {
      if (event.kind != queue::OutcomeKind::kDeferred) ++summary_.known;
      return absl::OkStatus();
    }
  }
  if (event.of_campaign()) {
    // What the backup has is older than what became of the campaign there.
    const std::optional<queue::EventCursor> cursor = queue::EventCursor::Parse(event.cursor);
    const std::optional<queue::Restored> restored = restoration_.pending();
    if (cursor.has_value() && restored.has_value() && cursor->sequence <= restored->sequence) return absl::OkStatus();
    cancelled_[message->lane.campaign] |= event.reason_class == queue::kCampaignErased;
    return absl::OkStatus();
  }
  // Who has a cap on what he is sent, has it for what he was sent there; a masked address names nobody.
  if (recipient.find("***@") == std::string::npos) event.recipient = recipient;
  if (event.recipient.empty()) ++summary_.masked;
  if (event.kind == queue::OutcomeKind::kDeferred) return TakeDeferral(std::move(event));
  if (const auto doubt = doubts_.find(event.message); doubt != doubts_.end() && IsNewer(event, doubt->second)) {
    doubts_.erase(doubt);
  }
  events_.push_back(std::move(event));
  return events_.size() < kEventsACommit ? absl::OkStatus() : Commit();
}

// A row leaves its doubt by an outcome, or by an operator's word; then it may be tried again.
absl::Status Reconciliation::TakeDeferral(queue::Event event) {
  const auto doubt = doubts_.find(event.message);
  const bool newer = doubt == doubts_.end() || IsNewer(event, doubt->second);
  if (event.reason_class != queue::kInDoubtClass) {
    if (doubt != doubts_.end() && newer) doubts_.erase(doubt);
    if (event.reason_class == "operator" && (released_.size() < kReleasedMax || released_.contains(event.message))) {
      queue::EventCursor& released = released_[event.message];
      released = std::max(released, CursorOf(event));
    }
    return absl::OkStatus();
  }
  const auto released = released_.find(event.message);
  if (!newer || (released != released_.end() && released->second > CursorOf(event))) return absl::OkStatus();
  doubts_.insert_or_assign(event.message, std::move(event));
  return doubts_.size() < kDoubtsMax ? absl::OkStatus() : CommitDoubts();
}

absl::Status Reconciliation::CommitDoubts() {
  for (auto& [message, event] : std::exchange(doubts_, {})) {
    events_.push_back(std::move(event));
    if (events_.size() < kEventsACommit) continue;
    if (absl::Status committed = Commit(); !committed.ok()) return committed;
  }
  return Commit();
}

absl::Status Reconciliation::Commit() {
  std::set<queue::CampaignId> campaigns;
  for (const queue::Event& event : events_) campaigns.insert(event.message.lane.campaign);
  for (const queue::CampaignId campaign : campaigns) {
    if (dry_run_) break;
    if (absl::Status adopted = Adopt(campaign); !adopted.ok()) return adopted;
  }
  const absl::StatusOr<queue::Reconciled> settled = restoration_.store_.SettleElsewhere(events_, dry_run_);
  events_.clear();
  if (!settled.ok()) return settled.status();
  summary_.settled += settled->settled;
  summary_.known += settled->known;
  summary_.lacking += settled->lacking;
  summary_.foreign += settled->foreign;
  lacking_of_.insert(settled->lacking_of.begin(), settled->lacking_of.end());
  foreign_of_.insert(settled->foreign_of.begin(), settled->foreign_of.end());
  for (const auto& [campaign, rows] : settled->dequeued_of) dequeued_[campaign] += rows;
  for (const auto& [campaign, rows] : settled->held_of) {
    summary_.held += rows;
    held_[campaign] += rows;
  }
  return absl::OkStatus();
}

absl::Status Reconciliation::EndLoad(queue::CampaignId campaign) {
  const absl::StatusOr<queue::Campaign> found = restoration_.store_.GetCampaign(campaign);
  if (!found.ok()) return found.status();
  summary_.ended.push_back(found->spec.name);
  if (dry_run_ || found->load_complete || found->state == queue::CampaignState::kCancelled) return absl::OkStatus();
  const absl::StatusOr<std::unique_ptr<queue::Load>> load =
      restoration_.store_.BeginLoad(campaign, absl::Now(), /*transactional=*/false);
  if (!load.ok()) return load.status();
  // With a digest that no input has: the file that it was made of is refused as another one.
  return (*load)->Commit((*load)->offset(), "ended by a reconciliation", /*complete=*/true);
}

absl::Status Reconciliation::Adopt(queue::CampaignId campaign) {
  const auto& [name, stream] = names_.at(campaign);
  if (name.empty()) return absl::OkStatus();
  if (const absl::Status there = restoration_.store_.GetCampaign(campaign).status(); !absl::IsNotFound(there)) {
    return there;
  }
  const absl::Status taken = restoration_.store_.FindCampaign(name).status();
  if (!taken.ok() && !absl::IsNotFound(taken)) return taken;
  if (!taken.ok()) summary_.taken.push_back(name);
  if (dry_run_) return absl::OkStatus();
  // Another has the name here, which was free there once its retention was over.
  const std::string free_name = taken.ok() ? fmt::format("{:.55}-{:08x}", name, static_cast<uint32_t>(campaign)) : name;
  queue::CampaignSpec spec{.name = free_name, .stream = stream, .mode = restoration_.mode_, .settings_json = "{}"};
  return restoration_.store_.AdoptCampaign(campaign, std::move(spec), absl::Now()).status();
}

absl::Status Reconciliation::Cancel(queue::CampaignId campaign, bool erase) {
  const absl::StatusOr<queue::Campaign> found = restoration_.store_.GetCampaign(campaign);
  if (absl::IsNotFound(found.status())) {
    foreign_of_.insert(campaign);
    return absl::OkStatus();
  }
  if (!found.ok()) return found.status();
  if (found->state == queue::CampaignState::kCancelled && (found->erased || !erase)) return absl::OkStatus();
  summary_.cancelled.push_back(found->spec.name);
  return dry_run_ ? absl::OkStatus() : restoration_.store_.Cancel(campaign, erase, absl::Now()).status();
}

// A file that was exported before the backup was taken, or by a daemon that was not there, has no gap either.
absl::Status Reconciliation::CheckReach(uint64_t backup) const {
  const std::string newest = chain_.newest().has_value() ? chain_.newest()->ToString() : std::string();
  bool reaches = !newest.empty();
  if (reaches && chain_.newest()->sequence <= backup) {
    const absl::StatusOr<queue::EventsPage> next = restoration_.store_.ReadEvents(newest, 1, {});
    if (!next.ok()) return next.status();
    const std::optional<queue::EventCursor> behind =
        next->events.empty() ? std::nullopt : queue::EventCursor::Parse(next->events.front().cursor);
    reaches = !behind.has_value() || behind->sequence > backup;
  }
  if (reaches) return absl::OkStatus();
  return WithExit(
      absl::InvalidArgumentError(fmt::format(
          "the file of events {}: what was sent since the backup would be sent again. Nothing is released. Give all "
          "that `sealift -o ndjson events` printed on the node that was lost. Where that is lost for good, or nothing "
          "was sent, --incomplete --reason TEXT goes on without it",
          newest.empty() ? "has none" : fmt::format("ends at the cursor {}, before the backup was taken", newest))),
      ExitCode::kBadData);
}

absl::Status Reconciliation::CheckWhole() const {
  const std::optional<queue::Restored> restored = restoration_.pending();
  if (incomplete_ || !restored) return absl::OkStatus();
  if (absl::Status reaches = CheckReach(restored->sequence); !reaches.ok()) return reaches;
  const auto gap = chain_.Gap(restored->sequence);
  if (!gap) return absl::OkStatus();
  return WithExit(
      absl::InvalidArgumentError(fmt::format(
          "events are missing between the cursors {} and {}: what was sent then would be sent again. "
          "Nothing is released; but for a dry run, what the file has was taken over. Give all that `sealift -o ndjson "
          "events` printed since the backup, unfiltered (several files may be joined in any order). Where "
          "it is lost for good, --incomplete --reason TEXT goes on without it",
          gap->first.ToString(), gap->second.ToString())),
      ExitCode::kBadData);
}

absl::Status Reconciliation::CountLeft() {
  const absl::StatusOr<std::vector<queue::Campaign>> campaigns = restoration_.store_.ListCampaigns();
  if (!campaigns.ok()) return campaigns.status();
  for (const queue::Campaign& campaign : *campaigns) {
    if (dry_run_ && cancelled_.contains(campaign.id)) continue;
    // What is in doubt waits for an operator.
    uint64_t rows = campaign.counters.queued() - campaign.counters.in_doubt;
    for (const auto* gone : {&dequeued_, &held_}) {
      if (const auto some = gone->find(campaign.id); dry_run_ && some != gone->end()) {
        rows -= std::min(rows, some->second);
      }
    }
    summary_.left += rows;
    if (campaign.state == queue::CampaignState::kRunning && rows > 0) summary_.running.push_back(campaign.spec.name);
  }
  return absl::OkStatus();
}

absl::StatusOr<Reconciliation::Summary> Reconciliation::Finish() {
  if (!rest_.empty()) return BadLine(line_ + 1, "is cut short");
  if (absl::Status committed = Commit(); !committed.ok()) return committed;
  if (absl::Status whole = CheckWhole(); !whole.ok()) return whole;
  if (absl::Status committed = CommitDoubts(); !committed.ok()) return committed;
  for (const queue::CampaignId campaign : lacking_of_) {
    if (absl::Status ended = EndLoad(campaign); !ended.ok()) return ended;
  }
  for (const auto& [campaign, erase] : cancelled_) {
    if (absl::Status cancelled = Cancel(campaign, erase); !cancelled.ok()) return cancelled;
  }
  for (const queue::CampaignId campaign : foreign_of_) {
    if (absl::Status adopted = Adopt(campaign); !adopted.ok()) return adopted;
  }
  if (absl::Status counted = CountLeft(); !counted.ok()) return counted;
  return summary_;
}

}  // namespace sealift::engine
