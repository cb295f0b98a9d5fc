#include "engine/hold_set.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

namespace sealift::engine {
namespace {

using nlohmann::json;

constexpr Hold::Kind kKinds[] = {Hold::Kind::kHold, Hold::Kind::kSuspension, Hold::Kind::kRoute, Hold::Kind::kJob};

bool Bars(const Hold& hold) { return hold.kind != Hold::Kind::kRoute && hold.filter.source.has_value(); }
bool Keeps(const Hold& hold) { return hold.kind != Hold::Kind::kRoute && !hold.filter.source.has_value(); }

}  // namespace

std::string_view ToString(Hold::Kind kind) {
  switch (kind) {
    case Hold::Kind::kHold:
      return "hold";
    case Hold::Kind::kSuspension:
      return "suspension";
    case Hold::Kind::kRoute:
      return "route";
    case Hold::Kind::kJob:
      return "job";
  }
  return "hold";
}

std::string Hold::Id() const { return fmt::format("{}{}", kind == Kind::kJob ? "j" : "h", number); }

std::string Hold::ToText() const {
  json text = {{"kind", ToString(kind)}, {"filter", json::parse(FilterToText(filter))}, {"ended", ended}};
  if (!to_pool.empty()) text["to_pool"] = to_pool;
  if (!address.empty()) text["address"] = address;
  if (!hosts.empty()) text["hosts"] = hosts;
  if (until != absl::InfiniteFuture()) text["until_ms"] = absl::ToUnixMillis(until);
  for (const Entry& entry : history) {
    text["history"].push_back({{"time_ms", absl::ToUnixMillis(entry.time)},
                               {"what", entry.what},
                               {"by", entry.by},
                               {"reason", entry.reason}});
  }
  return text.dump(-1, ' ', false, json::error_handler_t::replace);
}

absl::StatusOr<Hold> Hold::Parse(uint32_t number, std::string_view text) {
  const auto malformed = [] {
    return absl::DataLossError("a hold was written in a form that this version does not know");
  };
  const json read = json::parse(text, nullptr, false);
  if (!read.is_object()) return malformed();
  Hold hold{.number = number};
  const std::string kind = read.value("kind", "");
  const auto known = std::ranges::find_if(kKinds, [&](Kind each) { return ToString(each) == kind; });
  const auto filter = read.find("filter");
  const auto history = read.find("history");
  if (known == std::end(kKinds) || filter == read.end() || history == read.end() || !history->is_array() ||
      history->empty()) {
    return malformed();
  }
  hold.kind = *known;
  absl::StatusOr<QueueFilter> parsed = ParseFilter(filter->dump());
  if (!parsed.ok()) return parsed.status();
  hold.filter = *std::move(parsed);
  hold.to_pool = read.value("to_pool", "");
  hold.address = read.value("address", "");
  if (const auto hosts = read.find("hosts"); hosts != read.end() && hosts->is_array()) {
    for (const json& host : *hosts) {
      if (host.is_string()) hold.hosts.push_back(host.get<std::string>());
    }
  }
  hold.ended = read.value("ended", false);
  if (read.contains("until_ms")) hold.until = absl::FromUnixMillis(read.value("until_ms", int64_t{0}));
  for (const json& entry : *history) {
    if (!entry.is_object()) return malformed();
    hold.history.push_back({.time = absl::FromUnixMillis(entry.value("time_ms", int64_t{0})),
                            .what = entry.value("what", ""),
                            .by = entry.value("by", ""),
                            .reason = entry.value("reason", "")});
  }
  return hold;
}

HoldSet::HoldSet(std::vector<std::shared_ptr<const Hold>> holds, const queue::Store& store, uint64_t generation)
    : holds_(std::move(holds)), generation_(generation) {
  // What keeps a lane whatever its site is said first: it is known, and counted, without looking the site up.
  for (const bool by_provider : {false, true}) {
    for (const std::shared_ptr<const Hold>& hold : holds_) {
      if (hold->filter.provider.has_value() != by_provider) continue;
      // What was checked when it was placed is understood again.
      absl::StatusOr<RowMatcher> matcher = RowMatcher::Of(hold->filter, store);
      if (matcher.ok()) orders_.push_back({hold, *std::move(matcher)});
    }
  }
}

std::shared_ptr<const Hold> HoldSet::OnLane(const LaneFacts& lane) const {
  for (const Order& order : orders_) {
    if (Keeps(*order.hold) && !order.hold->filter.OfRows() && order.matcher.MayMean(lane)) return order.hold;
  }
  return nullptr;
}

std::shared_ptr<const Hold> HoldSet::OfRows(const LaneFacts& lane) const {
  for (const Order& order : orders_) {
    if (Keeps(*order.hold) && order.hold->filter.OfRows() && order.matcher.MayMean(lane)) return order.hold;
  }
  return nullptr;
}

std::shared_ptr<const Hold> HoldSet::OnRow(const LaneFacts& lane, const RowFacts& row, absl::Time now) const {
  for (const Order& order : orders_) {
    if (!Keeps(*order.hold) || !order.hold->filter.OfRows()) continue;
    if (order.matcher.MayMean(lane) && order.matcher.Means(row, now)) return order.hold;
  }
  return nullptr;
}

absl::Time HoldSet::KeptUntil(const LaneFacts& lane, const RowFacts* row, absl::Time now) const {
  absl::Time until = absl::InfinitePast();
  for (const Order& order : orders_) {
    if (!Keeps(*order.hold) || !order.matcher.MayMean(lane)) continue;
    if (order.hold->filter.OfRows() && (row == nullptr || !order.matcher.Means(*row, now))) continue;
    until = std::max(until, order.hold->until);
  }
  return until;
}

HoldSet::Placement HoldSet::PlacementOf(const LaneFacts& lane) const {
  Placement placement;
  uint32_t newest = 0;
  for (const Order& order : orders_) {
    if (Keeps(*order.hold) || !order.matcher.MayMean(lane)) continue;
    if (!Bars(*order.hold)) {
      if (order.hold->number < newest) continue;  // the last one that was given decides
      newest = order.hold->number;
      placement.pool = order.hold->to_pool;
      continue;
    }
    placement.barred.push_back(*order.hold->filter.source);
  }
  std::ranges::sort(placement.barred);
  const auto twice = std::ranges::unique(placement.barred);
  placement.barred.erase(twice.begin(), twice.end());
  return placement;
}

}  // namespace sealift::engine
