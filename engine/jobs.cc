#include "engine/jobs.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <utility>

#include "engine/exit_code.h"
#include "engine/log.h"
#include "engine/suppressions.h"
#include "re2/re2.h"

namespace sealift::engine {
namespace {

constexpr std::chrono::milliseconds kLookAgain{50};
constexpr absl::Duration kRestsFor = absl::Seconds(1);
constexpr queue::OutcomeKind kReplayed[] = {queue::OutcomeKind::kBounced, queue::OutcomeKind::kExpired,
                                            queue::OutcomeKind::kCancelled};

absl::Status Usage(const std::string& why) { return WithExit(absl::InvalidArgumentError(why), ExitCode::kUsage); }

// On a node that was restored every row may have been sent since: what is settled by a filter could be replayed.
bool WaitsForReconciliation(Job::Kind kind) { return kind != Job::Kind::kRetry; }

uint32_t NumberOf(std::string_view id) {
  uint32_t number = 0;
  if (!id.starts_with('j')) return 0;
  const auto [end, error] = std::from_chars(id.data() + 1, id.data() + id.size(), number);
  return error == std::errc() && end == id.data() + id.size() ? number : 0;
}

}  // namespace

Jobs::Jobs(queue::Store& store, Holds& holds, Node node)
    : store_(store),
      node_(std::move(node)),
      services_{.store = store_, .holds = holds, .node = node_, .stopping = stopping_} {}

Jobs::~Jobs() { Stop(); }

void Jobs::Stop() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wakes_.notify_all();
  ended_.notify_all();
  if (thread_.joinable()) thread_.join();
}

absl::Status Jobs::Open() {
  const absl::StatusOr<std::vector<queue::Order>> orders = store_.ReadOrders(queue::OrderKind::kJob);
  if (!orders.ok()) return orders.status();
  for (const queue::Order& order : *orders) {
    absl::StatusOr<Job> job = Job::Parse(order.number, order.text);
    if (!job.ok()) return job.status();
    jobs_[order.number] = *job;
    if (job->state != Job::State::kRunning) continue;
    // What was checked when it was ordered is understood again.
    absl::StatusOr<std::unique_ptr<JobWork>> work = JobWork::Of(*std::move(job), services_);
    if (!work.ok()) continue;
    if (WaitsForReconciliation((*work)->job().kind) && !node_.may_send().ok()) {
      End(**work, Job::State::kCancelled, "a backup was restored while it ran: order it again for what is left");
      continue;
    }
    running_.push_back({*std::move(work)});
  }
  return absl::OkStatus();
}

void Jobs::Begin() {
  thread_ = std::thread([this] { Run(); });
}

absl::Status Jobs::Check(const Request& request, QueueFilter* understood) const {
  const absl::StatusOr<RowMatcher> matcher = RowMatcher::Of(request.filter, store_);
  if (!matcher.ok()) return matcher.status();
  *understood = matcher->filter();
  if (absl::Status known = node_.check_names(*understood); !known.ok()) return known;
  if (request.kind == Job::Kind::kRetry &&
      (request.filter.state == kInDoubtState || request.filter.state == kHeldState)) {
    return Usage(
        fmt::format("rows that are {} wait for no time: `sealift queue release` lets them go", *request.filter.state));
  }
  if (request.filter.state == kHeldState) {
    return Usage("--state held is for `queue list`: what is settled is named as the hold names it (`queue holds`)");
  }
  if (request.kind != Job::Kind::kReplay) {
    if (request.filter.state != kInDoubtState) return absl::OkStatus();
    return Usage("rows in doubt may have arrived: they are not settled by a filter");
  }
  if (std::ranges::find(kReplayed, request.outcome) == std::end(kReplayed)) {
    return Usage("--outcome is bounced, expired or cancelled");
  }
  if (request.outcome == queue::OutcomeKind::kBounced && !request.filter.reason_class.has_value()) {
    return Usage("a replay of bounced rows needs --class: rows that were refused for one reason");
  }
  if (request.filter.reason_class == "bad_mailbox") {
    return Usage("rows of the class bad_mailbox are never replayed: there is nobody");
  }
  if (request.filter.state.has_value()) return Usage("--state is of queued rows; settled ones have an --outcome");
  if (!request.matching.empty()) {
    const RE2 pattern(request.matching, RE2::Quiet);
    if (!pattern.ok()) return Usage(fmt::format("--matching is no regular expression: {}", pattern.error()));
  }
  return absl::OkStatus();
}

absl::Status Jobs::Write(const Job& job) {
  if (absl::Status written = store_.WriteOrders({{queue::OrderKind::kJob, job.number, job.ToText()}}); !written.ok()) {
    return WithExit(written, ExitCode::kIo);
  }
  const std::lock_guard lock(mutex_);
  jobs_[job.number] = job;
  return absl::OkStatus();
}

absl::StatusOr<RowCount> Jobs::Count(const Request& request) {
  Job job{.kind = request.kind,
          .created = absl::Now(),
          .rate = request.rate,
          .outcome = request.outcome,
          .matching = request.matching,
          .since = request.since};
  if (absl::Status checked = Check(request, &job.filter); !checked.ok()) return checked;
  const absl::StatusOr<std::unique_ptr<JobWork>> work = JobWork::Of(std::move(job), services_);
  if (!work.ok()) return work.status();
  return (*work)->Count();
}

absl::StatusOr<Job> Jobs::Start(const Request& request, const Holds::Given& given, absl::Time now) {
  if (given.reason.empty()) return Usage("it needs --reason TEXT, which stands in its record");
  if (absl::Status fits = CheckSuppressionReason(given.reason); !fits.ok()) return fits;
  if (WaitsForReconciliation(request.kind)) {
    if (absl::Status may = node_.may_send(); !may.ok()) return may;
  }
  if (request.kind == Job::Kind::kReplay) {  // it accepts rows, as a load does
    if (absl::Status room = node_.has_room(); !room.ok()) return room;
  }
  Job job{.kind = request.kind,
          .reason = given.reason,
          .by = given.by,
          .created = now,
          .rate = request.rate,
          .outcome = request.outcome,
          .matching = request.matching,
          .since = request.since,
          .expires_in = request.expires_in};
  const absl::StatusOr<RowCount> total = Count(request);
  if (!total.ok()) return total.status();
  if (absl::Status checked = Check(request, &job.filter); !checked.ok()) return checked;
  job.total = total->rows;
  {
    const std::lock_guard lock(mutex_);
    job.number = next_number_ = std::max(next_number_, jobs_.empty() ? 0 : jobs_.rbegin()->first) + 1;
  }
  if (absl::Status written = Write(job); !written.ok()) return written;
  if (absl::StatusOr<std::unique_ptr<JobWork>> work = JobWork::Of(job, services_); work.ok()) {
    const std::lock_guard lock(mutex_);
    running_.push_back({*std::move(work)});
  }
  wakes_.notify_all();
  return job;
}

absl::StatusOr<Job> Jobs::Find(std::string_view id) const {
  const std::lock_guard lock(mutex_);
  const auto found = jobs_.find(NumberOf(id));
  if (found == jobs_.end()) {
    return WithExit(absl::NotFoundError("there is no such job; `sealift queue jobs` lists those there are"),
                    ExitCode::kNoInput);
  }
  return found->second;
}

absl::StatusOr<Job> Jobs::Cancel(std::string_view id, std::string why) {
  absl::StatusOr<Job> job = Find(id);
  if (!job.ok()) return job.status();
  if (job->state == Job::State::kRunning) {
    std::unique_lock lock(mutex_);
    cancelled_.emplace(job->number, std::move(why));
    wakes_.notify_all();
    ended_.wait(lock, [&] { return stopping_ || jobs_.at(job->number).state != Job::State::kRunning; });
    job = jobs_.at(job->number);
    if (job->state == Job::State::kRunning || job->state == Job::State::kCancelled) return job;
  }
  return WithExit(absl::FailedPreconditionError(fmt::format("{} is {} already", job->Id(), ToString(job->state))),
                  ExitCode::kUsage);
}

absl::StatusOr<Job> Jobs::Await(std::string_view id, absl::Duration patience) const {
  const absl::StatusOr<Job> job = Find(id);
  if (!job.ok() || job->state != Job::State::kRunning) return job;
  std::unique_lock lock(mutex_);
  ended_.wait_for(lock, absl::ToChronoMilliseconds(patience),
                  [&] { return stopping_ || jobs_.at(job->number).state != Job::State::kRunning; });
  return jobs_.at(job->number);
}

std::vector<Job> Jobs::List() const {
  std::vector<Job> list;
  const std::lock_guard lock(mutex_);
  for (auto it = jobs_.rbegin(); it != jobs_.rend(); ++it) list.push_back(it->second);
  return list;
}

std::vector<absl::Time> Jobs::ReplaysOrdered() const {
  std::vector<absl::Time> ordered;
  const std::lock_guard lock(mutex_);
  for (const auto& [number, job] : jobs_) {
    if (job.kind == Job::Kind::kReplay && job.state == Job::State::kRunning) ordered.push_back(job.created);
  }
  return ordered;
}

void Jobs::GiveUp(queue::CampaignId campaign) {
  const std::lock_guard lock(mutex_);
  if (running_.empty()) return;
  given_up_.insert(campaign);
  wakes_.notify_all();
}

bool Jobs::MayReplay(const queue::Campaign& campaign) const {
  const std::lock_guard lock(mutex_);
  return std::ranges::any_of(jobs_, [&](const auto& entry) {
    const Job& job = entry.second;
    const QueueFilter& filter = job.filter;
    return job.kind == Job::Kind::kReplay && job.state == Job::State::kRunning && !job.given_up.contains(campaign.id) &&
           filter.campaign.value_or(campaign.spec.name) == campaign.spec.name &&
           filter.stream.value_or(campaign.spec.stream) == campaign.spec.stream;
  });
}

absl::Status Jobs::Forget(absl::Time before) {
  std::vector<queue::Order> old;
  {
    const std::lock_guard lock(mutex_);
    for (const auto& [number, job] : jobs_) {
      // The newest stays, so that no number is given twice.
      if (job.state != Job::State::kRunning && job.ended < before && number != jobs_.rbegin()->first) {
        old.push_back({queue::OrderKind::kJob, number, ""});
      }
    }
  }
  if (old.empty()) return absl::OkStatus();
  if (absl::Status written = store_.WriteOrders(old); !written.ok()) return written;
  const std::lock_guard lock(mutex_);
  for (const queue::Order& order : old) jobs_.erase(order.number);
  return absl::OkStatus();
}

void Jobs::Run() {
  std::unique_lock lock(mutex_);
  while (!stopping_) {
    std::vector<Running*> jobs;
    jobs.reserve(running_.size());
    for (Running& running : running_) jobs.push_back(&running);
    const std::map<uint32_t, std::string> cancelled = std::exchange(cancelled_, {});
    const std::set<queue::CampaignId> given_up = std::exchange(given_up_, {});
    lock.unlock();
    bool any = false;
    for (const queue::CampaignId campaign : given_up) {
      for (Running* running : jobs) {
        if (!running->work->GiveUp(campaign)) continue;
        if (const absl::Status written = Write(running->work->job()); !written.ok()) Publish(running->work->job());
      }
    }
    for (Running* running : jobs) {
      if (const auto by = cancelled.find(running->work->job().number); by != cancelled.end()) {
        End(*running->work, Job::State::kCancelled, by->second);
      } else {
        any = Step(*running) || any;
      }
    }
    lock.lock();
    std::erase_if(running_, [this](const Running& running) {
      return jobs_.at(running.work->job().number).state != Job::State::kRunning;
    });
    if (any || stopping_) continue;
    // Without a job until there is one; else whoever waits for lanes looks again.
    if (running_.empty()) {
      wakes_.wait(lock, [this] { return stopping_ || !running_.empty(); });
    } else {
      wakes_.wait_for(lock, kLookAgain);
    }
  }
  lock.unlock();
  // What moves due times alone is not recorded with each step.
  for (const Running& running : running_) {
    if (const absl::Status written = Write(running.work->job()); !written.ok()) {
      LogWarning("how far a job came is not recorded; the next start goes on all the same",
                 {{"job", running.work->job().Id()}, {"why", written}});
    }
  }
}

bool Jobs::Step(Running& running) {
  if (absl::Now() < running.rests_until) return false;
  JobWork& work = *running.work;
  if (const absl::Status room = node_.has_room(); !room.ok()) {
    Rest(running, std::string(room.message()));
    return false;
  }
  const absl::StatusOr<JobWork::Progress> progress = work.Step();
  if (absl::IsUnavailable(progress.status()) || absl::IsResourceExhausted(progress.status())) {
    // As the next start would: what it has not moved is found again.
    if (absl::StatusOr<std::unique_ptr<JobWork>> again = JobWork::Of(work.job(), services_); again.ok()) {
      running.work = *std::move(again);  // what it keeps for itself stays kept
    }
    Rest(running, std::string(progress.status().message()));
    return false;
  }
  if (!progress.ok()) {
    End(work, Job::State::kFailed, std::string(progress.status().message()));
    return true;
  }
  if (*progress == JobWork::Progress::kDone) {
    End(work, Job::State::kDone, work.Remark());
    return true;
  }
  Publish(work.job());
  return *progress == JobWork::Progress::kMoved;
}

void Jobs::Rest(Running& running, std::string why) {
  Job job = running.work->job();
  running.rests_until = absl::Now() + kRestsFor;
  job.why = std::move(why);
  Publish(job);
}

void Jobs::Publish(const Job& job) {
  const std::lock_guard lock(mutex_);
  jobs_[job.number] = job;
}

void Jobs::End(JobWork& work, Job::State state, std::string why) {
  work.LetGo();
  Job job = work.job();
  job.state = state;
  job.why = std::move(why);
  job.ended = absl::Now();
  if (state == Job::State::kFailed) {
    LogError("a job has failed; what it moved stays moved", {{"job", job.Id()}, {"why", job.why}});
  }
  // If it cannot be written the next start begins it again, which moves what is left.
  if (const absl::Status written = Write(job); !written.ok()) Publish(job);
  ended_.notify_all();
}

}  // namespace sealift::engine
