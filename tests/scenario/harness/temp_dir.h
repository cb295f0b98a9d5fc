#pragma once

#include <sys/types.h>

#include <filesystem>
#include <string>
#include <string_view>

namespace sealift::scenario {

// A folder below /tmp for one test; removed with its content at the end, unless the test failed and SEALIFT_KEEP is
// set. The folder itself is 0755, for servers that change to a user of their own.
class TempDir {
 public:
  TempDir();
  ~TempDir();
  TempDir(const TempDir&) = delete;
  TempDir& operator=(const TempDir&) = delete;

  const std::filesystem::path& path() const { return path_; }

  // Writes a file below the folder and returns its path.
  std::string Write(const std::string& name, std::string_view content, mode_t mode = 0600) const;

  // Makes a folder below the folder and returns its path.
  std::string Folder(const std::string& name, mode_t mode = 0700) const;

 private:
  std::filesystem::path path_;
};

// The whole file, or nothing when it cannot be read.
std::string ReadFile(const std::filesystem::path& path);

}  // namespace sealift::scenario
