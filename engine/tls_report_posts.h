#pragma once

#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "engine/metrics.h"
#include "engine/tls_report/rua.h"
#include "engine/tls_report_folder.h"
#include "queue/store.h"

namespace sealift::engine {

// TlsReportPosts hands reports about TLS to the web servers that domains name for them. One that does not take a report
// is asked again after ten minutes, then after twice as long each time, for a day (RFC 8460 5.5); also after a restart,
// for what waits is noted in the queue's database and lies in the folder.
//
// Owned by:  TlsReports.
// Threads:   any that may wait for the disk and for web servers; each server is asked by one at a time.
// Time:      an argument.
// Memory:    kWaitingMax reports that wait; further ones are given up at once.
// Errors:    a report that nobody takes is logged and counted when it is given up.
class TlsReportPosts {
 public:
  static constexpr absl::Duration kFirstAgain = absl::Minutes(10);
  static constexpr absl::Duration kGivenUpAfter = absl::Hours(24);
  static constexpr size_t kWaitingMax = 4096;
  static constexpr size_t kAtOnceMax = 64;  // of one call of Again, so that what waits for the same thread has its turn

  using Web = TlsReportRecord::Web;
  using Send = std::function<absl::Status(const Web& to, std::string gzip)>;

  TlsReportPosts(queue::Store& store, Metrics& metrics, const TlsReportFolder& folder, Send send);

  // Reads what waited when an earlier run ended.
  absl::Status Open();

  // Whether the server takes it now. `report`: its name in the folder.
  bool Post(const Web& to, const std::string& report, const std::string& gzip, absl::Time now);
  // Asks those again whose time has come.
  void Again(absl::Time now);

  size_t waiting() const;

 private:
  struct Waiting {
    Web to;
    std::string report;
    absl::Time first, next;
    int tries = 0;  // in vain

    std::string Encode() const;
    static std::optional<Waiting> Decode(std::string_view text);
  };

  // It was not taken: it is tried again, or given up.
  void Refused(Waiting refused, const absl::Status& why, absl::Time now);
  void Note(const std::string& name, const Waiting* waiting) const;
  void Count(std::string_view how);

  queue::Store& store_;
  Metrics& metrics_;
  const TlsReportFolder& folder_;
  const Send send_;
  mutable std::mutex mutex_;                // guards waiting_
  std::map<std::string, Waiting> waiting_;  // by the name of its note
};

}  // namespace sealift::engine
