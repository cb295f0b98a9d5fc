#pragma once

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"

namespace sealift::tools {

// DemoFiles is the private directory (0700) of a demonstration: a key, a configuration, a template and recipients. It
// is removed with everything in it unless it is to be kept.
//
// Owned by:  the demo. Threads: one. Errors: exit 73, 74.
class DemoFiles {
 public:
  static absl::StatusOr<DemoFiles> Create(bool keep);
  ~DemoFiles();
  DemoFiles(DemoFiles&& other) noexcept;
  DemoFiles& operator=(DemoFiles&&) = delete;

  // The configuration that leads the daemon to the sink: its DNS, and its port.
  absl::Status WriteConfig(const std::string& dns, uint16_t port);
  absl::Status WriteCampaign(int recipients);

  const std::string& directory() const { return directory_; }
  std::string Path(const std::string& name) const { return directory_ + "/" + name; }
  std::string config() const { return Path("sealift.toml"); }

 private:
  explicit DemoFiles(std::string directory, bool keep) : directory_(std::move(directory)), keep_(keep) {}
  absl::Status Write(const std::string& name, const std::string& text) const;

  std::string directory_;
  bool keep_;
};

}  // namespace sealift::tools
