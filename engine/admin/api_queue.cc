// The routes of queued rows, messages and events.
#include <fmt/format.h>

#include <chrono>
#include <limits>
#include <nlohmann/json.hpp>
#include <thread>
#include <utility>

#include "engine/admin/api.h"
#include "engine/admin/api_call.h"
#include "engine/admin/api_json.h"
#include "engine/admin/api_mask.h"
#include "engine/exit_code.h"
#include "engine/units.h"

namespace sealift::engine {
namespace {

using nlohmann::json;

constexpr int kPageMax = 1000;
constexpr int kShapeMax = 100'000;
constexpr absl::Duration kHeartbeat = absl::Seconds(15);  // an empty line: says to the reader that nothing is broken

absl::Status Usage(const std::string& why) { return WithExit(absl::InvalidArgumentError(why), ExitCode::kUsage); }

}  // namespace

absl::StatusOr<json> Api::ListRows(Call& call) {
  const absl::StatusOr<QueueFilter> filter = call.Filter();
  if (!filter.ok()) return filter.status();
  const absl::StatusOr<int> limit = call.Number("limit", 100, kPageMax);
  if (!limit.ok()) return limit.status();
  call.entry.target = filter->Describe();
  const absl::StatusOr<Node::QueuePage> page = node_.ListRows(*filter, call.request.Query("after"), *limit);
  if (!page.ok()) return page.status();
  json answer = {{"rows", json::array()}, {"cursor", page->cursor}};
  for (const QueueRow& row : page->rows) answer["rows"].push_back(ToJson(row, call.reveal));
  AddUnplaced(page->unplaced, answer);
  return answer;
}

absl::StatusOr<json> Api::ShapeQueue(Call& call) {
  const absl::StatusOr<QueueFilter> filter = call.Filter();
  if (!filter.ok()) return filter.status();
  const absl::StatusOr<int> limit = call.Number("limit", 10'000, kShapeMax);
  if (!limit.ok()) return limit.status();
  const absl::StatusOr<Node::QueueShape> shape = node_.Shape(*filter, static_cast<size_t>(*limit));
  if (!shape.ok()) return shape.status();
  json answer = {{"destinations", json::array()}, {"total", shape->destinations}};
  uint64_t queued = shape->others.queued;
  for (const ShapeRow& row : shape->rows) {
    answer["destinations"].push_back(ToJson(row));
    queued += row.queued;
  }
  answer["queued"] = queued;
  if (shape->others.queued > 0) {
    answer["others"] = ToJson(shape->others);
    answer["others"].erase("domain");
  }
  AddUnplaced(shape->unplaced, answer);
  return answer;
}

absl::StatusOr<json> Api::TraceMessage(Call& call) {
  if (call.request.Query("as") == "show") call.entry.command = call.reveal ? "message show --reveal" : "message show";
  const absl::StatusOr<MessageTrace> trace = node_.Trace(call.Name());
  if (!trace.ok()) return trace.status();
  // Whatever it was named by: a token is for its holder alone.
  call.entry.target = trace->id.substr(0, trace->id.find('@'));
  return TraceAnswer(*trace, call.reveal);
}

absl::StatusOr<json> Api::FindMessages(Call& call) {
  // Whom was looked for stays out of the audit file: it says that somebody was.
  call.entry.target = "recipient";
  const absl::StatusOr<bool> reveal = call.Truth("reveal");
  if (!reveal.ok()) return reveal.status();
  if (*reveal) call.entry.command += " --reveal";
  if (call.entry.reason.empty())
    return Usage("To look for a person needs --reason TEXT; it is written to the audit file.");
  const absl::StatusOr<std::string> recipient = call.Text("recipient");
  if (!recipient.ok()) return recipient.status();
  if (recipient->empty()) return Usage("Whose messages? Say --recipient ADDR.");
  const absl::StatusOr<std::vector<MessageTrace>> found = node_.FindMessages(*recipient);
  if (!found.ok()) return found.status();
  json answer = {{"messages", json::array()}};
  for (const MessageTrace& trace : *found) answer["messages"].push_back(TraceAnswer(trace, *reveal));
  return answer;
}

json Api::TraceAnswer(const MessageTrace& trace, bool reveal) const {
  json answer = {{"id", trace.id},
                 {"key", trace.key},
                 {"campaign", trace.campaign},
                 {"stream", trace.stream},
                 {"state", trace.state},
                 {"recipient", reveal ? trace.recipient : MaskAddress(trace.recipient)},
                 {"due", trace.due.has_value() ? TimeJson(*trace.due) : json()},
                 {"attempts", json::array()}};
  if (trace.wait.has_value()) {
    const WaitReason& wait = *trace.wait;
    answer["waits"] = {{"reason", wait.reason},
                       {"detail", wait.detail},
                       {"set_by", wait.set_by},
                       {"until", wait.until.has_value() ? TimeJson(*wait.until) : json()}};
    std::string waits_for = fmt::format("{}: {} (set by {})", wait.reason, wait.detail, wait.set_by);
    if (wait.until.has_value()) waits_for += ", until " + TimeJson(*wait.until).get<std::string>();
    answer["waits_for"] = std::move(waits_for);
  }
  for (const queue::Event& event : trace.attempts) {
    answer["attempts"].push_back(ToJson(event, trace.id, trace.campaign, reveal));
  }
  return answer;
}

std::string Api::CampaignName(queue::CampaignId id) {
  const std::lock_guard lock(names_mutex_);
  if (const auto found = names_.find(id); found != names_.end()) return found->second;
  const absl::StatusOr<std::vector<CampaignStatus>> statuses = node_.List();
  if (statuses.ok()) {
    for (const CampaignStatus& status : *statuses) names_[status.campaign.id] = status.campaign.spec.name;
  }
  const auto found = names_.find(id);
  return found == names_.end() ? "" : found->second;
}

json Api::EventAnswer(const queue::Event& event, bool reveal) {
  return ToJson(event, node_.MessageId(event.message), CampaignName(event.message.lane.campaign), reveal);
}

absl::StatusOr<json> Api::StreamEvents(Call& call) {
  queue::EventFilter filter;
  if (const std::string campaign = call.request.Query("campaign"); !campaign.empty()) {
    const absl::StatusOr<CampaignStatus> status = node_.Show(campaign);
    if (!status.ok()) return status.status();
    filter.campaign = status->campaign.id;
  }
  if (const std::string since = call.request.Query("since"); !since.empty()) {
    const absl::StatusOr<absl::Time> time = ParseTime(since);
    if (!time.ok()) return time.status();
    filter.since = *time;
  }
  if (const std::string outcome = call.request.Query("outcome"); !outcome.empty()) {
    const absl::StatusOr<queue::OutcomeKind> kind = ParseOutcome(outcome);
    if (!kind.ok()) return kind.status();
    filter.outcome = *kind;
  }
  const absl::StatusOr<int> limit =
      call.Number("limit", std::numeric_limits<int>::max(), std::numeric_limits<int>::max());
  if (!limit.ok()) return limit.status();
  const bool follow = call.request.Query("follow") == "1";
  call.entry.target = fmt::format("campaign={}", call.request.Query("campaign"));

  // The first page before the answer begins: a cursor that is none is still an error.
  absl::StatusOr<queue::EventsPage> first =
      node_.Events(call.request.Query("after"), std::min(kPageMax, *limit), filter);
  if (!first.ok()) return first.status();
  call.response.content_type = "application/x-ndjson";
  call.response.stream = [this, page = *std::move(first), filter, follow, left = *limit,
                          reveal = call.reveal](AdminWriter& writer) mutable {
    absl::Duration silent;
    for (;;) {
      std::string lines;
      for (const queue::Event& event : page.events) lines += Dump(EventAnswer(event, reveal)) + "\n";
      left -= static_cast<int>(page.events.size());
      if (lines.empty() && silent >= kHeartbeat) lines = "\n";
      silent = lines.empty() ? silent + options_.follow_interval : absl::ZeroDuration();
      if (!lines.empty() && !writer.Write(lines)) return;
      if (left <= 0 || (page.end && !follow)) return;
      if (writer.ended()) {  // whoever follows must not take it for the end of what there is
        const absl::Status stops = absl::UnavailableError(
            "the daemon stops: the same command with --after the last cursor goes on once it runs again");
        writer.Write(Dump(ErrorJson(WithExit(stops, ExitCode::kNotRunning), "events ended early")) + "\n");
        return;
      }
      if (page.end) std::this_thread::sleep_for(absl::ToChronoNanoseconds(options_.follow_interval));
      absl::StatusOr<queue::EventsPage> next = node_.Events(page.cursor, std::min(kPageMax, left), filter);
      if (!next.ok()) {
        writer.Write(Dump(ErrorJson(next.status(), "events ended early")) + "\n");
        return;
      }
      page = *std::move(next);
    }
  };
  return json();
}

}  // namespace sealift::engine
