#include "engine/limit_ledger.h"

#include <fmt/format.h>
#include <pthread.h>

#include <charconv>
#include <chrono>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "engine/log.h"

namespace sealift::engine {
namespace {

constexpr size_t kNotesMax = 1 << 20;
constexpr absl::Duration kAfterFailure = absl::Milliseconds(200);

}  // namespace

absl::Status LimitLedger::Open(absl::Time now) {
  const absl::StatusOr<std::vector<queue::Note>> notes = store_.ReadNotes(queue::NoteKind::kLimit, kNotesMax);
  if (!notes.ok()) return notes.status();
  std::map<std::string, absl::Time, std::less<>> free;
  std::vector<queue::Note> over;
  for (const queue::Note& note : *notes) {
    int64_t nanos = 0;
    std::from_chars(note.value.data(), note.value.data() + note.value.size(), nanos);
    const absl::Time when = absl::FromUnixNanos(nanos);
    if (when > now) {
      free.emplace(note.name, when);
    } else {
      over.push_back({queue::NoteKind::kLimit, note.name, ""});
    }
  }
  // Since a restore nobody knows what was taken last.
  const bool known = !store_.restored().has_value();
  limits_.KeepOnDisk(now, std::move(free), known ? Limits::Unnamed::kFree : Limits::Unnamed::kTaken);
  if (over.empty() || !store_.writable()) return absl::OkStatus();
  return store_.PutNotes(std::move(over));
}

void LimitLedger::Start() {
  thread_ = std::thread([this] {
    pthread_setname_np(pthread_self(), "limits");
    Run();
  });
}

void LimitLedger::Stop() {
  if (!thread_.joinable()) return;
  stopping_ = true;
  stop_.release();
  limits_.Wake();
  thread_.join();
}

void LimitLedger::Run() {
  bool failed = false;
  while (!stopping_) {
    const std::vector<RateInForce::Cover> covers = limits_.AwaitAsked();
    if (covers.empty()) continue;
    std::vector<queue::Note> notes;
    notes.reserve(covers.size());
    for (const RateInForce::Cover& cover : covers) {
      notes.push_back({queue::NoteKind::kLimit, Limits::KeyOf(*cover.rate),
                       fmt::format("{}", absl::ToUnixNanos(cover.free_again))});
    }
    const absl::Status written = store_.PutNotes(std::move(notes));
    for (const RateInForce::Cover& cover : covers) written.ok() ? limits_.Take(cover) : limits_.Refuse(cover);
    if (!written.ok()) {
      if (!std::exchange(failed, true)) LogError("limits cannot be written down: none is used", {{"why", written}});
      stop_.try_acquire_for(absl::ToChronoNanoseconds(kAfterFailure));
    } else {
      failed = false;
    }
  }
}

}  // namespace sealift::engine
