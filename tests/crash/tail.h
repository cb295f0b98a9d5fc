#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace sealift::crash {

// Tail reads what was added to a file since it was asked before: whole lines only.
class Tail {
 public:
  explicit Tail(std::string path) : path_(std::move(path)) {}

  std::vector<std::string> Read();

 private:
  const std::string path_;
  uint64_t offset_ = 0;
};

// The parts of a line.
std::vector<std::string> Split(const std::string& line, char separator);

}  // namespace sealift::crash
