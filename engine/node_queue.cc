// The node's questions about the queue: what is in it.
#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <future>
#include <map>
#include <set>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/numbers.h"
#include "engine/campaign_settings.h"
#include "engine/exit_code.h"
#include "engine/filter_names.h"
#include "engine/message_identity.h"
#include "engine/node_impl.h"
#include "engine/smtp/mailbox.h"

namespace sealift::engine {
namespace {

constexpr int kPageLanes = 4096;
constexpr int kPageRowsWithFields = 32;
constexpr int kCountedPage = 4096;
constexpr absl::Duration kAnswerWithin = absl::Milliseconds(500);  // what the DNS has not said by then is not known
constexpr size_t kLookedAtMax = 200'000;                           // rows for one page: an answer comes in bounded time

std::string DomainOf(const queue::StoredRow& row) { return row.recipient.substr(row.recipient.rfind('@') + 1); }

size_t AgeBucket(absl::Duration age) {
  if (age < absl::Minutes(5)) return 0;
  if (age < absl::Hours(1)) return 1;
  if (age < absl::Hours(4)) return 2;
  if (age < absl::Hours(24)) return 3;
  return 4;
}

// What a row's events call it.
std::string KeyText(const queue::StoredRow& row, std::optional<size_t> key) {
  if (key.has_value() && *key < row.fields.size()) return row.fields[*key];
  return fmt::format("{}", static_cast<uint32_t>(row.message.row));
}

std::optional<absl::Time> DueOf(const queue::StoredRow& row) {
  if (row.due == absl::InfinitePast() || row.in_doubt()) return std::nullopt;
  return row.due;
}

// A page of lanes, waited for.
queue::LanesPage ReadLanes(queue::Store& store, queue::CampaignId id, const std::string& cursor) {
  auto read = std::make_shared<std::promise<queue::LanesPage>>();
  std::future<queue::LanesPage> page = read->get_future();
  store.ReadLanes(id, cursor, kPageLanes, 0, 1, [read](queue::LanesPage got) { read->set_value(std::move(got)); });
  return page.get();
}

// The `max` of them that have the most.
std::set<queue::DestinationId> Longest(const absl::flat_hash_map<queue::DestinationId, uint64_t>& queued, size_t max) {
  using Length = std::pair<uint64_t, queue::DestinationId>;
  std::vector<Length> shortest_first;  // a heap
  for (const auto& [destination, rows] : queued) {
    shortest_first.emplace_back(rows, destination);
    std::ranges::push_heap(shortest_first, std::greater<Length>());
    if (shortest_first.size() <= max) continue;
    std::ranges::pop_heap(shortest_first, std::greater<Length>());
    shortest_first.pop_back();
  }
  std::set<queue::DestinationId> longest;
  for (const auto& [rows, destination] : shortest_first) longest.insert(destination);
  return longest;
}

bool IsLonger(const ShapeRow& a, const ShapeRow& b) {
  return a.queued != b.queued ? a.queued > b.queued : a.domain < b.domain;
}

}  // namespace

absl::StatusOr<std::vector<queue::Campaign>> NodeImpl::Matching(const QueueFilter& filter) {
  absl::StatusOr<std::vector<queue::Campaign>> campaigns = std::vector<queue::Campaign>();
  if (filter.campaign.has_value()) {
    absl::StatusOr<queue::Campaign> campaign = campaigns_->Find(*filter.campaign);
    if (!campaign.ok()) return campaign.status();
    campaigns->push_back(*std::move(campaign));
  } else {
    campaigns = store_->ListCampaigns();
    if (!campaigns.ok()) return campaigns.status();
  }
  if (absl::Status known = CheckNames(filter, *options(), *campaigns); !known.ok()) return known;
  std::erase_if(*campaigns, [&](const queue::Campaign& campaign) {
    return campaign.counters.queued() == 0 || (filter.stream.has_value() && campaign.spec.stream != *filter.stream) ||
           (filter.source.has_value() && !LeavesFrom(campaign.spec.stream, *filter.source));
  });
  return campaigns;
}

absl::StatusOr<uint64_t> NodeImpl::ForEachLane(
    const QueueFilter& filter, absl::Time until,
    const std::function<void(const queue::Campaign&, const queue::LaneRecord&)>& visit,
    uint64_t queue::LaneRecord::* counted) {
  const absl::StatusOr<RowMatcher> matcher = RowMatcher::Of(filter, *store_);
  if (!matcher.ok()) return matcher.status();
  const absl::StatusOr<std::vector<queue::Campaign>> campaigns = Matching(filter);
  if (!campaigns.ok()) return campaigns.status();
  std::map<std::string, std::string> providers;
  uint64_t unplaced = 0;
  for (const queue::Campaign& campaign : *campaigns) {
    std::string cursor;
    for (bool done = false; !done;) {
      queue::LanesPage page = ReadLanes(*store_, campaign.id, cursor);
      if (!page.status.ok()) return page.status;
      // As if they were of the provider that is meant.
      const auto facts_of = [&](const queue::LaneRecord& lane) {
        return LaneFacts{lane.lane, campaign.spec.name, campaign.spec.stream, lane.domain,
                         filter.provider.has_value() ? &*filter.provider : nullptr};
      };
      std::erase_if(page.lanes, [&](const queue::LaneRecord& lane) { return !matcher->MayMean(facts_of(lane)); });
      if (filter.provider.has_value()) {
        std::set<std::string> domains;
        for (const queue::LaneRecord& lane : page.lanes) domains.insert(lane.domain);
        FindProviders(domains, until, providers);
      }
      for (const queue::LaneRecord& lane : page.lanes) {
        const auto provider = providers.find(lane.domain);
        const bool placed = !filter.provider.has_value() || provider != providers.end();
        if (!placed) {
          unplaced += lane.*counted;
        } else if (!filter.provider.has_value() || provider->second == *filter.provider) {
          visit(campaign, lane);
        }
      }
      cursor = std::move(page.cursor);
      done = page.done;
    }
  }
  return unplaced;
}

absl::StatusOr<RowCount> NodeImpl::CountRows(const QueueFilter& filter, absl::Duration patience) {
  const absl::Time until = absl::Now() + patience;
  RowCount count;
  if (!filter.OfRows()) {
    const absl::StatusOr<uint64_t> unplaced =
        ForEachLane(filter, until, [&](const queue::Campaign&, const queue::LaneRecord& lane) {
          count.rows += lane.queued - std::min(lane.in_doubt, lane.queued);
        });
    if (!unplaced.ok()) return unplaced.status();
    count.unplaced = *unplaced;
    return count;
  }
  const bool in_doubt_too = filter.state == kInDoubtState || restoration_->pending();
  std::string cursor;
  do {
    const absl::StatusOr<QueuePage> page = ListRowsWithin(filter, cursor, kCountedPage, until);
    if (!page.ok()) return page.status();
    count.rows += in_doubt_too ? page->rows.size()
                               : static_cast<uint64_t>(std::ranges::count_if(
                                     page->rows, [](const QueueRow& row) { return row.state != kInDoubtState; }));
    count.unplaced += page->unplaced;
    cursor = page->cursor;
  } while (!cursor.empty());
  return count;
}

absl::StatusOr<Node::QueueShape> NodeImpl::Shape(const QueueFilter& filter, size_t max) {
  if (filter.OfRows()) return ShapeOfRows(filter, max);
  // There may be as many destinations as rows: which are the longest is looked for first, by their numbers.
  const absl::Time now = absl::Now();
  absl::flat_hash_map<queue::DestinationId, uint64_t> queued;
  const absl::StatusOr<uint64_t> looked = ForEachLane(
      filter, now + kAnswerWithin,
      [&](const queue::Campaign&, const queue::LaneRecord& lane) { queued[lane.lane.destination] += lane.queued; });
  if (!looked.ok()) return looked.status();
  const std::set<queue::DestinationId> longest = Longest(queued, max);
  std::map<std::string, ShapeRow> rows;
  QueueShape shape{.destinations = queued.size()};
  const absl::StatusOr<uint64_t> unplaced =
      ForEachLane(filter, now + kAnswerWithin, [&](const queue::Campaign& campaign, const queue::LaneRecord& lane) {
        const bool shown = longest.contains(lane.lane.destination);
        ShapeRow& row = shown ? rows[lane.domain] : shape.others;
        if (shown) row.domain = lane.domain;
        row.queued += lane.queued;
        row.retrying += lane.retrying;
        row.ages[AgeBucket(now - campaign.created)] += lane.queued;
      });
  if (!unplaced.ok()) return unplaced.status();
  shape.unplaced = *unplaced;
  for (auto& [domain, row] : rows) shape.rows.push_back(std::move(row));
  std::ranges::sort(shape.rows, IsLonger);
  return shape;
}

absl::StatusOr<Node::QueueShape> NodeImpl::ShapeOfRows(const QueueFilter& filter, size_t max) {
  const absl::Time now = absl::Now();
  QueueShape shape;
  absl::flat_hash_map<std::string, ShapeRow> rows;
  std::string cursor;
  do {
    const absl::StatusOr<QueuePage> page = ListRowsWithin(filter, cursor, kCountedPage, now + kAnswerWithin);
    if (!page.ok()) return page.status();
    for (const QueueRow& queued : page->rows) {
      ShapeRow& row = rows[queued.domain];
      ++row.queued;
      if (queued.attempts > 0) ++row.retrying;
      ++row.ages[AgeBucket(now - queued.accepted)];
    }
    shape.unplaced += page->unplaced;
    cursor = page->cursor;
  } while (!cursor.empty());
  shape.destinations = rows.size();
  for (auto& [domain, row] : rows) {
    row.domain = domain;
    shape.rows.push_back(std::move(row));
  }
  std::ranges::sort(shape.rows, IsLonger);
  for (; shape.rows.size() > max; shape.rows.pop_back()) {
    const ShapeRow& last = shape.rows.back();
    shape.others.queued += last.queued;
    shape.others.retrying += last.retrying;
    for (size_t i = 0; i < std::size(last.ages); ++i) shape.others.ages[i] += last.ages[i];
  }
  return shape;
}

absl::StatusOr<Node::QueuePage> NodeImpl::ListRows(const QueueFilter& filter, std::string cursor, int max) {
  return ListRowsWithin(filter, cursor, max, absl::Now() + kAnswerWithin);
}

absl::StatusOr<Node::QueuePage> NodeImpl::ListRowsWithin(const QueueFilter& filter, const std::string& cursor, int max,
                                                         absl::Time until) {
  const absl::StatusOr<RowMatcher> matcher = RowMatcher::Of(filter, *store_);
  if (!matcher.ok()) return matcher.status();
  QueuePage page;
  const bool in_doubt = restoration_->pending().has_value();
  const std::shared_ptr<const HoldSet> holds = holds_->in_force();
  const auto add = [&](const queue::Campaign& campaign, std::optional<size_t> key, const queue::StoredRow& row,
                       bool held) {
    const size_t at = row.recipient.rfind('@');
    page.rows.push_back({.id = store_->EncodeMessageId(row.message),
                         .campaign = campaign.spec.name,
                         .stream = campaign.spec.stream,
                         .domain = at == std::string::npos ? std::string() : row.recipient.substr(at + 1),
                         .recipient = row.recipient,
                         .key = KeyText(row, key),
                         .state = in_doubt || row.in_doubt() ? "in_doubt"
                                  : held                     ? "held"
                                  : row.attempts > 0         ? "retrying"
                                                             : "fresh",
                         .attempts = row.attempts,
                         .due = DueOf(row),
                         .accepted = row.accepted,
                         .expires = row.expires});
  };
  const absl::Time now = absl::Now();
  std::map<std::string, std::string> providers;
  const auto lane_of = [&](const queue::Campaign& campaign, const queue::StoredRow& row, const std::string& domain) {
    LaneFacts lane{row.message.lane, campaign.spec.name, campaign.spec.stream, domain};
    if (!filter.provider.has_value() && !holds->empty()) {
      const auto [provider, fresh] = providers.try_emplace(domain);
      if (fresh) provider->second = ProviderOf(domain);
    }
    if (const auto provider = providers.find(domain); provider != providers.end()) lane.provider = &provider->second;
    return lane;
  };
  const auto facts_of = [&](const LaneFacts& lane, const queue::StoredRow& row) {
    RowFacts facts{.id = row.message.row,
                   .attempts = row.attempts,
                   .reason_class = row.reason_class,
                   .recipient = row.recipient,
                   .accepted = row.accepted,
                   .in_doubt = in_doubt || row.in_doubt()};
    facts.held = !holds->empty() && (holds->OnLane(lane) != nullptr || holds->OnRow(lane, facts, now) != nullptr);
    return facts;
  };
  if (filter.id.has_value() && filter.terms() == 1) {
    const absl::StatusOr<queue::MessageKey> key = ParseMessageName(*store_, *filter.id);
    if (!key.ok()) return key.status();
    const absl::StatusOr<queue::Trace> trace = store_->TraceMessage(*key);
    if (!trace.ok()) return trace.status();
    const absl::StatusOr<queue::Campaign> campaign = store_->GetCampaign(key->lane.campaign);
    if (campaign.ok() && trace->row.has_value() && !trace->row->parked) {
      const std::string domain = DomainOf(*trace->row);
      add(*campaign, KeyFieldOf(*campaign), *trace->row,
          facts_of(lane_of(*campaign, *trace->row, domain), *trace->row).held);
    }
    return page;
  }
  absl::StatusOr<std::vector<queue::Campaign>> campaigns = Matching(filter);
  if (!campaigns.ok()) return campaigns.status();
  std::ranges::sort(*campaigns, {}, &queue::Campaign::id);
  queue::RowFilter rows{.destination = matcher->destination()};
  size_t looked_at = 0;
  // The cursor is the campaign's number and the store's cursor within it.
  uint32_t from = 0;
  std::string within;
  if (!cursor.empty()) {
    const size_t colon = cursor.find(':');
    if (colon == std::string::npos || !absl::SimpleAtoi(cursor.substr(0, colon), &from) ||
        !store_->GetCampaign(queue::CampaignId{from}).ok()) {
      return WithExit(
          absl::InvalidArgumentError("this is not a cursor of this list: take the one that the last page came with"),
          ExitCode::kBadData);
    }
    within = cursor.substr(colon + 1);
  }
  for (const queue::Campaign& campaign : *campaigns) {
    const uint32_t number = static_cast<uint32_t>(campaign.id);
    if (number < from) continue;  // that of the cursor may have no rows any more: the next one's follow
    std::string position = number == from ? within : std::string();
    // The list of campaigns is without their settings; with fields a row may be large, so that few are read at a time.
    std::optional<size_t> key;
    if (const absl::StatusOr<queue::Campaign> whole = store_->GetCampaign(campaign.id); whole.ok()) {
      key = KeyFieldOf(*whole);
    }
    rows.fields = key.has_value();
    while (true) {
      const int left = max - static_cast<int>(page.rows.size());
      if (left <= 0 || looked_at >= kLookedAtMax) {
        page.cursor = fmt::format("{}:{}", number, position);
        return page;
      }
      const absl::StatusOr<queue::RowsPage> got =
          store_->ListRows(campaign.id, rows, position, rows.fields ? std::min(left, kPageRowsWithFields) : left);
      if (absl::IsInvalidArgument(got.status())) return WithExit(got.status(), ExitCode::kBadData);
      if (!got.ok()) return got.status();
      looked_at += got->rows.size();
      if (filter.provider.has_value()) {
        std::set<std::string> domains;
        for (const queue::StoredRow& row : got->rows) domains.insert(DomainOf(row));
        FindProviders(domains, until, providers);
      }
      for (const queue::StoredRow& row : got->rows) {
        const std::string domain = DomainOf(row);
        const LaneFacts lane = lane_of(campaign, row, domain);
        const RowFacts facts = facts_of(lane, row);
        LaneFacts placed = lane;
        if (filter.provider.has_value() && lane.provider == nullptr) placed.provider = &*filter.provider;
        if (!matcher->MayMean(placed) || !matcher->Means(facts, now)) continue;
        if (placed.provider == lane.provider) {
          add(campaign, key, row, facts.held);
        } else {
          ++page.unplaced;
        }
      }
      position = got->cursor;
      if (got->done) break;
    }
  }
  return page;
}

absl::StatusOr<MessageTrace> NodeImpl::Trace(std::string_view id) {
  const absl::StatusOr<queue::MessageKey> key = ParseMessageName(*store_, id);
  if (!key.ok()) return key.status();
  return TraceOf(*key);
}

absl::StatusOr<std::vector<MessageTrace>> NodeImpl::FindMessages(std::string_view recipient) {
  const absl::StatusOr<Mailbox> mailbox = ParseMailbox(recipient);
  if (!mailbox.ok()) return WithExit(mailbox.status(), ExitCode::kUsage);
  const absl::StatusOr<std::vector<queue::Campaign>> campaigns = store_->ListCampaigns();
  if (!campaigns.ok()) return campaigns.status();
  std::vector<MessageTrace> found;
  for (const queue::Campaign& campaign : *campaigns) {
    const absl::StatusOr<std::vector<queue::MessageKey>> keys =
        store_->FindMessagesTo(campaign.id, mailbox->ToString());
    if (!keys.ok()) return keys.status();
    for (const queue::MessageKey& key : *keys) {
      absl::StatusOr<MessageTrace> trace = TraceOf(key);
      // Nothing is known of a message that is past every retention but its campaign's name.
      if (!trace.ok() && !absl::IsNotFound(trace.status())) return trace.status();
      if (trace.ok()) found.push_back(*std::move(trace));
    }
  }
  return found;
}

absl::StatusOr<MessageTrace> NodeImpl::TraceOf(const queue::MessageKey& key) {
  absl::StatusOr<queue::Trace> found = store_->TraceMessage(key);
  if (!found.ok()) return found.status();
  if (found->events.empty() && !found->row.has_value()) {
    return WithExit(absl::NotFoundError("nothing is known of a message with that id: this node never had it, or its "
                                        "events are past retention.events"),
                    ExitCode::kNoInput);
  }
  MessageTrace trace{.id = store_->EncodeMessageId(key)};
  const absl::StatusOr<queue::Campaign> of = store_->GetCampaign(key.lane.campaign);
  if (of.ok()) {
    trace.campaign = of->spec.name;
    trace.stream = of->spec.stream;
    if (found->row.has_value()) trace.key = KeyText(*found->row, KeyFieldOf(*of));
  }
  const bool cancelled = of.ok() && of->state == queue::CampaignState::kCancelled;
  const bool unsettled = found->events.empty() || found->events.back().kind == queue::OutcomeKind::kDeferred;
  if (found->row.has_value() && found->row->parked) {
    trace.state = std::string(queue::ToString(found->row->outcome));
    trace.recipient = found->row->recipient;
  } else if (cancelled && unsettled) {
    // With all that its campaign had queued, which is one event of the campaign.
    trace.state = queue::ToString(queue::OutcomeKind::kCancelled);
    trace.recipient = found->row.has_value() ? found->row->recipient : found->events.back().recipient;
  } else if (found->row.has_value()) {
    const bool in_doubt = found->row->in_doubt() || restoration_->pending().has_value();
    trace.state = in_doubt ? "in_doubt" : (found->row->attempts > 0 ? "deferred" : "queued");
    trace.recipient = found->row->recipient;
    trace.due = DueOf(*found->row);
    if (of.ok()) trace.wait = WhyRowWaits(*of, *found->row);
  } else if (!found->events.empty()) {
    trace.state = std::string(queue::ToString(found->events.back().kind));
    trace.recipient = found->events.back().recipient;
  }
  if (trace.key.empty() && !found->events.empty()) trace.key = found->events.back().key;
  if (trace.key.empty()) trace.key = fmt::format("{}", static_cast<uint32_t>(key.row));
  trace.attempts = std::move(found->events);
  return trace;
}

}  // namespace sealift::engine
