#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <semaphore>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/civil_time.h"
#include "absl/time/time.h"
#include "dns/answer.h"
#include "engine/metrics.h"
#include "engine/node.h"
#include "engine/options.h"
#include "engine/tls_report/report.h"
#include "engine/tls_report/rua.h"
#include "engine/tls_report/tally.h"
#include "engine/tls_report_folder.h"
#include "engine/tls_report_posts.h"
#include "queue/store.h"

namespace sealift::engine {

// TlsReports tells domains how the TLS of their mail fared (RFC 8460): it gathers what the shards have counted, keeps
// it over a restart, and after each day (UTC) reports to the domains that publish where they want it: as a file, by
// mail through a stream of our own, and by HTTPS.
//
// A report is made some hours after its day, each node at a time of its own (RFC 8460 4.1 asks for that). The mail of a
// day is one campaign, loaded as everybody's is; what was reported is then forgotten. A domain whose record cannot be
// looked up is asked again in an hour, for two days; a web server that does not take a report, for one. After a crash
// in between a day is reported again as it was.
//
// Owned by:  the node; goes before what its Services reach.
// Threads:   any but a shard's, and one of its own, which waits for the disk, the DNS and web servers.
// Time:      the clock's. What is counted is gathered every kGatherEvery: what a crash may lose of the counts.
// Errors:    sentences with the exit code of their kind; in the background they are logged, and it is tried again.
class TlsReports {
 public:
  static constexpr absl::Duration kGatherEvery = absl::Minutes(1);
  static constexpr absl::Duration kAgain = absl::Hours(1);
  static constexpr absl::Duration kDelayMax = absl::Hours(4);  // after midnight
  static constexpr int kDaysKept = 2;                          // a day that cannot be reported

  struct Services {
    queue::Store& store;
    Metrics& metrics;
    std::function<std::shared_ptr<const Options>()> options;
    std::function<void(TlsTally&)> gather;  // adds what the shards have counted since the last time
    std::function<absl::StatusOr<std::unique_ptr<CampaignLoader>>(LoadRequest)> load;
    std::function<dns::TxtAnswer(const std::string& name)> txt;
    std::function<absl::Status(const TlsReportRecord::Web& to, std::string gzip)> post;
    std::function<absl::Time()> clock = absl::Now;
  };

  explicit TlsReports(Services services);
  ~TlsReports() { Stop(); }

  // Reads what an earlier run has counted.
  absl::Status Open();
  void Start();
  // Gathers no more. What shards count from here on is given to Keep.
  void Stop();
  void Keep(const TlsTally& counted);

  // What was counted of a day and not reported yet, of all domains or one.
  TlsTally::Day CountsOf(absl::CivilDay day, std::string_view domain);
  std::vector<KeptReport> List(std::optional<absl::CivilDay> day, std::string_view domain) const;
  absl::StatusOr<std::string> Read(std::string_view name) const;

  struct Issued {
    int reports = 0;         // files
    int mails = 0;           // loaded as `campaign`
    int posts = 0;           // taken by a web server
    int not_posted = 0;      // refused by one, or not reached: tried again for a day
    int without_record = 0;  // domains that ask for no reports
    int later = 0;           // domains whose record could not be looked up
    std::string campaign;
  };
  // Asks web servers again that did not take a report, once their time has come.
  void PostAgain() { posts_.Again(services_.clock()); }
  // Reports a day: one that is over, or today so far, whose counts then begin anew.
  absl::StatusOr<Issued> Issue(absl::CivilDay day);

  static absl::CivilDay DayAt(absl::Time time) { return absl::ToCivilDay(time, absl::UTCTimeZone()); }
  // How long after midnight this node reports.
  static absl::Duration DelayOf(std::string_view hostname);

 private:
  struct Due;

  void Run();
  void Gather();
  void IssueDue();
  void Put(std::vector<queue::Note> notes) const;
  absl::StatusOr<Due> Prepare(absl::CivilDay day, absl::Time now, Issued& issued);
  absl::Status Mail(absl::CivilDay day, const Options& options, const Due& due, Issued& issued);
  void Post(const Due& due, absl::Time now, Issued& issued);

  const Services services_;
  const TlsReportFolder folder_;
  TlsReportPosts posts_;
  std::mutex mutex_;  // guards tally_ and begun_
  TlsTally tally_;
  std::map<absl::CivilDay, absl::Time> begun_;  // of a day a part of which was reported: where the rest begins
  std::mutex issuing_;                          // one at a time
  absl::Time next_issue_ = absl::InfinitePast();
  std::binary_semaphore stop_{0};
  std::thread thread_;
};

}  // namespace sealift::engine
