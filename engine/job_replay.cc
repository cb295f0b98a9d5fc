// Settled rows go back into the queue when their time comes, at the pace that was asked for or at a tenth of what
// limits each destination. Until then a row stays settled: a cancellation leaves it so, and what a stop, a paused
// campaign or a hold has kept up goes on at the same pace. What is kept waits where it is parked, so that however much
// there is of it, others are come to: it is read again once nothing keeps it.
#include <fmt/format.h>

#include <algorithm>
#include <deque>
#include <set>
#include <utility>

#include "engine/job_work.h"
#include "queue/reply_line.h"
#include "re2/re2.h"

namespace sealift::engine {
namespace {

constexpr int kPageParked = 256;
constexpr size_t kWaitingMax = 262'144;                     // rows whose time has not come, and domains that are kept
constexpr size_t kStepRows = 256;                           // that go back in a commit, or are found to be kept
constexpr size_t kPacedDomainsMax = 1000;                   // apart; the others share a pace
constexpr absl::Duration kAhead = absl::Milliseconds(500);  // that a row goes back before it is due
constexpr absl::Duration kStatesFor = absl::Milliseconds(200);  // that the campaigns' states are believed
constexpr absl::Duration kKeptFor = absl::Seconds(1);           // that what is kept is believed to be so still
constexpr absl::Duration kPaceFor = absl::Minutes(10);  // that a pace is kept: a warm-up, or a reload, brings another
constexpr absl::Duration kProvidersFor = absl::Seconds(5);  // that a domain is believed to be of a provider
constexpr uint32_t kWhole = UINT32_MAX;                     // instead of a domain: all of a campaign
constexpr Rate kUnlimitedPace{.count = 100, .period = absl::Seconds(1)};  // where nothing limits a destination

// Empty: there was none. What expired, or an operator settled, was not replied to then.
std::string LastReply(const queue::Trace& trace) {
  const auto last = std::ranges::find_if(trace.events.rbegin(), trace.events.rend(), [](const queue::Event& event) {
    return event.code != 0 || !event.reply.empty();
  });
  return last == trace.events.rend() ? "" : queue::ReplyLine(last->code, last->enhanced, last->reply);
}

std::string DomainOf(std::string_view recipient) { return std::string(recipient.substr(recipient.rfind('@') + 1)); }

class Replay : public JobWork {
 public:
  Replay(Job job, RowMatcher matcher, const Services& services)
      : JobWork(std::move(job), std::move(matcher), services) {
    job_.suppressed = 0;  // it looks at all settled rows again: those that it had moved are not among them, these are
    if (job_.matching.empty()) return;
    RE2::Options as_in_rules(RE2::Quiet);
    as_in_rules.set_case_sensitive(false);
    matching_ = std::make_unique<RE2>(job_.matching, as_in_rules);
  }

  bool GiveUp(queue::CampaignId campaign) override {
    if (!job_.given_up.insert(campaign).second) return false;
    for (uint32_t number = 0; number < readings_.size(); ++number) {
      if (campaigns_[number].id != campaign) continue;
      queue::RowId first{};
      job_.gone += Forget(number, &first) + std::exchange(readings_[number].owed, 0);
    }
    return true;
  }

 protected:
  absl::StatusOr<uint64_t> CountMeant() override {
    uint64_t rows = 0;
    for (const queue::Campaign& campaign : campaigns_) {
      queue::RowId after{};
      for (bool done = false; !done;) {
        const absl::StatusOr<queue::ParkedPage> page = services_.store.ListParked(campaign.id, after, kPageParked);
        if (!page.ok()) return page.status();
        if (absl::Status counted = CountIn(campaign, page->rows, &rows); !counted.ok()) return counted;
        after = page->after;
        done = page->done;
      }
      if (!IsCancelled(campaign)) continue;
      std::string cursor;
      for (bool done = false; !done;) {
        absl::StatusOr<queue::RowsPage> page = services_.store.ListRows(campaign.id, {}, cursor, kPageParked);
        if (!page.ok()) return page.status();
        std::vector<queue::ParkedRow> cancelled;
        for (queue::StoredRow& row : page->rows) cancelled.push_back(AsParked(campaign, std::move(row)));
        if (absl::Status counted = CountIn(campaign, cancelled, &rows); !counted.ok()) return counted;
        cursor = page->cursor;
        done = page->done;
      }
    }
    return rows;
  }

  absl::StatusOr<Progress> Move() override {
    const absl::Time now = absl::Now();
    readings_.resize(campaigns_.size());
    if (now - looked_at_kept_ > kKeptFor) LookAtKept(now);
    const bool looks = campaign_ < campaigns_.size() && waiting_ + kept_ < kWaitingMax;
    if (looks) {
      if (absl::Status looked = LookFurther(); !looked.ok()) return looked;
    }
    const absl::StatusOr<bool> moved = MoveDue(absl::Now());
    if (!moved.ok()) return moved.status();
    job_.why = kept_ == 0 ? "" : why_kept_;
    if (looks || *moved) return Progress::kMoved;
    return waiting_ + kept_ == 0 ? Progress::kDone : Progress::kWaits;
  }

 private:
  struct Waiting {
    queue::RowId row{};
    uint32_t campaign = 0, domain = 0;  // of campaigns_ and domains_
  };
  struct Pace {
    std::deque<Waiting> rows;
    double per_second = 0;
    absl::Time measured = absl::InfinitePast();
  };
  struct Kept {
    queue::RowId first{};
    uint64_t rows = 0;
  };
  // How far the settled rows of a campaign are read.
  struct Reading {
    bool all_parked = false;  // of one that is cancelled; how far, if not
    std::string parked_to;
    queue::RowId after{};
    bool done = false;
    std::map<uint32_t, Kept> kept;  // by domain, or kWhole: what was read and is kept
    queue::RowId again_to{};        // what is up to there was read before
    uint64_t owed = 0;              // rows that it had there, and that are not found again yet
  };

  static bool IsCancelled(const queue::Campaign& campaign) {
    return campaign.state == queue::CampaignState::kCancelled;
  }

  // A cancelled campaign's row as it will be once it is parked.
  static queue::ParkedRow AsParked(const queue::Campaign& campaign, queue::StoredRow row) {
    queue::ParkedRow parked{.kind = queue::OutcomeKind::kCancelled, .settled = campaign.ended};
    parked.reason_class = row.in_doubt() ? std::string(queue::kInDoubtClass) : row.reason_class;
    parked.row = std::move(row);
    return parked;
  }

  // Adds those of the rows that it would send.
  absl::Status CountIn(const queue::Campaign& campaign, const std::vector<queue::ParkedRow>& parked, uint64_t* rows) {
    FindProvidersOf(parked);
    const queue::Mailing mailing = services_.node.mailing_of(campaign);
    for (const queue::ParkedRow& row : parked) {
      if (!Means(campaign, row)) continue;
      const absl::StatusOr<std::optional<queue::SuppressionRecord>> record =
          services_.store.FindSuppressions(row.row.recipient);
      if (!record.ok()) return record.status();
      const bool suppressed =
          record->has_value() && std::ranges::any_of((*record)->InForce(), [&](const queue::SuppressionEntry* entry) {
            return entry->what.Binds(mailing);
          });
      *rows += suppressed ? 0 : 1;
    }
    return absl::OkStatus();
  }

  // Whether it is the job's, whatever its domain and its last reply.
  bool MayBeMeant(const queue::ParkedRow& parked) const {
    if (parked.kind != job_.outcome || parked.reason_class == "bad_mailbox") return false;
    if (parked.reason_class == queue::kInDoubtClass) return false;  // it may have arrived before it expired
    if (parked.settled > job_.created || parked.settled < job_.since) return false;
    const queue::StoredRow& row = parked.row;
    return matcher_.Means({row.message.row, row.attempts, parked.reason_class, row.recipient, row.accepted},
                          job_.created);
  }

  void FindProvidersOf(const std::vector<queue::ParkedRow>& parked) {
    std::set<std::string> domains;
    for (const queue::ParkedRow& row : parked) {
      if (MayBeMeant(row)) domains.insert(DomainOf(row.row.recipient));
    }
    FindProviders(domains);
  }

  bool Means(const queue::Campaign& campaign, const queue::ParkedRow& parked) {
    if (!MayBeMeant(parked)) return false;
    const queue::StoredRow& row = parked.row;
    const std::string domain = DomainOf(row.recipient);
    const LaneFacts lane = FactsOf(campaign, row.message.lane, domain);
    const bool unplaced = Unplaced(lane);
    if (!unplaced && !matcher_.MayMean(lane)) return false;
    if (matching_ != nullptr) {
      const absl::StatusOr<queue::Trace> trace = services_.store.TraceMessage(row.message);
      if (!trace.ok() || !RE2::PartialMatch(LastReply(*trace), *matching_)) return false;
    }
    unplaced_ += unplaced ? 1 : 0;
    return !unplaced;
  }

  // Reads the next settled rows, and takes those that are its own.
  absl::Status LookFurther() {
    const queue::Campaign& campaign = campaigns_[campaign_];
    Reading& reading = readings_[campaign_];
    if (job_.given_up.contains(campaign.id)) {
      EndReading();
      return absl::OkStatus();
    }
    if (IsCancelled(campaign) && !reading.all_parked) {
      const absl::StatusOr<queue::ParkedSome> parked = services_.store.ParkCancelled(campaign.id, reading.parked_to);
      if (!parked.ok()) return parked.status();
      reading.parked_to = parked->after;
      reading.all_parked = parked->done;
      return absl::OkStatus();
    }
    const absl::StatusOr<queue::ParkedPage> page = services_.store.ListParked(campaign.id, reading.after, kPageParked);
    if (!page.ok()) return page.status();
    FindProvidersOf(page->rows);
    for (const queue::ParkedRow& row : page->rows) {
      const bool again = row.row.message.row <= reading.again_to;
      const uint64_t unplaced = unplaced_;
      const bool meant = Means(campaign, row);
      if (again) unplaced_ = unplaced;  // it was counted then
      if (!meant) continue;
      if (again && reading.owed > 0) --reading.owed;
      const std::string domain = DomainOf(row.row.recipient);
      const auto [known, fresh] = domain_numbers_.try_emplace(domain, static_cast<uint32_t>(domains_.size()));
      if (fresh) domains_.push_back(&known->first);
      PaceOf(campaign, domain).rows.push_back({row.row.message.row, static_cast<uint32_t>(campaign_), known->second});
      ++waiting_;
    }
    reading.after = page->after;
    if (page->done || reading.after >= reading.again_to) job_.gone += std::exchange(reading.owed, 0);
    if (page->done) EndReading();
    return absl::OkStatus();
  }

  void EndReading() {
    readings_[campaign_].done = true;
    while (campaign_ < campaigns_.size() && readings_[campaign_].done) ++campaign_;
  }

  // Leaves the campaign's rows that it had taken to be found again: how many there are, and the first if it is before
  // `first`.
  uint64_t Forget(uint32_t number, queue::RowId* first) {
    uint64_t rows = 0;
    for (auto& [whose, pace] : paces_) {
      rows += std::erase_if(pace.rows, [&](const Waiting& row) {
        if (row.campaign == number) *first = std::min(*first, row.row);
        return row.campaign == number;
      });
    }
    waiting_ -= rows;
    for (const auto& [domain, kept] : readings_[number].kept) {
      *first = std::min(*first, kept.first);
      rows += kept.rows;
    }
    kept_ -= readings_[number].kept.size();
    readings_[number].kept.clear();
    return rows;
  }

  void KeepBack(const Waiting& row, uint32_t domain) {
    const auto [kept, fresh] = readings_[row.campaign].kept.try_emplace(domain, Kept{.first = row.row});
    kept->second.first = std::min(kept->second.first, row.row);
    ++kept->second.rows;
    kept_ += fresh ? 1 : 0;
    --waiting_;
  }

  // Reads the campaigns again of which something is not kept any more.
  void LookAtKept(absl::Time now) {
    looked_at_kept_ = now;
    for (uint32_t number = 0; number < readings_.size(); ++number) {
      Reading& reading = readings_[number];
      if (reading.kept.empty()) continue;
      std::string why = KeepsAll(number, now);
      const bool is_over = why.empty() && std::ranges::any_of(reading.kept, [&](const auto& kept) {
                             if (kept.first != kWhole) why = Keeps(number, kept.first, now);
                             return why.empty();
                           });
      if (!is_over) {
        why_kept_ = std::move(why);
        continue;
      }
      reading.again_to = std::max(reading.again_to, reading.after);
      queue::RowId first{static_cast<uint32_t>(reading.after) + 1};
      reading.owed += Forget(number, &first);
      reading.after = queue::RowId{static_cast<uint32_t>(first) - 1};
      reading.done = false;
      campaign_ = std::min<size_t>(campaign_, number);
    }
  }

  Pace& PaceOf(const queue::Campaign& campaign, const std::string& domain) {
    const bool apart = job_.rate.unlimited() && (paces_.contains(domain) || paces_.size() < kPacedDomainsMax);
    Pace& pace = paces_[apart ? domain : ""];
    if (pace.per_second == 0) Measure(pace, campaign, domain, absl::Now());
    return pace;
  }

  void Measure(Pace& pace, const queue::Campaign& campaign, const std::string& domain, absl::Time now) {
    const Rate limit = job_.rate.unlimited() ? services_.node.limit_of(campaign, domain) : job_.rate;
    const bool tenth = job_.rate.unlimited() && !limit.unlimited();
    pace.per_second = (limit.unlimited() ? kUnlimitedPace : limit).PerSecond() / (tenth ? 10 : 1);
    pace.measured = now;
  }

  // Why nothing of the campaign would be sent if it went back; empty: something would.
  std::string KeepsAll(uint32_t number, absl::Time now) {
    const queue::Campaign& campaign = campaigns_[number];
    if (now - states_read_ > kStatesFor) {
      states_.clear();
      states_read_ = now;
    }
    const auto [state, fresh] = states_.try_emplace(number, queue::CampaignState::kRunning);
    if (fresh) {
      const absl::StatusOr<queue::Campaign> read = services_.store.GetCampaign(campaign.id);
      if (read.ok()) state->second = read->state;
    }
    if (state->second == queue::CampaignState::kPaused) {
      return fmt::format("campaign '{}' is paused", campaign.spec.name);
    }
    return WhatKeeps({{campaign.id, {}}, campaign.spec.name, campaign.spec.stream, {}});
  }

  // ... of what the campaign has to the domain.
  std::string Keeps(uint32_t number, uint32_t domain_number, absl::Time now) {
    if (services_.holds.in_force()->empty()) return "";
    // A domain whose site is not known yet may turn out to be of a provider that is held.
    if (now - providers_read_ > kProvidersFor) {
      providers_.clear();
      providers_read_ = now;
    }
    const queue::Campaign& campaign = campaigns_[number];
    const std::string& domain = *domains_[domain_number];
    const auto [provider, unknown] = providers_.try_emplace(domain_number);
    if (unknown) provider->second = services_.node.provider_of(domain);
    return WhatKeeps({{campaign.id, services_.store.DestinationOf(domain)},
                      campaign.spec.name,
                      campaign.spec.stream,
                      domain,
                      &provider->second});
  }

  std::string WhatKeeps(const LaneFacts& lane) const {
    const std::shared_ptr<const Hold> hold = services_.holds.in_force()->OnLane(lane);
    return hold == nullptr ? "" : fmt::format("{} keeps some of its rows", hold->Id());
  }

  // Moves the rows whose time has come, or keeps them back, some of them; false: there were none.
  absl::StatusOr<bool> MoveDue(absl::Time now) {
    std::map<uint32_t, queue::ReplayStep> steps;  // by campaign
    size_t taken = 0, kept = 0;
    for (auto& [whose, pace] : paces_) {
      if (pace.rows.empty()) continue;
      if (now - pace.measured > kPaceFor) {
        const Waiting& first = pace.rows.front();
        Measure(pace, campaigns_[first.campaign], *domains_[first.domain], now);
      }
      absl::Time& next = job_.paced[whose];
      while (taken + kept < kStepRows && next <= now + kAhead && !pace.rows.empty()) {
        const Waiting row = pace.rows.front();
        pace.rows.pop_front();
        uint32_t domain = kWhole;
        std::string why = KeepsAll(row.campaign, now);
        if (why.empty()) why = Keeps(row.campaign, domain = row.domain, now);
        if (!why.empty()) {
          why_kept_ = std::move(why);
          KeepBack(row, domain);
          ++kept;
          continue;
        }
        // It was interrupted: what went back before that is due at once, and has that time to itself.
        if (next + kAhead < now) next = now + kAhead;
        const absl::Time due = std::max(next, now);
        next = due + absl::Seconds(1 / pace.per_second);
        const queue::Campaign& campaign = campaigns_[row.campaign];
        const absl::Duration lives = job_.expires_in.value_or(campaign.spec.expires_in);
        steps[row.campaign].rows.push_back({row.row, due, due + lives});
        ++taken;
      }
    }
    waiting_ -= taken;
    for (auto& [number, step] : steps) {
      if (absl::Status moved = Commit(campaigns_[number], step, now); !moved.ok()) return moved;
    }
    return taken + kept > 0;
  }

  absl::Status Commit(queue::Campaign& campaign, queue::ReplayStep& step, absl::Time now) {
    if (IsCancelled(campaign)) {  // and comes back with the first of its rows
      const absl::Status reopened = services_.node.reopen(campaign, job_);
      if (absl::IsFailedPrecondition(reopened)) return Gone(step);
      if (!reopened.ok()) return reopened;
      campaign.state = queue::CampaignState::kRunning;
    }
    step.campaign = campaign.id;
    step.mailing = services_.node.mailing_of(campaign);
    step.accepted = now;
    // Another order may have moved and settled it since it was looked at.
    step.meant = [this](const queue::ParkedRow& row) { return MayBeMeant(row); };
    Job after = job_;
    step.record = [&](uint64_t replayed, uint64_t suppressed) {
      after.moved += replayed;
      after.suppressed += suppressed;
      after.gone += step.rows.size() - replayed - suppressed;
      return queue::Order{queue::OrderKind::kJob, after.number, after.ToText()};
    };
    const absl::StatusOr<queue::ReplayedRows> replayed = services_.store.ReplaySome(step);
    if (absl::IsFailedPrecondition(replayed.status())) return Gone(step);
    if (!replayed.ok()) return replayed.status();
    job_.moved = after.moved;
    job_.suppressed = after.suppressed;
    job_.gone = after.gone;
    if (replayed->rows > 0) services_.node.returned(campaign.id, replayed->lanes);
    return absl::OkStatus();
  }

  // Their campaign was cancelled, or erased, since the job was ordered.
  absl::Status Gone(const queue::ReplayStep& step) {
    job_.gone += step.rows.size();
    return absl::OkStatus();
  }

  std::unique_ptr<RE2> matching_;      // null: any reply
  std::vector<Reading> readings_;      // of campaigns_; campaign_ is the first that is not done
  std::map<std::string, Pace> paces_;  // by domain; "" is that of all others
  size_t waiting_ = 0;                 // rows in paces_
  size_t kept_ = 0;                    // entries of that name in readings_
  std::string why_kept_;               // one of them
  absl::Time looked_at_kept_ = absl::InfinitePast();
  std::map<std::string, uint32_t> domain_numbers_;
  std::vector<const std::string*> domains_;    // names of domain_numbers_
  std::map<uint32_t, std::string> providers_;  // by domain
  absl::Time providers_read_ = absl::InfinitePast();
  std::map<uint32_t, queue::CampaignState> states_;  // of campaigns, as they were read
  absl::Time states_read_ = absl::InfinitePast();
};

}  // namespace

std::unique_ptr<JobWork> MakeReplay(Job job, RowMatcher matcher, const JobWork::Services& services) {
  return std::make_unique<Replay>(std::move(job), std::move(matcher), services);
}

}  // namespace sealift::engine
