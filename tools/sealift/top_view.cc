#include "tools/sealift/top_view.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>
#include <utility>

#include "tools/sealift/metric_text.h"
#include "tools/sealift/output.h"

namespace sealift::tools {
namespace {

using nlohmann::json;

constexpr std::string_view kDelivered = "sealift_messages_delivered_total",
                           kDeferred = "sealift_messages_deferred_total", kBounced = "sealift_messages_bounced_total";
constexpr size_t kListed = 8;  // of providers, sources and reasons on a screen

struct Rates {
  double delivered = 0, deferred = 0, bounced = 0;
  double all() const { return delivered + deferred + bounced; }
};

using Totals = std::map<std::string, double>;  // by label, or by metric

double Of(const Totals& totals, const std::string& key) {
  const auto found = totals.find(key);
  return found == totals.end() ? 0 : found->second;
}

Totals SumBy(const std::vector<MetricSample>& samples, std::string_view metric, std::string_view label) {
  Totals totals;
  for (const MetricSample& sample : samples) {
    if (sample.name == metric) totals[sample.Label(label)] += sample.value;
  }
  return totals;
}

// A counter that is smaller than before began anew with its process.
double Grown(double before, double after) { return after < before ? after : after - before; }

std::map<std::string, Rates> RatesBy(const std::vector<MetricSample>& before, const std::vector<MetricSample>& after,
                                     std::string_view label, double seconds) {
  std::map<std::string, Rates> rates;
  for (const auto& [metric, member] : {std::pair(kDelivered, &Rates::delivered), std::pair(kDeferred, &Rates::deferred),
                                       std::pair(kBounced, &Rates::bounced)}) {
    const Totals then = SumBy(before, metric, label);
    for (const auto& [name, total] : SumBy(after, metric, label)) {
      rates[name].*member = Grown(Of(then, name), total) / seconds;
    }
  }
  return rates;
}

json Busiest(const std::map<std::string, Rates>& rates) {
  std::vector<std::pair<std::string, Rates>> order(rates.begin(), rates.end());
  std::ranges::sort(order, {}, [](const auto& each) { return std::pair(-each.second.all(), each.first); });
  json list = json::array();
  for (const auto& [name, rate] : order) {
    if (name.empty()) continue;  // what no source had a part in
    list.push_back(
        {{"name", name}, {"delivered", rate.delivered}, {"deferred", rate.deferred}, {"bounced", rate.bounced}});
  }
  return list;
}

json Largest(const Totals& totals, const char* name, const char* count) {
  std::vector<std::pair<std::string, double>> order(totals.begin(), totals.end());
  std::ranges::sort(order, {}, [](const auto& each) { return std::pair(-each.second, each.first); });
  json list = json::array();
  for (const auto& [key, value] : order) {
    if (value > 0) list.push_back({{name, key}, {count, static_cast<uint64_t>(value)}});
  }
  return list;
}

double MeanSince(const std::vector<MetricSample>& before, const std::vector<MetricSample>& after,
                 const std::string& histogram) {
  const auto grown = [&](const std::string& name) {
    return Grown(Of(SumBy(before, name, ""), ""), Of(SumBy(after, name, ""), ""));
  };
  const double count = grown(histogram + "_count");
  return count == 0 ? 0 : grown(histogram + "_sum") / count;
}

std::string Bytes(double bytes) {
  constexpr const char* kUnits[] = {"B", "KiB", "MiB", "GiB"};
  size_t unit = 0;
  for (; bytes >= 1024 && unit < 3; ++unit) bytes /= 1024;
  return unit == 0 ? fmt::format("{:.0f} B", bytes) : fmt::format("{:.1f} {}", bytes, kUnits[unit]);
}

}  // namespace

json TopSnapshot(std::string_view before, std::string_view after, double seconds) {
  const std::vector<MetricSample> then = ParseMetricText(before), now = ParseMetricText(after);
  seconds = std::max(seconds, 0.001);
  Rates total;
  for (const auto& [source, rate] : RatesBy(then, now, "source", seconds)) {
    total.delivered += rate.delivered;
    total.deferred += rate.deferred;
    total.bounced += rate.bounced;
  }
  json memory = json::object(), queue = json::object();
  for (const auto& [part, bytes] : SumBy(now, "sealift_memory_bytes", "part"))
    memory[part] = static_cast<uint64_t>(bytes);
  for (const auto& [state, rows] : SumBy(now, "sealift_queue_messages", "state"))
    queue[state] = static_cast<uint64_t>(rows);
  const double commits = Grown(Of(SumBy(then, "sealift_queue_commit_seconds_count", ""), ""),
                               Of(SumBy(now, "sealift_queue_commit_seconds_count", ""), ""));
  json snapshot = {
      {"seconds", seconds},
      {"rates", {{"delivered", total.delivered}, {"deferred", total.deferred}, {"bounced", total.bounced}}},
      {"queue", queue},
      {"waiting", Largest(SumBy(now, "sealift_queue_waiting", "reason"), "reason", "rows")},
      {"providers", Busiest(RatesBy(then, now, "provider", seconds))},
      {"sources", Busiest(RatesBy(then, now, "source", seconds))},
      {"connections", static_cast<uint64_t>(Of(SumBy(now, "sealift_smtp_connections", ""), ""))},
      {"commit",
       {{"per_second", commits / seconds},
        {"mean_seconds", MeanSince(then, now, "sealift_queue_commit_seconds")},
        {"mean_rows", MeanSince(then, now, "sealift_queue_commit_rows")}}},
      {"memory", memory},
      {"disk_free_bytes", static_cast<uint64_t>(Of(SumBy(now, "sealift_disk_free_bytes", ""), ""))}};
  if (Of(SumBy(now, "sealift_delivery_mode", "mode"), "sink") > 0)
    snapshot["notice"] = "SINK: nothing leaves this machine";
  return snapshot;
}

std::vector<std::string> TopLines(const json& snapshot, size_t columns, size_t rows, bool colour) {
  std::vector<std::string> lines;
  const auto add = [&](std::string line, bool heading = false) {
    if (lines.size() >= rows) return;
    line = Printable(line).substr(0, columns);
    lines.push_back(heading && colour ? "\033[1m" + line + "\033[0m" : std::move(line));
  };
  if (snapshot.contains("notice")) add(snapshot["notice"].get<std::string>(), true);
  const json& rates = snapshot["rates"];
  add(fmt::format("delivered {:.1f}/s   deferred {:.1f}/s   bounced {:.1f}/s   connections {}",
                  rates["delivered"].get<double>(), rates["deferred"].get<double>(), rates["bounced"].get<double>(),
                  snapshot["connections"].get<uint64_t>()),
      true);
  std::string queue = "queue";
  for (const auto& [state, messages] : snapshot["queue"].items())
    queue += fmt::format("   {} {}", state, messages.get<uint64_t>());
  add(queue);
  const json& commit = snapshot["commit"];
  add(fmt::format("commit   {:.1f}/s   {:.1f} ms   {:.0f} rows   disk free {}", commit["per_second"].get<double>(),
                  commit["mean_seconds"].get<double>() * 1000, commit["mean_rows"].get<double>(),
                  Bytes(snapshot["disk_free_bytes"].get<double>())));
  std::string memory = "memory";
  for (const auto& [part, bytes] : snapshot["memory"].items())
    memory += fmt::format("   {} {}", part, Bytes(bytes.get<double>()));
  add(memory);
  const auto busiest = [&](const char* member, const char* title) {
    add("");
    add(fmt::format("{:<24}{:>12}{:>12}{:>12}", title, "DELIVERED/s", "DEFERRED/s", "BOUNCED/s"), true);
    size_t listed = 0;
    for (const json& one : snapshot[member]) {
      if (++listed > kListed) break;
      add(fmt::format("{:<24.24}{:>12.1f}{:>12.1f}{:>12.1f}", one["name"].get<std::string>(),
                      one["delivered"].get<double>(), one["deferred"].get<double>(), one["bounced"].get<double>()));
    }
  };
  busiest("providers", "DESTINATIONS");
  busiest("sources", "SOURCES");
  add("");
  add(fmt::format("{:<24}{:>12}", "WAITING BECAUSE OF", "ROWS"), true);
  size_t listed = 0;
  for (const json& one : snapshot["waiting"]) {
    if (++listed > kListed) break;
    add(fmt::format("{:<24.24}{:>12}", one["reason"].get<std::string>(), one["rows"].get<uint64_t>()));
  }
  return lines;
}

}  // namespace sealift::tools
