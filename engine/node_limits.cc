// What limits our sending and outlives a restart: what replies have put on it, and where sources stand in their
// warm-up.
#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <string>
#include <utility>
#include <vector>

#include "engine/exit_code.h"
#include "engine/log.h"
#include "engine/node_impl.h"
#include "engine/providers.h"

namespace sealift::engine {
namespace {

constexpr size_t kNotesMax = 262'144;                  // of a kind
constexpr const char* const kDefaultPlan = "default";  // in a source's warm-up

}  // namespace

absl::Status NodeImpl::RecallLimits(absl::Time now) {
  ledger_ = std::make_unique<LimitLedger>(*store_, limits_);
  if (absl::Status opened = ledger_->Open(now); !opened.ok()) return opened;
  const absl::StatusOr<std::vector<queue::Note>> restraints = store_->ReadNotes(queue::NoteKind::kRestraint, kNotesMax);
  if (!restraints.ok()) return restraints.status();
  for (const queue::Note& note : *restraints) restraints_.Recall(note.name, note.value, now);
  warmups_ = std::make_unique<Warmups>(limits_, metrics_, std::string(Campaigns::ModeName(options_->delivery)));
  const absl::StatusOr<std::vector<queue::Note>> warmups = store_->ReadNotes(queue::NoteKind::kWarmup, kNotesMax);
  if (!warmups.ok()) return warmups.status();
  for (const queue::Note& note : *warmups) warmups_->Recall(note.name, note.value);
  if (store_->restored().has_value()) warmups_->SupposeUsed(now);
  return absl::OkStatus();
}

void NodeImpl::NoteLimits(absl::Time now) {
  // What is granted is what the same call has written.
  const std::lock_guard lock(noting_limits_);
  if (warmups_->TakeTurns()) AskShards([](Scheduler& scheduler) { scheduler.Reconfigure(); });
  if (!store_->writable()) return;
  std::vector<queue::Note> notes = restraints_.TakeChanged();
  std::ranges::move(warmups_->Tick(now, restraints_.SlowedSources()), std::back_inserter(notes));
  if (PutLimits(std::move(notes))) return warmups_->Granted();
  warmups_->Refused();
  restraints_.Refused();
}

void NodeImpl::CloseLimits() {
  if (warmups_ == nullptr || !store_->writable()) return;
  std::vector<queue::Note> notes = restraints_.TakeChanged();
  std::ranges::move(warmups_->Close(absl::Now()), std::back_inserter(notes));
  PutLimits(std::move(notes));
}

bool NodeImpl::PutLimits(std::vector<queue::Note> notes) {
  const absl::Status put = notes.empty() ? absl::OkStatus() : store_->PutNotes(std::move(notes));
  if (!put.ok()) LogError("what limits sending could not be written down", {{"why", put}});
  return put.ok();
}

absl::StatusOr<std::vector<WarmupStatus>> NodeImpl::ShowWarmup(const std::string& source) {
  const std::shared_ptr<const Options> options = this->options();
  const SourceOptions* const configured = options->FindSource(source);
  if (configured == nullptr) {
    return WithExit(absl::NotFoundError(fmt::format(
                        "the configuration has no source '{}'; `sealift source list` shows those it has", source)),
                    ExitCode::kNoInput);
  }
  std::vector<WarmupStatus> list;
  for (const Warmups::Status& status : warmups_->List()) {
    if (status.source != source) continue;
    list.push_back({.source = status.source,
                    .provider = status.judge,
                    .date = status.standing.day == 0 ? "" : absl::FormatCivilTime(status.standing.date),
                    .day = status.standing.day,
                    .days = static_cast<int>(status.plan.per_day.size()),
                    .quota = status.quota,
                    .sent = status.standing.sent,
                    .slowed = status.standing.slowed,
                    .frozen = status.standing.frozen,
                    .over = status.over,
                    .starts = configured->warmup.start,
                    .tz = configured->warmup.tz,
                    .then = configured->warmup.then,
                    .overflow = configured->warmup.overflow,
                    .set_by = status.origin});
  }
  // Where whoever is not named and has not been sent to will begin.
  const WarmupOptions& plan = configured->warmup;
  if (const auto others = plan.per_day.find(kDefaultPlan); !plan.start.empty() && others != plan.per_day.end()) {
    list.push_back({.source = source,
                    .provider = others->first,
                    .days = static_cast<int>(others->second.size()),
                    .starts = plan.start,
                    .tz = plan.tz,
                    .then = plan.then,
                    .overflow = plan.overflow,
                    .set_by = options->WhereSet(fmt::format("source[{}].warmup", source))});
  }
  return list;
}

absl::StatusOr<std::vector<WarmupStatus>> NodeImpl::SetWarmup(const std::string& source, const WarmupOrder& order) {
  const absl::Time now = absl::Now();
  if (!order.provider.empty()) {
    // A plan's `default` takes any name: one that is mistyped would have a warm-up that nobody uses.
    const absl::StatusOr<std::vector<WarmupStatus>> known = ShowWarmup(source);
    if (!known.ok()) return known.status();
    const std::vector<std::string_view> names = ProviderNames(*options());
    if (order.provider == kDefaultPlan) {
      return WithExit(
          absl::InvalidArgumentError(
              "`default` is the plan of each provider or site that is not named, and stands nowhere itself: "
              "name one of them, or none to mean all of the source"),
          ExitCode::kUsage);
    }
    if (std::ranges::find(names, order.provider) == names.end() &&
        std::ranges::find(*known, order.provider, &WarmupStatus::provider) == known->end()) {
      return WithExit(
          absl::NotFoundError(fmt::format(
              "there is no provider '{}', and source '{}' has not sent to a site of that name; see `sealift "
              "source warmup {}`",
              order.provider, source, source)),
          ExitCode::kNoInput);
    }
  }
  const absl::StatusOr<int> applied = warmups_->Apply(
      source, order.provider, {.day = order.day, .freeze = order.freeze, .by = order.by, .reason = order.reason}, now);
  if (!applied.ok()) return WithExit(applied.status(), ExitCode::kNoInput);
  NoteLimits(now);
  return ShowWarmup(source);
}

}  // namespace sealift::engine
