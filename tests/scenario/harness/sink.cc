#include "tests/scenario/harness/sink.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <sstream>
#include <system_error>

#include "tests/scenario/harness/eventually.h"

namespace sealift::scenario {
namespace {

// What an earlier sink of this directory has printed is not this one's.
std::filesystem::path Fresh(const std::filesystem::path& file) {
  std::filesystem::remove(file);
  return file;
}

std::vector<std::string> CommandLine(const std::string& script, const std::string& dns, const TempDir& dir,
                                     const std::vector<std::string>& more) {
  std::vector<std::string> argv = {OurProgram("sealift-sink"),
                                   "--script",
                                   script,
                                   "--port",
                                   fmt::format("{}", Sink::kPort),
                                   "--ready",
                                   "--ledger",
                                   dir.path() / "ledger",
                                   "--status",
                                   dir.path() / "sink.json",
                                   "--certificates",
                                   dir.path() / "sink-certificates.pem"};
  if (!dns.empty()) argv.insert(argv.end(), {"--dns", dns});
  argv.insert(argv.end(), more.begin(), more.end());
  return argv;
}

}  // namespace

Sink::Sink(const TempDir& dir, const std::string& script, const std::string& dns,
           const std::vector<std::string>& arguments)
    : ledger_(dir.path() / "ledger"),
      status_(dir.path() / "sink.json"),
      certificates_(dir.path() / "sink-certificates.pem"),
      process_(CommandLine(dir.Write("sink.toml", script), dns, dir, arguments), Fresh(dir.path() / "sink.out"),
               Fresh(dir.path() / "sink.err")) {
  const bool ready = Eventually(std::chrono::seconds(30), [this] {
    return process_.Out().find("ready") != std::string::npos || !process_.running();
  });
  EXPECT_TRUE(ready && process_.running()) << "sealift-sink did not come up: " << process_.Err();
}

std::vector<Sink::Arrival> Sink::Ledger() const {
  std::vector<Arrival> arrivals;
  std::istringstream lines(ReadFile(ledger_));
  for (std::string line; std::getline(lines, line);) {
    if (lines.eof()) break;  // a line that is still being written
    std::vector<std::string> fields;
    std::istringstream parts(line);
    for (std::string part; std::getline(parts, part, '\t');) fields.push_back(part);
    if (fields.size() < 8) {
      ADD_FAILURE() << "a ledger line that is none: " << line;
      continue;
    }
    arrivals.push_back(
        {std::atof(fields[0].c_str()), fields[1], fields[2], fields[3], fields[5] == "1", fields[6], fields[7]});
  }
  return arrivals;
}

size_t Sink::arrivals() const {
  const std::string text = ReadFile(ledger_);
  return static_cast<size_t>(std::ranges::count(text, '\n'));
}

std::map<std::string, std::vector<std::string>> Sink::ByMailbox() const {
  std::map<std::string, std::vector<std::string>> ids;
  for (const Arrival& arrival : Ledger()) ids[arrival.mailbox].push_back(arrival.message_id);
  return ids;
}

Json Sink::Status() const {
  std::error_code ignored;
  std::filesystem::remove(status_, ignored);
  process_.Signal(SIGUSR1);
  EXPECT_TRUE(Eventually(std::chrono::seconds(10), [this] { return std::filesystem::exists(status_); }))
      << "sealift-sink wrote no counters";
  return Json::Parse(ReadFile(status_));
}

}  // namespace sealift::scenario
