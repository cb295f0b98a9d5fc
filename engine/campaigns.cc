#include "engine/campaigns.h"

#include <fmt/format.h>

#include <atomic>
#include <chrono>
#include <future>
#include <utility>

#include "engine/campaign_settings.h"
#include "engine/exit_code.h"
#include "engine/log.h"

namespace sealift::engine {

using queue::Campaign;
using queue::CampaignState;

namespace {

constexpr size_t kCausesMax = 1 << 20;
constexpr absl::Duration kStartAgain = absl::Minutes(1);  // after a start at its time that failed

// When it starts, if nobody calls that off.
std::optional<absl::Time> StartsByItself(const Campaign& campaign) {
  if (campaign.state != CampaignState::kReady) return std::nullopt;
  const absl::StatusOr<CampaignSettings> settings = CampaignSettings::Parse(campaign.spec.settings_json);
  return settings.ok() ? settings->start_at : std::nullopt;
}

}  // namespace

absl::StatusOr<Template> CompileTemplate(const queue::CampaignSpec& spec) {
  const absl::StatusOr<CampaignSettings> settings = CampaignSettings::Parse(spec.settings_json);
  if (!settings.ok()) return settings.status();
  return Template::Compile(spec.template_text,
                           {.columns = spec.columns, .defaults = spec.defaults, .names = settings->names});
}

Campaigns::Campaigns(queue::Store& store, const std::vector<std::unique_ptr<Shard>>& shards, Delivery delivery,
                     Surroundings surroundings)
    : store_(store), shards_(shards), delivery_(delivery), surroundings_(std::move(surroundings)) {}

absl::StatusOr<Campaign> Campaigns::Find(std::string_view name) {
  absl::StatusOr<Campaign> campaign = store_.FindCampaign(name);
  if (absl::IsNotFound(campaign.status())) {
    return WithExit(absl::NotFoundError(
                        fmt::format("there is no campaign '{}'; `sealift campaign list` shows those there are", name)),
                    ExitCode::kNoInput);
  }
  return campaign;
}

absl::Status Campaigns::Recover() {
  const std::lock_guard lock(decision_);
  const absl::StatusOr<std::vector<queue::Note>> notes = store_.ReadNotes(queue::NoteKind::kPause, kCausesMax);
  if (!notes.ok()) return notes.status();
  for (const queue::Note& note : *notes) {
    std::optional<PauseHistory> pauses = PauseHistory::Parse(note.value);
    const std::lock_guard known(mutex_);
    if (pauses.has_value()) pauses_.insert_or_assign(note.name, *std::move(pauses));
  }
  const absl::StatusOr<std::vector<Campaign>> campaigns = store_.ListCampaigns();
  if (!campaigns.ok()) return campaigns.status();
  for (const Campaign& listed : *campaigns) {
    const std::optional<PauseCause> cause = PausesOf(listed.spec.name).cause();
    if (!cause.has_value() || !cause->Cancels()) continue;
    const bool erase = cause->by == PauseCause::kErasure;
    if (listed.state != CampaignState::kPaused &&
        !(erase && listed.state == CampaignState::kCancelled && !listed.erased)) {
      continue;
    }
    std::promise<void> returned;  // nothing is being sent yet
    returned.set_value();
    const std::lock_guard known(mutex_);
    cancelling_.emplace(listed.id, Cancelling{erase, returned.get_future().share()});
  }
  for (const Campaign& listed : *campaigns) {
    if (listed.state != CampaignState::kReady) continue;
    const absl::StatusOr<Campaign> campaign = store_.GetCampaign(listed.id);
    if (!campaign.ok()) return campaign.status();
    Schedule(*campaign);
  }
  if (const absl::Status may = surroundings_.may_send(); !may.ok()) {
    LogWarning("nothing is sent", {{"why", may}});
    return absl::OkStatus();
  }
  std::vector<std::shared_ptr<ActiveCampaign>> running;
  for (const Campaign& listed : *campaigns) {
    if (listed.state != CampaignState::kRunning || listed.counters.queued() == 0) continue;
    if (listed.spec.mode != ModeName(delivery_)) {
      LogWarning("a campaign is not sent: it was loaded under the other delivery mode",
                 {{"campaign", listed.spec.name}, {"loaded_under", listed.spec.mode}});
      continue;
    }
    const absl::StatusOr<Campaign> campaign = store_.GetCampaign(listed.id);
    if (!campaign.ok()) return campaign.status();
    absl::StatusOr<std::shared_ptr<ActiveCampaign>> active = Prepare(*campaign);
    if (!active.ok()) return active.status();
    running.push_back(*std::move(active));
  }
  for (const std::shared_ptr<ActiveCampaign>& active : running) Send(active);
  return absl::OkStatus();
}

absl::Status Campaigns::CheckMode(const Campaign& campaign) const {
  if (campaign.spec.mode == ModeName(delivery_)) return absl::OkStatus();
  return WithExit(
      absl::FailedPreconditionError(fmt::format(
          "campaign '{}' was loaded under delivery = \"{}\" and this node runs under \"{}\": it is never sent under "
          "another mode than it was loaded for; load it again under another name",
          campaign.spec.name, campaign.spec.mode, ModeName(delivery_))),
      ExitCode::kDenied);
}

absl::Status Campaigns::Activate(const Campaign& campaign) {
  const absl::StatusOr<std::shared_ptr<ActiveCampaign>> active = Prepare(campaign);
  if (!active.ok()) return active.status();
  Send(*active);
  return absl::OkStatus();
}

absl::StatusOr<std::shared_ptr<ActiveCampaign>> Campaigns::Prepare(const Campaign& campaign) {
  std::optional<Template> content;
  if (!campaign.spec.finished) {
    absl::StatusOr<Template> compiled = CompileTemplate(campaign.spec);
    if (!compiled.ok()) return compiled.status();
    content = *std::move(compiled);
  }
  const absl::StatusOr<CampaignSettings> settings = CampaignSettings::Parse(campaign.spec.settings_json);
  if (!settings.ok()) return settings.status();
  const std::lock_guard lock(mutex_);
  std::shared_ptr<ActiveCampaign>& entry = active_[campaign.id];
  if (entry == nullptr) {
    entry = std::make_shared<ActiveCampaign>(
        campaign.id, campaign.spec.name, campaign.spec.stream, campaign.started, settings->limits, std::move(content),
        settings->KeyField(campaign.spec.columns), settings->tls_report, settings->weight);
  }
  return entry;
}

void Campaigns::Send(const std::shared_ptr<ActiveCampaign>& active) {
  active->sending = true;
  for (const std::unique_ptr<Shard>& shard : shards_) {
    shard->Tell([active](Scheduler& scheduler) { scheduler.Run(active); });
  }
}

void Campaigns::Deactivate(queue::CampaignId id, std::function<void()> done) {
  std::shared_ptr<ActiveCampaign> active = Active(id);
  if (active == nullptr) return done();
  active->sending = false;
  auto left = std::make_shared<std::atomic<size_t>>(shards_.size());
  auto shared_done = std::make_shared<std::function<void()>>(std::move(done));
  for (const std::unique_ptr<Shard>& shard : shards_) {
    shard->Ask([&](Scheduler& scheduler) {
      scheduler.Stop(id, [left, shared_done] {
        if (left->fetch_sub(1) == 1) (*shared_done)();
      });
    });
  }
}

std::shared_ptr<ActiveCampaign> Campaigns::Active(queue::CampaignId id) const {
  const std::lock_guard lock(mutex_);
  const auto found = active_.find(id);
  return found == active_.end() ? nullptr : found->second;
}

absl::Status Campaigns::SendOn(const Campaign& campaign) {
  if (absl::Status stays = CheckStays(campaign); !stays.ok()) return stays;
  if (absl::Status may = surroundings_.may_send(); !may.ok()) return may;
  const absl::Status mode = CheckMode(campaign);
  if (!mode.ok()) return mode;
  const absl::Status running = store_.SetState(campaign.id, CampaignState::kRunning, absl::Now());
  if (!running.ok()) return running;
  const absl::StatusOr<Campaign> started = store_.GetCampaign(campaign.id);
  return started.ok() ? Activate(*started) : started.status();
}

absl::Status Campaigns::Start(std::string_view name) {
  const std::lock_guard lock(decision_);
  const absl::StatusOr<Campaign> campaign = Find(name);
  if (!campaign.ok()) return campaign.status();
  if (campaign->state == CampaignState::kRunning) return absl::OkStatus();
  if (absl::Status stays = CheckStays(*campaign); !stays.ok()) return stays;
  if (campaign->state == CampaignState::kPaused) {
    return WithExit(absl::FailedPreconditionError(
                        fmt::format("campaign '{0}' is paused; `sealift campaign resume {0}` sends on", name)),
                    ExitCode::kUsage);
  }
  if (campaign->state == CampaignState::kCancelled && campaign->input_rows == 0) {
    return WithExit(absl::FailedPreconditionError(fmt::format(
                        "campaign '{0}' is cancelled and has no rows here: it was loaded on the node whose backup this "
                        "was restored from, or cancelled before it had any; `sealift campaign report {0}` says what it "
                        "has sent",
                        name)),
                    ExitCode::kUsage);
  }
  if (campaign->state == CampaignState::kCancelled) {
    return WithExit(absl::FailedPreconditionError(
                        fmt::format("campaign '{0}' is cancelled; `sealift queue replay --campaign {0} --outcome "
                                    "cancelled` sends what it had queued, or load it again under another name",
                                    name)),
                    ExitCode::kUsage);
  }
  if (campaign->state == CampaignState::kLoading) {
    return WithExit(
        absl::FailedPreconditionError(fmt::format(
            "campaign '{}' is not loaded completely; run the same `sealift campaign load` again, it resumes", name)),
        ExitCode::kTryLater);
  }
  return SendOn(*campaign);
}

absl::StatusOr<bool> Campaigns::StartLoaded(std::string_view name, bool start, std::optional<absl::Time> at) {
  const absl::StatusOr<Campaign> loaded = Find(name);
  if (!loaded.ok()) return loaded.status();
  Schedule(*loaded);
  if (at.has_value()) start = *at <= absl::Now();
  if (!start) return false;
  if (loaded->state == CampaignState::kReady) {
    if (absl::Status started = Start(name); !started.ok()) return started;
  }
  return loaded->state == CampaignState::kReady || loaded->state == CampaignState::kRunning;
}

std::optional<PauseCause> Campaigns::WhyPaused(const Campaign& campaign) const {
  if (campaign.state != CampaignState::kPaused) return std::nullopt;
  return PausesOf(campaign.spec.name).cause();
}

PauseHistory Campaigns::PausesOf(std::string_view name) const {
  const std::lock_guard lock(mutex_);
  const auto found = pauses_.find(name);
  return found == pauses_.end() ? PauseHistory() : found->second;
}

absl::Status Campaigns::Remember(std::string_view name, const PauseHistory& pauses) {
  absl::Status written =
      store_.PutNotes({{.kind = queue::NoteKind::kPause, .name = std::string(name), .value = pauses.ToText()}});
  if (!written.ok()) return written;
  const std::lock_guard lock(mutex_);
  pauses_.insert_or_assign(std::string(name), pauses);
  return absl::OkStatus();
}

absl::Status Campaigns::Pause(std::string_view name, const PauseCause& cause) {
  const std::lock_guard lock(decision_);
  const absl::StatusOr<Campaign> campaign = Find(name);
  if (!campaign.ok()) return campaign.status();
  if (absl::Status stays = CheckStays(*campaign); !stays.ok()) return stays;
  if (campaign->state == CampaignState::kPaused) {
    // Another reason to stay so; the breaker's is that of one that runs.
    if (cause.reason.empty() || cause.by == PauseCause::kBreaker) return absl::OkStatus();
    PauseHistory pauses = PausesOf(name);
    pauses.Add(true, cause);
    return Remember(name, pauses);
  }
  if ((campaign->state != CampaignState::kRunning && !StartsByItself(*campaign).has_value()) || Done(*campaign)) {
    return WithExit(
        absl::FailedPreconditionError(fmt::format("campaign '{}' is {}, neither running nor to start by itself: there "
                                                  "is nothing to pause",
                                                  name, Done(*campaign) ? "done" : queue::ToString(campaign->state))),
        ExitCode::kUsage);
  }
  // The cause first: that of a campaign which is not paused after all is an entry without an end.
  PauseHistory pauses = PausesOf(name);
  pauses.Add(true, cause);
  absl::Status paused = Remember(name, pauses);
  if (paused.ok()) paused = store_.SetState(campaign->id, CampaignState::kPaused, absl::Now());
  if (!paused.ok()) return paused;
  Deactivate(campaign->id, [] {});
  return absl::OkStatus();
}

absl::Status Campaigns::Resume(std::string_view name, const PauseCause& cause) {
  const std::lock_guard lock(decision_);
  const absl::StatusOr<Campaign> campaign = Find(name);
  if (!campaign.ok()) return campaign.status();
  if (campaign->state == CampaignState::kRunning) return absl::OkStatus();
  if (campaign->state != CampaignState::kPaused) {
    return WithExit(absl::FailedPreconditionError(
                        fmt::format("campaign '{}' is {}, not paused", name, queue::ToString(campaign->state))),
                    ExitCode::kUsage);
  }
  if (absl::Status sent = SendOn(*campaign); !sent.ok()) return sent;
  PauseHistory pauses = PausesOf(name);
  pauses.Add(false, cause);
  return Remember(name, pauses);
}

absl::Status Campaigns::CheckStays(const Campaign& campaign) const {
  const std::lock_guard lock(mutex_);
  if (!cancelling_.contains(campaign.id)) return absl::OkStatus();
  return WithExit(
      absl::FailedPreconditionError(fmt::format(
          "campaign '{}' is being cancelled: it is once what is being sent of it has ended", campaign.spec.name)),
      ExitCode::kUsage);
}

absl::StatusOr<std::shared_future<void>> Campaigns::BeginCancelling(const Campaign& campaign, bool erase) {
  std::optional<Cancelling> under_way;  // which nobody else changes meanwhile
  {
    const std::lock_guard lock(mutex_);
    if (const auto known = cancelling_.find(campaign.id); known != cancelling_.end()) under_way = known->second;
  }
  if (under_way.has_value() && (under_way->erase || !erase)) return under_way->returned;
  // Durable first: should the node stop before the cancellation is, nothing more of it is sent, and the next start
  // cancels it.
  PauseHistory pauses = PausesOf(campaign.spec.name);
  pauses.Add(true, {.by = std::string(erase ? PauseCause::kErasure : PauseCause::kCancellation),
                    .reason = "what is being sent ends first",
                    .time = absl::Now()});
  absl::Status noted = Remember(campaign.spec.name, pauses);
  if (noted.ok() && campaign.state == CampaignState::kRunning) {
    noted = store_.SetState(campaign.id, CampaignState::kPaused, absl::Now());
  }
  if (!noted.ok()) return noted;
  if (under_way.has_value()) {
    const std::lock_guard lock(mutex_);
    cancelling_.at(campaign.id).erase = true;
    return under_way->returned;
  }
  auto returned = std::make_shared<std::promise<void>>();
  const std::shared_future<void> waiting = returned->get_future().share();
  {
    const std::lock_guard lock(mutex_);
    cancelling_.emplace(campaign.id, Cancelling{erase, waiting});
  }
  Deactivate(campaign.id, [returned] { returned->set_value(); });
  return waiting;
}

absl::StatusOr<Campaign> Campaigns::Finish(queue::CampaignId id, bool erase) {
  const absl::StatusOr<Campaign> before = store_.GetCampaign(id);
  if (!before.ok()) return before.status();
  const absl::StatusOr<queue::Counters> counters = store_.Cancel(id, erase, absl::Now());
  if (!counters.ok()) return counters.status();
  {
    const std::lock_guard known(mutex_);
    active_.erase(id);
    // An erasure that was ordered too is still to come.
    const auto under_way = cancelling_.find(id);
    if (under_way != cancelling_.end() && (erase || !under_way->second.erase)) cancelling_.erase(under_way);
  }
  if (surroundings_.cancelled) surroundings_.cancelled(*before, counters->cancelled - before->counters.cancelled);
  return store_.GetCampaign(id);
}

absl::StatusOr<Campaign> Campaigns::Cancel(std::string_view name, bool erase, absl::Duration patience) {
  std::unique_lock lock(decision_);
  const absl::StatusOr<Campaign> campaign = Find(name);
  if (!campaign.ok()) return campaign.status();
  if (Active(campaign->id) == nullptr) return Finish(campaign->id, erase);
  const absl::StatusOr<std::shared_future<void>> returned = BeginCancelling(*campaign, erase);
  if (!returned.ok()) return returned.status();
  lock.unlock();
  if (returned->wait_for(absl::ToChronoNanoseconds(patience)) != std::future_status::ready) {
    return WithExit(
        absl::UnavailableError(fmt::format("messages of campaign '{}' are still being sent. Nothing new begins, and "
                                           "it is cancelled by itself once they have ended: see `campaign show`",
                                           name)),
        ExitCode::kTryLater);
  }
  lock.lock();
  const absl::StatusOr<Campaign> now = store_.GetCampaign(campaign->id);
  if (!now.ok()) return now;
  const bool done = now->state == CampaignState::kCancelled && (now->erased || !erase);  // FinishCancelling was first
  return done ? now : Finish(campaign->id, erase);
}

void Campaigns::FinishCancelling() {
  std::vector<std::pair<queue::CampaignId, bool>> returned;
  {
    const std::lock_guard lock(mutex_);
    for (const auto& [id, cancelling] : cancelling_) {
      if (cancelling.returned.wait_for(std::chrono::seconds(0)) != std::future_status::ready) continue;
      returned.emplace_back(id, cancelling.erase);
    }
  }
  for (const auto& [id, erase] : returned) {
    const std::lock_guard lock(decision_);
    const absl::StatusOr<Campaign> cancelled = Finish(id, erase);
    if (cancelled.ok()) {
      LogInfo("a campaign is cancelled: what was being sent has ended", {{"campaign", cancelled->spec.name}});
    } else {
      LogError("a campaign could not be cancelled; it is tried again", {{"why", cancelled.status()}});
    }
  }
}

absl::Status Campaigns::Reopen(const Campaign& cancelled, const PauseCause& cause) {
  const std::lock_guard lock(decision_);
  if (absl::Status mode = CheckMode(cancelled); !mode.ok()) return mode;
  if (absl::Status may = surroundings_.may_send(); !may.ok()) return may;
  absl::Status reopened = store_.Reopen(cancelled.id, cancelled.ended, absl::Now());
  if (!reopened.ok()) return reopened;
  // What had paused it ended with its cancellation.
  PauseHistory pauses = PausesOf(cancelled.spec.name);
  if (!pauses.cause().has_value()) return absl::OkStatus();
  pauses.Add(false, cause);
  return Remember(cancelled.spec.name, pauses);
}

absl::Status Campaigns::Refilled(queue::CampaignId id) {
  const std::lock_guard lock(decision_);
  const absl::StatusOr<Campaign> campaign = store_.GetCampaign(id);
  if (!campaign.ok()) return campaign.status();
  if (campaign->state != CampaignState::kRunning || campaign->spec.mode != ModeName(delivery_)) return absl::OkStatus();
  if (!surroundings_.may_send().ok()) return absl::OkStatus();  // the release begins it
  return Activate(*campaign);
}

void Campaigns::Schedule(const Campaign& campaign) {
  const std::optional<absl::Time> start_at = StartsByItself(campaign);
  if (!start_at.has_value() || campaign.spec.mode != ModeName(delivery_)) return;
  const std::lock_guard lock(mutex_);
  starts_.emplace(*start_at, campaign.id);
}

std::optional<queue::CampaignId> Campaigns::TakeDue(absl::Time now) {
  const std::lock_guard lock(mutex_);
  if (starts_.empty() || starts_.begin()->first > now) return std::nullopt;
  return starts_.extract(starts_.begin()).value().second;
}

void Campaigns::StartDue(absl::Time now) {
  while (const std::optional<queue::CampaignId> due = TakeDue(now)) {
    const absl::StatusOr<Campaign> campaign = store_.GetCampaign(*due);
    if (campaign.ok() && campaign->state != CampaignState::kReady) continue;
    const absl::Status started = campaign.ok() ? Start(campaign->spec.name) : campaign.status();
    if (started.ok()) {
      LogInfo("a campaign has started at its time", {{"campaign", campaign->spec.name}});
      continue;
    }
    LogError("a campaign could not be started at its time; it is tried again in a minute",
             {{"campaign", campaign.ok() ? campaign->spec.name : fmt::format("{:08x}", static_cast<uint32_t>(*due))},
              {"why", started}});
    const std::lock_guard lock(mutex_);
    starts_.emplace(now + kStartAgain, *due);
  }
}

void Campaigns::EraseDue(absl::Time now) {
  constexpr absl::Duration kPatience = absl::Seconds(1);  // nothing of it is being sent
  const absl::StatusOr<std::vector<Campaign>> campaigns = store_.ListCampaigns();
  if (!campaigns.ok()) return;
  for (const Campaign& listed : *campaigns) {
    if (listed.erased) continue;
    // Rows expire of one that is paused or was never started, too.
    const bool nothing_left = listed.load_complete && listed.counters.queued() == 0;
    const bool over = nothing_left || listed.state == CampaignState::kCancelled;
    if (!over && listed.ended == absl::InfiniteFuture()) continue;
    auto known = erase_after_.find(listed.id);
    if (known == erase_after_.end()) {
      const absl::StatusOr<Campaign> campaign = store_.GetCampaign(listed.id);
      if (!campaign.ok()) continue;
      const absl::StatusOr<CampaignSettings> settings = CampaignSettings::Parse(campaign->spec.settings_json);
      if (!settings.ok()) continue;
      known = erase_after_.emplace(listed.id, settings->erase_after).first;
    }
    if (!over || listed.ended == absl::InfiniteFuture()) {
      const absl::Status noted = store_.SetEnded(listed.id, over ? now : absl::InfiniteFuture());
      if (!noted.ok()) LogError("the end of a campaign could not be noted", {{"campaign", listed.spec.name}});
      continue;
    }
    if (known->second == absl::ZeroDuration() || now - listed.ended < known->second) continue;
    if (surroundings_.stays_settled && !surroundings_.stays_settled(listed)) continue;
    const absl::StatusOr<Campaign> still = store_.GetCampaign(listed.id);
    if (!still.ok() || still->counters.queued() > 0) continue;  // rows came back since it was listed
    const absl::StatusOr<Campaign> erased = Cancel(listed.spec.name, /*erase=*/true, kPatience);
    if (erased.ok()) {
      LogInfo("a campaign is erased, as its erase_after says", {{"campaign", listed.spec.name}});
    } else {
      LogError("a campaign could not be erased at its time",
               {{"campaign", listed.spec.name}, {"why", erased.status()}});
    }
  }
}

}  // namespace sealift::engine
