#include "engine/tls_report_posts.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/log.h"
#include "engine/tls_report/report.h"

namespace sealift::engine {
namespace {

constexpr std::string_view kPrefix = "post ";  // no day begins with it
constexpr size_t kNotesMax = 262'144;

std::string NoteNameOf(const TlsReportRecord::Web& to, const std::string& report) {
  return fmt::format("{}{} {}:{}{}", kPrefix, report, to.host, to.port, to.path);
}

template <typename Number>
bool Parse(std::string_view text, Number& number) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  return error == std::errc() && end == text.data() + text.size();
}

}  // namespace

std::string TlsReportPosts::Waiting::Encode() const {
  return fmt::format("{} {} {} {} {} {} {}", absl::ToUnixSeconds(first), absl::ToUnixSeconds(next), tries, report,
                     to.host, to.port, to.path);
}

std::optional<TlsReportPosts::Waiting> TlsReportPosts::Waiting::Decode(std::string_view text) {
  std::array<std::string_view, 7> fields;  // the last one may have spaces
  for (size_t i = 0; i + 1 < fields.size(); ++i) {
    const size_t space = text.find(' ');
    if (space == std::string_view::npos) return std::nullopt;
    fields[i] = text.substr(0, space);
    text.remove_prefix(space + 1);
  }
  fields.back() = text;
  Waiting waiting;
  int64_t first = 0, next = 0;
  if (!Parse(fields[0], first) || !Parse(fields[1], next) || !Parse(fields[2], waiting.tries) ||
      !Parse(fields[5], waiting.to.port)) {
    return std::nullopt;
  }
  waiting.first = absl::FromUnixSeconds(first);
  waiting.next = absl::FromUnixSeconds(next);
  waiting.report = std::string(fields[3]);
  waiting.to.host = std::string(fields[4]);
  waiting.to.path = std::string(fields[6]);
  return waiting;
}

TlsReportPosts::TlsReportPosts(queue::Store& store, Metrics& metrics, const TlsReportFolder& folder, Send send)
    : store_(store), metrics_(metrics), folder_(folder), send_(std::move(send)) {}

absl::Status TlsReportPosts::Open() {
  const absl::StatusOr<std::vector<queue::Note>> notes = store_.ReadNotes(queue::NoteKind::kTlsCounts, kNotesMax);
  if (!notes.ok()) return notes.status();
  const std::lock_guard lock(mutex_);
  for (const queue::Note& note : *notes) {
    if (!note.name.starts_with(kPrefix) || waiting_.size() >= kWaitingMax) continue;
    std::optional<Waiting> waiting = Waiting::Decode(note.value);
    if (waiting.has_value()) waiting_.emplace(note.name, *std::move(waiting));
  }
  return absl::OkStatus();
}

bool TlsReportPosts::Post(const Web& to, const std::string& report, const std::string& gzip, absl::Time now) {
  const absl::Status posted = send_(to, gzip);
  if (posted.ok()) {
    Count("posted");
    return true;
  }
  Refused({.to = to, .report = report, .first = now, .next = now}, posted, now);
  return false;
}

void TlsReportPosts::Again(absl::Time now) {
  std::vector<Waiting> due;
  {
    const std::lock_guard lock(mutex_);
    for (auto it = waiting_.begin(); it != waiting_.end() && due.size() < kAtOnceMax;) {
      if (it->second.next > now) {
        ++it;
        continue;
      }
      due.push_back(std::move(it->second));
      it = waiting_.erase(it);
    }
  }
  for (Waiting& waiting : due) {
    const absl::StatusOr<std::string> text = folder_.Read(waiting.report);
    const absl::Status posted = text.ok() ? send_(waiting.to, Gzip(*text)) : text.status();
    if (!posted.ok()) {
      if (!text.ok()) waiting.first = absl::InfinitePast();  // its file is gone: nothing is left to try
      Refused(std::move(waiting), posted, now);
      continue;
    }
    Count("posted");
    Note(NoteNameOf(waiting.to, waiting.report), nullptr);
  }
}

size_t TlsReportPosts::waiting() const {
  const std::lock_guard lock(mutex_);
  return waiting_.size();
}

void TlsReportPosts::Refused(Waiting refused, const absl::Status& why, absl::Time now) {
  const std::string name = NoteNameOf(refused.to, refused.report);
  const bool again_before = refused.tries > 0;
  refused.next = now + kFirstAgain * (1 << std::min(refused.tries, 10));
  ++refused.tries;
  bool given_up = refused.next > refused.first + kGivenUpAfter;
  if (!given_up) {
    const std::lock_guard lock(mutex_);
    given_up = waiting_.size() >= kWaitingMax;
    if (!given_up) waiting_.insert_or_assign(name, refused);
  }
  if (!given_up) {
    if (!again_before) {
      LogWarning("a web server did not take a report about TLS; it is asked again for a day",
                 {{"host", refused.to.host}, {"why", why}});
    }
    return Note(name, &refused);
  }
  Count("not_posted");
  LogWarning("a web server did not take a report about TLS, and it is given up",
             {{"host", refused.to.host}, {"tries", refused.tries}, {"why", why}});
  if (again_before) Note(name, nullptr);
}

void TlsReportPosts::Note(const std::string& name, const Waiting* waiting) const {
  if (!store_.writable()) return;
  const absl::Status put =
      store_.PutNotes({{queue::NoteKind::kTlsCounts, name, waiting == nullptr ? "" : waiting->Encode()}});
  if (!put.ok()) LogError("a report about TLS that waits for its web server could not be noted", {{"why", put}});
}

void TlsReportPosts::Count(std::string_view how) { metrics_.counter(Metric::kTlsReports, {how})->Add(); }

}  // namespace sealift::engine
