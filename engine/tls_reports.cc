#include "engine/tls_reports.h"

#include <fmt/format.h>
#include <pthread.h>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <utility>

#include "engine/exit_code.h"
#include "engine/log.h"
#include "engine/tls_report/report_mail.h"

namespace sealift::engine {
namespace {

constexpr size_t kNotesMax = 262'144;
constexpr absl::Duration kExpiresIn = absl::Hours(24);       // RFC 8460 5.4: no longer than a day
constexpr absl::Duration kEraseAfter = absl::Hours(24 * 7);  // the files tell the same

// FNV-1a: the same on every node and after every start.
uint64_t HashOf(std::string_view bytes) {
  uint64_t hash = 14'695'981'039'346'656'037U;
  for (const char c : bytes) hash = (hash ^ static_cast<uint8_t>(c)) * 1'099'511'628'211U;
  return hash;
}

std::string NoteName(absl::CivilDay day, std::string_view domain) {
  return fmt::format("{} {}", absl::FormatCivilTime(day), domain);
}

// "2026-11-27 d1.test", or "2026-11-27 ", which says since when the day is counted anew.
std::optional<std::pair<absl::CivilDay, std::string>> ParseNoteName(std::string_view name) {
  const size_t space = name.find(' ');
  absl::CivilDay day;
  if (space == std::string_view::npos || !absl::ParseCivilTime(std::string(name.substr(0, space)), &day)) {
    return std::nullopt;
  }
  return std::pair(day, std::string(name.substr(space + 1)));
}

absl::Time Midnight(absl::CivilDay day) { return absl::FromCivil(day, absl::UTCTimeZone()); }

absl::Time WholeSeconds(absl::Time time) { return absl::FromUnixSeconds(absl::ToUnixSeconds(time)); }

void AppendFrame(std::string_view bytes, std::string& out) {
  const auto size = static_cast<uint32_t>(bytes.size());
  for (int shift = 24; shift >= 0; shift -= 8) out += static_cast<char>(size >> shift & 0xFF);
  out += bytes;
}

}  // namespace

// What is to be reported of a day.
struct TlsReports::Due {
  struct Posting {
    TlsReportRecord::Web to;
    std::string report, gzip;  // its name in the folder, and what is in it
  };
  std::vector<std::string> done;  // domains that are not asked about again
  std::string mails;              // as a load has them: frames
  std::vector<Posting> postings;
};

TlsReports::TlsReports(Services services)
    : services_(std::move(services)),
      folder_(services_.options()->node.data_dir + "/tls-reports"),
      posts_(services_.store, services_.metrics, folder_, services_.post) {}

absl::Duration TlsReports::DelayOf(std::string_view hostname) {
  return absl::Seconds(static_cast<int64_t>(HashOf(hostname) % static_cast<uint64_t>(absl::ToInt64Seconds(kDelayMax))));
}

absl::Status TlsReports::Open() {
  const absl::StatusOr<std::vector<queue::Note>> notes =
      services_.store.ReadNotes(queue::NoteKind::kTlsCounts, kNotesMax);
  if (!notes.ok()) return notes.status();
  const absl::CivilDay oldest = DayAt(services_.clock()) - kDaysKept - 1;
  std::vector<queue::Note> over;
  const std::lock_guard lock(mutex_);
  for (const queue::Note& note : *notes) {
    const auto name = ParseNoteName(note.name);
    if (!name.has_value()) continue;
    const auto& [day, domain] = *name;
    if (day < oldest) {
      over.push_back({queue::NoteKind::kTlsCounts, note.name, ""});
      continue;
    }
    if (domain.empty()) {
      int64_t seconds = 0;
      std::from_chars(note.value.data(), note.value.data() + note.value.size(), seconds);
      begun_[day] = absl::FromUnixSeconds(seconds);
    } else if (const absl::StatusOr<TlsTally::Domain> counted = TlsTally::Domain::Decode(note.value); counted.ok()) {
      tally_.Add(day, domain, *counted);
    } else {
      LogWarning("counts of TLS sessions are left out", {{"why", counted.status()}});
    }
  }
  Put(std::move(over));
  return posts_.Open();
}

void TlsReports::Start() {
  thread_ = std::thread([this] {
    pthread_setname_np(pthread_self(), "tls reports");
    Run();
  });
}

void TlsReports::Stop() {
  if (!thread_.joinable()) return;
  stop_.release();
  thread_.join();
  Gather();
}

void TlsReports::Run() {
  while (!stop_.try_acquire_for(absl::ToChronoNanoseconds(kGatherEvery))) {
    Gather();
    IssueDue();
    PostAgain();
  }
}

void TlsReports::Gather() {
  TlsTally fresh;
  services_.gather(fresh);
  Keep(fresh);
}

void TlsReports::Keep(const TlsTally& counted) {
  if (counted.empty()) return;
  std::vector<queue::Note> notes;
  {
    const std::lock_guard lock(mutex_);
    tally_.Add(counted);
    for (const auto& [day, of_day] : counted.days()) {
      const auto sum = tally_.days().find(day);
      if (sum == tally_.days().end()) continue;
      for (const auto& [name, domain] : of_day.domains) {
        const auto found = sum->second.domains.find(name);
        if (found == sum->second.domains.end()) continue;
        notes.push_back({queue::NoteKind::kTlsCounts, NoteName(day, name), found->second.Encode()});
      }
    }
  }
  Put(std::move(notes));
}

void TlsReports::Put(std::vector<queue::Note> notes) const {
  if (notes.empty() || !services_.store.writable()) return;
  const absl::Status put = services_.store.PutNotes(std::move(notes));
  if (!put.ok()) LogError("counts of TLS sessions could not be written", {{"why", put}});
}

TlsTally::Day TlsReports::CountsOf(absl::CivilDay day, std::string_view domain) {
  Gather();
  const std::lock_guard lock(mutex_);
  const auto found = tally_.days().find(day);
  if (found == tally_.days().end()) return {};
  if (domain.empty()) return found->second;
  TlsTally::Day one;
  if (const auto it = found->second.domains.find(domain); it != found->second.domains.end()) one.domains.insert(*it);
  return one;
}

std::vector<KeptReport> TlsReports::List(std::optional<absl::CivilDay> day, std::string_view domain) const {
  return folder_.List(day, domain);
}

absl::StatusOr<std::string> TlsReports::Read(std::string_view name) const { return folder_.Read(name); }

void TlsReports::IssueDue() {
  const std::shared_ptr<const Options> options = services_.options();
  const absl::Time now = services_.clock();
  if (now < next_issue_ || now < Midnight(DayAt(now)) + DelayOf(options->node.hostname)) return;
  next_issue_ = now + kAgain;
  folder_.RemoveBefore(DayAt(now - options->tls_report.keep));
  if (!options->tls_report.enabled) return;
  std::vector<absl::CivilDay> over;
  {
    const std::lock_guard lock(mutex_);
    for (const auto& [day, counted] : tally_.days()) {
      if (day < DayAt(now)) over.push_back(day);
    }
  }
  for (const absl::CivilDay day : over) {
    const absl::StatusOr<Issued> issued = Issue(day);
    if (!issued.ok())
      LogError("reports about TLS could not be made; it is tried again in an hour", {{"why", issued.status()}});
  }
}

absl::StatusOr<TlsReports::Due> TlsReports::Prepare(absl::CivilDay day, absl::Time now, Issued& issued) {
  const std::shared_ptr<const Options> options = services_.options();
  const bool over = day < DayAt(now);
  const bool last = day + kDaysKept < DayAt(now);  // nothing of it waits any longer
  TlsReport report{.organization = options->tls_report.organization,
                   .contact = options->tls_report.contact,
                   .submitter = options->node.hostname,
                   .start = Midnight(day),
                   .end = over ? Midnight(day + 1) - absl::Seconds(1) : now};
  std::map<std::string, TlsTally::Domain, std::less<>> domains;
  {
    const std::lock_guard lock(mutex_);
    if (const auto found = tally_.days().find(day); found != tally_.days().end()) domains = found->second.domains;
    if (const auto begun = begun_.find(day); begun != begun_.end()) report.start = begun->second;
  }
  Due due;
  for (const auto& [name, counts] : domains) {
    const dns::TxtAnswer txt = services_.txt("_smtp._tls." + name);
    if (dns::IsTemporary(txt.verdict) && !last) {
      ++issued.later;
      continue;
    }
    due.done.push_back(name);
    const std::optional<TlsReportRecord> record = TlsReportRecord::Find(txt.texts);
    if (!record.has_value()) {
      ++issued.without_record;
      continue;
    }
    report.domain = name;
    report.counts = counts;
    std::string gzip = Gzip(report.ToJson());
    const absl::StatusOr<std::string> written = folder_.Write(day, name, report.end, gzip);
    if (!written.ok()) return written.status();
    ++issued.reports;
    if (!record->mailboxes.empty() && !options->tls_report.stream.empty()) {
      AppendFrame(ReportMail(report, record->mailboxes), due.mails);
      AppendFrame({}, due.mails);
      ++issued.mails;
    }
    if (options->tls_report.stream.empty()) continue;
    for (const TlsReportRecord::Web& web : record->webs) due.postings.push_back({web, *written, gzip});
  }
  return due;
}

absl::Status TlsReports::Mail(absl::CivilDay day, const Options& options, const Due& due, Issued& issued) {
  if (due.mails.empty()) return absl::OkStatus();
  // The same mails have the same name: a day that is reported again after a crash is loaded already.
  issued.campaign = fmt::format("tls-report-{}-{:016x}", absl::FormatCivilTime(day), HashOf(due.mails));
  absl::StatusOr<std::unique_ptr<CampaignLoader>> loader = services_.load({.name = issued.campaign,
                                                                           .stream = options.tls_report.stream,
                                                                           .messages = true,
                                                                           .expires_in = kExpiresIn,
                                                                           .erase_after = kEraseAfter,
                                                                           .start = true,
                                                                           .tls_report = true});
  if (!loader.ok()) return loader.status();
  std::string rejected;
  (*loader)->OnRejection([&rejected](const CampaignLoader::Rejection& rejection) { rejected = rejection.reason; });
  if (absl::Status fed = (*loader)->Feed(due.mails); !fed.ok()) return fed;
  const absl::StatusOr<CampaignLoader::Summary> summary = (*loader)->Finish();
  if (!summary.ok()) return summary.status();
  if (summary->rejected == 0) return absl::OkStatus();
  return WithExit(absl::FailedPreconditionError(
                      fmt::format("the reports about TLS cannot be mailed by stream {}: {}; correct [tls_report]",
                                  options.tls_report.stream, rejected)),
                  ExitCode::kConfig);
}

void TlsReports::Post(const Due& due, absl::Time now, Issued& issued) {
  for (const Due::Posting& posting : due.postings) {
    ++(posts_.Post(posting.to, posting.report, posting.gzip, now) ? issued.posts : issued.not_posted);
  }
}

absl::StatusOr<TlsReports::Issued> TlsReports::Issue(absl::CivilDay day) {
  const std::lock_guard issuing(issuing_);
  const std::shared_ptr<const Options> options = services_.options();
  if (!options->tls_report.enabled) {
    return WithExit(
        absl::FailedPreconditionError("tls_report.enabled is false: nothing is counted and nothing reported"),
        ExitCode::kConfig);
  }
  Gather();
  const absl::Time now = WholeSeconds(services_.clock());
  if (day > DayAt(now)) {
    return WithExit(absl::InvalidArgumentError("that day has not begun (in UTC)"), ExitCode::kUsage);
  }
  Issued issued;
  const absl::StatusOr<Due> due = Prepare(day, now, issued);
  if (!due.ok()) return due.status();
  if (absl::Status mailed = Mail(day, *options, *due, issued); !mailed.ok()) return mailed;
  Post(*due, now, issued);

  std::vector<queue::Note> notes;
  {
    const std::lock_guard lock(mutex_);
    for (const std::string& domain : due->done) {
      tally_.Forget(day, domain);
      notes.push_back({queue::NoteKind::kTlsCounts, NoteName(day, domain), ""});
    }
    const bool over = day < DayAt(now);
    if (over && issued.later == 0) {
      tally_.Forget(day);
      if (begun_.erase(day) > 0) notes.push_back({queue::NoteKind::kTlsCounts, NoteName(day, ""), ""});
    } else if (!over) {
      begun_[day] = now + absl::Seconds(1);
      notes.push_back(
          {queue::NoteKind::kTlsCounts, NoteName(day, ""), fmt::format("{}", absl::ToUnixSeconds(begun_[day]))});
    }
  }
  Put(std::move(notes));
  const auto count = [this](std::string_view how, int reports) {
    if (reports > 0) services_.metrics.counter(Metric::kTlsReports, {how})->Add(static_cast<uint64_t>(reports));
  };
  count("made", issued.reports);
  count("mailed", issued.mails);
  LogInfo("reports about TLS were made", {{"day", absl::FormatCivilTime(day)},
                                          {"reports", issued.reports},
                                          {"mailed", issued.mails},
                                          {"posted", issued.posts},
                                          {"later", issued.later}});
  return issued;
}

}  // namespace sealift::engine
