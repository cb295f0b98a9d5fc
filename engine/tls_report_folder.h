#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/civil_time.h"
#include "absl/time/time.h"

namespace sealift::engine {

// A report as it lies in the folder.
struct KeptReport {
  std::string name;  // "2026-11-27/d1.test.1795823999.json.gz"
  absl::CivilDay day;
  std::string domain;
  uint64_t bytes = 0;
  absl::Time written = absl::InfinitePast();
};

// TlsReportFolder is where reports are kept as files: a folder a day (UTC), mode 0700, a file a report, mode 0600.
//
// Owned by:  TlsReports.
// Threads:   any; blocks on the disk. One writer.
// Errors:    sentences with the file's name in the folder.
class TlsReportFolder {
 public:
  static constexpr size_t kFileBytesMax = size_t{4} << 20;

  explicit TlsReportFolder(std::string path) : path_(std::move(path)) {}

  // Its name; durable on return. `end` is that of what the report is about. One of that name gives way.
  absl::StatusOr<std::string> Write(absl::CivilDay day, std::string_view domain, absl::Time end,
                                    std::string_view gzip) const;
  // By day, then domain; those of one day or of one domain alone.
  std::vector<KeptReport> List(std::optional<absl::CivilDay> wanted, std::string_view domain) const;
  // What is in it, unpacked. NotFound: there is none of that name.
  absl::StatusOr<std::string> Read(std::string_view name) const;
  // Days before this one go.
  void RemoveBefore(absl::CivilDay before) const;

 private:
  const std::string path_;
};

}  // namespace sealift::engine
