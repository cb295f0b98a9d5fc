#include "engine/jobs.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <deque>
#include <future>
#include <nlohmann/json.hpp>
#include <utility>

#include "engine/exit_code.h"
#include "engine/log.h"
#include "engine/suppressions.h"
#include "re2/re2.h"

namespace sealift::engine {
namespace {

using nlohmann::json;

constexpr int kPageLanes = 1024;
constexpr int kPageParked = 256;
constexpr size_t kLanesAskedMax = 256;  // at once, whether they are claimed
constexpr size_t kLanesWaitingMax = 4096;
constexpr size_t kPacedDomainsMax = 1000;  // apart; the others share a pace
constexpr std::chrono::milliseconds kLookAgain{50};
constexpr Rate kUnlimitedPace{.count = 100, .period = absl::Seconds(1)};  // where nothing limits a destination
constexpr Job::Kind kKinds[] = {Job::Kind::kBounce, Job::Kind::kExpire, Job::Kind::kReplay};
constexpr Job::State kStates[] = {Job::State::kRunning, Job::State::kDone, Job::State::kCancelled, Job::State::kFailed};
constexpr queue::OutcomeKind kReplayed[] = {queue::OutcomeKind::kBounced, queue::OutcomeKind::kExpired,
                                            queue::OutcomeKind::kCancelled};

absl::Status Usage(const std::string& why) { return WithExit(absl::InvalidArgumentError(why), ExitCode::kUsage); }

uint32_t NumberOf(std::string_view id) {
  uint32_t number = 0;
  if (!id.starts_with('j')) return 0;
  const auto [end, error] = std::from_chars(id.data() + 1, id.data() + id.size(), number);
  return error == std::errc() && end == id.data() + id.size() ? number : 0;
}

std::string DomainOf(std::string_view recipient) { return std::string(recipient.substr(recipient.rfind('@') + 1)); }

template <typename Enum, size_t kCount>
std::optional<Enum> Named(const Enum (&values)[kCount], std::string_view name) {
  const auto found = std::ranges::find_if(values, [&](Enum value) { return ToString(value) == name; });
  return found == std::end(values) ? std::nullopt : std::optional(*found);
}

}  // namespace

struct Jobs::Work {
  Work(Job todo, RowMatcher of) : job(std::move(todo)), matcher(std::move(of)) {}

  Job job;
  RowMatcher matcher;
  std::unique_ptr<RE2> matching;                 // null: any reply
  std::map<std::string, std::string> providers;  // by domain
  bool kept = false;                             // the shards know that its rows are not to be claimed
  bool over = false;

  std::vector<queue::Campaign> campaigns;  // that are left; the one in work is the last
  bool listed = false;
  // Settling.
  struct LaneToDo {
    queue::LaneId id;
    std::string stream, after;
  };
  std::string lanes_cursor;
  std::deque<LaneToDo> lanes;
  // Replaying.
  queue::RowId parked_after{};
  std::map<std::string, double> paces;  // rows a second, by domain
  bool refills = false;                 // rows came back that no shard was told of
  absl::Time refilled = absl::InfinitePast();
};

std::string_view ToString(Job::Kind kind) {
  switch (kind) {
    case Job::Kind::kBounce:
      return "bounce";
    case Job::Kind::kExpire:
      return "expire";
    case Job::Kind::kReplay:
      return "replay";
  }
  return "bounce";
}

std::string_view ToString(Job::State state) {
  switch (state) {
    case Job::State::kRunning:
      return "running";
    case Job::State::kDone:
      return "done";
    case Job::State::kCancelled:
      return "cancelled";
    case Job::State::kFailed:
      return "failed";
  }
  return "running";
}

std::string Job::Id() const { return fmt::format("j{}", number); }

std::string Job::ToText() const {
  json text = {{"kind", ToString(kind)},
               {"state", ToString(state)},
               {"filter", json::parse(FilterToText(filter))},
               {"reason", reason},
               {"by", by},
               {"created_ms", absl::ToUnixMillis(created)},
               {"total", total},
               {"moved", moved},
               {"suppressed", suppressed},
               {"why", why}};
  if (ended != absl::InfiniteFuture()) text["ended_ms"] = absl::ToUnixMillis(ended);
  if (kind == Kind::kReplay) {
    text["outcome"] = queue::ToString(outcome);
    text["matching"] = matching;
    if (since != absl::InfinitePast()) text["since_ms"] = absl::ToUnixMillis(since);
    if (!rate.unlimited()) text["rate"] = engine::ToText(rate);
    if (expires_in.has_value()) text["expires_in_ms"] = absl::ToInt64Milliseconds(*expires_in);
    for (const auto& [domain, next] : paced) text["paced"][domain] = absl::ToUnixMicros(next);
  }
  return text.dump(-1, ' ', false, json::error_handler_t::replace);
}

absl::StatusOr<Job> Job::Parse(uint32_t number, std::string_view text) {
  const auto malformed = [] {
    return absl::DataLossError("a job was written in a form that this version does not know");
  };
  const json read = json::parse(text, nullptr, false);
  if (!read.is_object() || !read.contains("filter")) return malformed();
  Job job{.number = number};
  const std::optional<Kind> kind = Named(kKinds, read.value("kind", ""));
  const std::optional<State> state = Named(kStates, read.value("state", ""));
  absl::StatusOr<QueueFilter> filter = ParseFilter(read["filter"].dump());
  if (!kind || !state || !filter.ok()) return malformed();
  job.kind = *kind;
  job.state = *state;
  job.filter = *std::move(filter);
  job.reason = read.value("reason", "");
  job.by = read.value("by", "");
  job.why = read.value("why", "");
  job.created = absl::FromUnixMillis(read.value("created_ms", int64_t{0}));
  if (read.contains("ended_ms")) job.ended = absl::FromUnixMillis(read.value("ended_ms", int64_t{0}));
  job.total = read.value("total", uint64_t{0});
  job.moved = read.value("moved", uint64_t{0});
  job.suppressed = read.value("suppressed", uint64_t{0});
  if (job.kind != Kind::kReplay) return job;
  const std::optional<queue::OutcomeKind> outcome = Named(kReplayed, read.value("outcome", ""));
  if (!outcome) return malformed();
  job.outcome = *outcome;
  job.matching = read.value("matching", "");
  if (read.contains("since_ms")) job.since = absl::FromUnixMillis(read.value("since_ms", int64_t{0}));
  if (read.contains("rate")) {
    const absl::StatusOr<Rate> rate = ParseRate(read.value("rate", ""));
    if (!rate.ok()) return malformed();
    job.rate = *rate;
  }
  if (read.contains("expires_in_ms")) job.expires_in = absl::Milliseconds(read.value("expires_in_ms", int64_t{0}));
  if (const auto paced = read.find("paced"); paced != read.end() && paced->is_object()) {
    for (const auto& [domain, next] : paced->items()) job.paced[domain] = absl::FromUnixMicros(next.get<int64_t>());
  }
  return job;
}

Jobs::Jobs(queue::Store& store, Holds& holds, Node node) : store_(store), holds_(holds), node_(std::move(node)) {}

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
    std::unique_ptr<Work> work = Begin(*std::move(job));
    if (work == nullptr) continue;
    if (work->job.kind == Job::Kind::kReplay && !node_.may_send().ok()) {
      End(*work, Job::State::kCancelled, "a backup was restored while it ran: order it again for what is left");
      continue;
    }
    running_.push_back(std::move(work));
  }
  thread_ = std::thread([this] { Run(); });
  return absl::OkStatus();
}

// What was checked when it was ordered is understood again.
std::unique_ptr<Jobs::Work> Jobs::Begin(Job job) {
  absl::StatusOr<RowMatcher> matcher = RowMatcher::Of(job.filter, store_);
  if (!matcher.ok()) return nullptr;
  job.suppressed = 0;  // it looks at all settled rows again: those that it had moved are not among them, these are
  auto work = std::make_unique<Work>(std::move(job), *std::move(matcher));
  if (!work->job.matching.empty()) work->matching = std::make_unique<RE2>(work->job.matching, RE2::Quiet);
  return work;
}

absl::Status Jobs::Check(const Request& request, QueueFilter* understood) const {
  const absl::StatusOr<RowMatcher> matcher = RowMatcher::Of(request.filter, store_);
  if (!matcher.ok()) return matcher.status();
  *understood = matcher->filter();
  if (absl::Status known = node_.check_names(*understood); !known.ok()) return known;
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
  if (request.outcome == queue::OutcomeKind::kCancelled) {
    return Usage("what was cancelled with its campaign is not kept and never sent: load it as another campaign");
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

absl::StatusOr<uint64_t> Jobs::Count(const Request& request) {
  QueueFilter filter;
  if (absl::Status checked = Check(request, &filter); !checked.ok()) return checked;
  if (request.kind != Job::Kind::kReplay) return node_.count(filter);
  Job job{.kind = request.kind,
          .filter = filter,
          .created = absl::Now(),
          .outcome = request.outcome,
          .matching = request.matching,
          .since = request.since};
  const std::unique_ptr<Work> work = Begin(std::move(job));
  if (work == nullptr) return Usage("the filter cannot be used");
  uint64_t rows = 0;
  if (absl::Status listed = ListCampaigns(*work); !listed.ok()) return listed;
  for (const queue::Campaign& campaign : work->campaigns) {
    const queue::Mailing mailing = node_.mailing_of(campaign);
    queue::RowId after{};
    for (bool done = false; !done;) {
      const absl::StatusOr<queue::ParkedPage> page = store_.ListParked(campaign.id, after, kPageParked);
      if (!page.ok()) return page.status();
      for (const queue::ParkedRow& row : page->rows) {
        if (!MeansParked(*work, campaign, row)) continue;
        const absl::StatusOr<std::optional<queue::SuppressionRecord>> record =
            store_.FindSuppressions(row.row.recipient);
        if (!record.ok()) return record.status();
        const bool suppressed =
            record->has_value() && std::ranges::any_of((*record)->InForce(), [&](const queue::SuppressionEntry* entry) {
              return entry->what.Binds(mailing);
            });
        rows += suppressed ? 0 : 1;
      }
      after = page->after;
      done = page->done;
    }
  }
  return rows;
}

absl::StatusOr<Job> Jobs::Start(const Request& request, const Holds::Given& given, absl::Time now) {
  if (given.reason.empty()) return Usage("it needs --reason TEXT, which stands in its record");
  if (absl::Status fits = CheckSuppressionReason(given.reason); !fits.ok()) return fits;
  if (request.kind == Job::Kind::kReplay) {
    if (absl::Status may = node_.may_send(); !may.ok()) return may;
  }
  Job job{.kind = request.kind,
          .reason = given.reason,
          .by = given.by,
          .created = now,
          .outcome = request.outcome,
          .matching = request.matching,
          .since = request.since,
          .rate = request.rate,
          .expires_in = request.expires_in};
  const absl::StatusOr<uint64_t> total = Count(request);
  if (!total.ok()) return total.status();
  if (absl::Status checked = Check(request, &job.filter); !checked.ok()) return checked;
  job.total = *total;
  {
    const std::lock_guard lock(mutex_);
    job.number = next_number_ = std::max(next_number_, jobs_.empty() ? 0 : jobs_.rbegin()->first) + 1;
  }
  if (absl::Status written = Write(job); !written.ok()) return written;
  if (std::unique_ptr<Work> work = Begin(job); work != nullptr) {
    const std::lock_guard lock(mutex_);
    running_.push_back(std::move(work));
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

absl::StatusOr<Job> Jobs::Cancel(std::string_view id) {
  const absl::StatusOr<Job> job = Find(id);
  if (!job.ok()) return job.status();
  if (job->state != Job::State::kRunning) {
    return WithExit(absl::FailedPreconditionError(fmt::format("{} is {} already", job->Id(), ToString(job->state))),
                    ExitCode::kUsage);
  }
  std::unique_lock lock(mutex_);
  cancelled_.push_back(job->number);
  wakes_.notify_all();
  ended_.wait(lock, [&] { return stopping_ || jobs_.at(job->number).state != Job::State::kRunning; });
  return jobs_.at(job->number);
}

std::vector<Job> Jobs::List() const {
  std::vector<Job> list;
  const std::lock_guard lock(mutex_);
  for (auto it = jobs_.rbegin(); it != jobs_.rend(); ++it) list.push_back(it->second);
  return list;
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
    std::vector<Work*> works;
    works.reserve(running_.size());
    for (const std::unique_ptr<Work>& work : running_) works.push_back(work.get());
    const std::vector<uint32_t> cancelled = std::exchange(cancelled_, {});
    lock.unlock();
    bool any = false;
    for (Work* work : works) {
      if (std::ranges::find(cancelled, work->job.number) != cancelled.end()) {
        End(*work, Job::State::kCancelled, "");
      } else {
        any = Step(*work) || any;
      }
    }
    lock.lock();
    std::erase_if(running_, [](const std::unique_ptr<Work>& work) { return work->over; });
    if (any || stopping_) continue;
    // Without a job until there is one; else whoever waits for lanes looks again.
    if (running_.empty()) {
      wakes_.wait(lock, [this] { return stopping_ || !running_.empty(); });
    } else {
      wakes_.wait_for(lock, kLookAgain);
    }
  }
}

bool Jobs::Step(Work& work) {
  if (!work.listed) {
    if (absl::Status listed = ListCampaigns(work); !listed.ok()) {
      End(work, Job::State::kFailed, std::string(listed.message()));
      return true;
    }
    work.listed = true;
    return true;
  }
  return work.job.kind == Job::Kind::kReplay ? Replay(work) : Settle(work);
}

absl::Status Jobs::ListCampaigns(Work& work) {
  absl::StatusOr<std::vector<queue::Campaign>> campaigns = store_.ListCampaigns();
  if (!campaigns.ok()) return campaigns.status();
  const QueueFilter& filter = work.matcher.filter();
  for (queue::Campaign& campaign : *campaigns) {
    if (campaign.state == queue::CampaignState::kCancelled || campaign.erased) continue;
    if (filter.campaign.has_value() && campaign.spec.name != *filter.campaign) continue;
    if (filter.stream.has_value() && campaign.spec.stream != *filter.stream) continue;
    if (filter.source.has_value() && !node_.leaves_from(campaign, *filter.source)) continue;
    work.campaigns.push_back(std::move(campaign));
  }
  return absl::OkStatus();
}

LaneFacts Jobs::FactsOf(Work& work, const queue::Campaign& campaign, const queue::LaneId& lane,
                        const std::string& domain) {
  const auto [provider, fresh] = work.providers.try_emplace(domain);
  if (fresh && work.matcher.filter().provider.has_value()) provider->second = node_.provider_of(domain);
  return {lane, campaign.spec.name, campaign.spec.stream, provider->first, &provider->second};
}

// Reads more lanes that have rows of the job; false: there are no more.
bool Jobs::ReadLanes(Work& work) {
  if (work.campaigns.empty()) return false;
  const queue::Campaign& campaign = work.campaigns.back();
  auto read = std::make_shared<std::promise<queue::LanesPage>>();
  std::future<queue::LanesPage> answer = read->get_future();
  store_.ReadLanes(campaign.id, work.lanes_cursor, kPageLanes, 0, 1,
                   [read](queue::LanesPage page) { read->set_value(std::move(page)); });
  const queue::LanesPage page = answer.get();
  if (!page.status.ok()) {
    End(work, Job::State::kFailed, std::string(page.status.message()));
    return true;
  }
  for (const queue::LaneRecord& lane : page.lanes) {
    if (work.matcher.MayMean(FactsOf(work, campaign, lane.lane, lane.domain))) {
      work.lanes.push_back({lane.lane, campaign.spec.stream, ""});
    }
  }
  work.lanes_cursor = page.done ? "" : page.cursor;
  if (page.done) work.campaigns.pop_back();
  return true;
}

bool Jobs::Settle(Work& work) {
  if (!work.kept) {
    QueueFilter filter = work.matcher.filter();
    filter.source.reset();  // it chooses campaigns; rows do not know it
    if (filter.empty()) filter.everything = true;
    Hold hold{.number = work.job.number, .kind = Hold::Kind::kJob, .filter = std::move(filter)};
    hold.history.push_back({.time = work.job.created, .what = "placed", .by = work.job.by, .reason = work.job.reason});
    holds_.KeepFor(work.job.number, std::make_shared<const Hold>(std::move(hold)));
    work.kept = true;
    return true;
  }
  std::vector<queue::LaneId> ids;
  for (const Work::LaneToDo& lane : work.lanes) {
    if (ids.size() == kLanesAskedMax) break;
    ids.push_back(lane.id);
  }
  const std::vector<bool> claimed = ids.empty() ? std::vector<bool>() : node_.claimed(ids);
  const auto free = std::ranges::find(claimed, false);
  if (free == claimed.end()) {
    std::ranges::rotate(work.lanes, work.lanes.begin() + static_cast<std::ptrdiff_t>(ids.size()));
    if (work.lanes.size() < kLanesWaitingMax && ReadLanes(work)) return true;
    if (!work.lanes.empty()) return false;
    End(work, Job::State::kDone, "");
    return true;
  }
  Work::LaneToDo& lane = work.lanes[static_cast<size_t>(free - claimed.begin())];
  auto evidence = std::make_shared<queue::Evidence>();
  evidence->stream = lane.stream;
  const absl::Time now = absl::Now();
  Job after = work.job;
  const absl::StatusOr<queue::SettledRows> settled =
      store_.SettleSome({.lane = lane.id,
                         .after = lane.after,
                         .judge = [&](const queue::Pack& pack, const queue::Row& row) -> std::optional<queue::Outcome> {
                           const RowFacts facts{row.id, row.attempts, row.reason_class, row.recipient, pack.accepted()};
                           if (pack.accepted() > work.job.created || !work.matcher.Means(facts, now))
                             return std::nullopt;
                           queue::Outcome outcome;
                           const bool bounce = work.job.kind == Job::Kind::kBounce;
                           outcome.kind = bounce ? queue::OutcomeKind::kBounced : queue::OutcomeKind::kExpired;
                           outcome.time = now;
                           outcome.attempt = row.attempts;
                           outcome.date = row.date;
                           outcome.reason_class = "operator";
                           outcome.evidence = evidence;
                           return outcome;
                         },
                         .record =
                             [&](uint64_t rows) {
                               after.moved += rows;
                               return queue::Order{queue::OrderKind::kJob, after.number, after.ToText()};
                             }});
  if (!settled.ok()) {
    End(work, Job::State::kFailed, std::string(settled.status().message()));
    return true;
  }
  work.job.moved = after.moved;
  Publish(work.job);
  if (settled->rows > 0) {
    node_.revise(lane.id, -static_cast<int64_t>(settled->rows), -static_cast<int64_t>(settled->retrying),
                 absl::InfiniteFuture());
    node_.settled(lane.stream, work.job.kind, settled->rows);
  }
  lane.after = settled->after;
  if (settled->done) work.lanes.erase(work.lanes.begin() + (free - claimed.begin()));
  return true;
}

bool Jobs::MeansParked(Work& work, const queue::Campaign& campaign, const queue::ParkedRow& parked) {
  const Job& job = work.job;
  if (parked.kind != job.outcome || parked.reason_class == "bad_mailbox") return false;
  if (parked.settled > job.created || parked.settled < job.since) return false;
  const queue::StoredRow& row = parked.row;
  if (!work.matcher.MayMean(FactsOf(work, campaign, row.message.lane, DomainOf(row.recipient)))) return false;
  const RowFacts facts{row.message.row, row.attempts, parked.reason_class, row.recipient, row.accepted};
  if (!work.matcher.Means(facts, job.created)) return false;
  if (work.matching == nullptr) return true;
  const absl::StatusOr<queue::Trace> trace = store_.TraceMessage(row.message);
  return trace.ok() && !trace->events.empty() && RE2::PartialMatch(trace->events.back().reply, *work.matching);
}

absl::Time Jobs::NextPaced(Work& work, const queue::Campaign& campaign, const std::string& domain, absl::Time now) {
  Job& job = work.job;
  Rate rate = job.rate;
  std::string whose;
  double per_second = rate.PerSecond();
  if (rate.unlimited()) {
    const bool apart = job.paced.contains(domain) || job.paced.size() < kPacedDomainsMax;
    if (apart) whose = domain;
    const auto [known, fresh] = work.paces.try_emplace(domain);
    if (fresh) {
      const Rate limit = node_.limit_of(campaign, domain);
      known->second = (limit.unlimited() ? kUnlimitedPace : limit).PerSecond() / (limit.unlimited() ? 1 : 10);
    }
    per_second = known->second;
  }
  absl::Time& next = job.paced[whose];
  const absl::Time due = std::max(next, now);
  next = due + absl::Seconds(1 / per_second);
  return due;
}

bool Jobs::Replay(Work& work) {
  if (work.campaigns.empty()) {
    End(work, Job::State::kDone, "");
    return true;
  }
  const queue::Campaign& campaign = work.campaigns.back();
  const absl::StatusOr<queue::ParkedPage> page = store_.ListParked(campaign.id, work.parked_after, kPageParked);
  if (!page.ok()) {
    End(work, Job::State::kFailed, std::string(page.status().message()));
    return true;
  }
  const absl::Time now = absl::Now();
  queue::ReplayStep step{
      .campaign = campaign.id, .mailing = node_.mailing_of(campaign), .accepted = now, .rows = {}, .record = {}};
  const absl::Duration lives = work.job.expires_in.value_or(campaign.spec.expires_in);
  for (const queue::ParkedRow& row : page->rows) {
    if (!MeansParked(work, campaign, row)) continue;
    const absl::Time due = NextPaced(work, campaign, DomainOf(row.row.recipient), now);
    step.rows.push_back({row.row.message.row, due, due + lives});
  }
  if (!step.rows.empty()) {
    Job after = work.job;
    step.record = [&](uint64_t replayed, uint64_t suppressed) {
      after.moved += replayed;
      after.suppressed += suppressed;
      return queue::Order{queue::OrderKind::kJob, after.number, after.ToText()};
    };
    const absl::StatusOr<queue::ReplayedRows> replayed = store_.ReplaySome(step);
    if (!replayed.ok()) {
      End(work, Job::State::kFailed, std::string(replayed.status().message()));
      return true;
    }
    work.job.moved = after.moved;
    work.job.suppressed = after.suppressed;
    Publish(work.job);
    for (const queue::ReplayedRows::Lane& lane : replayed->lanes) {
      const auto rows = static_cast<int64_t>(lane.rows);
      node_.revise(lane.lane, rows, rows, lane.due);
    }
    work.refills = work.refills || replayed->rows > 0;
  }
  work.parked_after = page->after;
  // The shards look through the campaign's lanes each time: once a second is enough.
  if (work.refills && (page->done || now - work.refilled >= absl::Seconds(1))) {
    node_.refilled(campaign.id);
    work.refilled = now;
    work.refills = false;
  }
  if (page->done) {
    work.campaigns.pop_back();
    work.parked_after = {};
  }
  return true;
}

void Jobs::Publish(const Job& job) {
  const std::lock_guard lock(mutex_);
  jobs_[job.number] = job;
}

void Jobs::End(Work& work, Job::State state, std::string why) {
  if (work.kept) holds_.KeepFor(work.job.number, nullptr);
  work.kept = false;
  work.over = true;
  work.job.state = state;
  work.job.why = std::move(why);
  work.job.ended = absl::Now();
  if (state == Job::State::kFailed) {
    LogError("a job has failed; what it moved stays moved", {{"job", work.job.Id()}, {"why", work.job.why}});
  }
  // If it cannot be written the next start begins it again, which moves what is left.
  if (const absl::Status written = Write(work.job); !written.ok()) Publish(work.job);
  ended_.notify_all();
}

}  // namespace sealift::engine
