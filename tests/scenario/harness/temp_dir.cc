#include "tests/scenario/harness/temp_dir.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <sstream>
#include <system_error>

namespace sealift::scenario {

TempDir::TempDir() {
  std::string name = "/tmp/sealift-scenario-XXXXXX";
  if (mkdtemp(name.data()) == nullptr) {
    std::perror("cannot make a folder below /tmp");
    std::abort();
  }
  path_ = name;
  chmod(name.c_str(), 0755);
}

TempDir::~TempDir() {
  if (testing::Test::HasFailure() && std::getenv("SEALIFT_KEEP") != nullptr) {
    std::fprintf(stderr, "kept: %s\n", path_.c_str());
    return;
  }
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

std::string TempDir::Write(const std::string& name, std::string_view content, mode_t mode) const {
  const std::filesystem::path file = path_ / name;
  std::ofstream out(file, std::ios::binary | std::ios::trunc);
  out << content;
  out.close();
  if (!out) ADD_FAILURE() << "cannot write " << file;
  chmod(file.c_str(), mode);
  return file.string();
}

std::string TempDir::Folder(const std::string& name, mode_t mode) const {
  const std::filesystem::path folder = path_ / name;
  std::filesystem::create_directories(folder);
  chmod(folder.c_str(), mode);
  return folder.string();
}

std::string ReadFile(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  std::ostringstream text;
  text << in.rdbuf();
  return text.str();
}

}  // namespace sealift::scenario
