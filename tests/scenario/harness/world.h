#pragma once

#include <gtest/gtest.h>

#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "tests/scenario/harness/json.h"
#include "tests/scenario/harness/loopback.h"
#include "tests/scenario/harness/process.h"
#include "tests/scenario/harness/settings.h"
#include "tests/scenario/harness/temp_dir.h"

namespace sealift::scenario {

// What a `sealift` command answered.
struct Answer {
  int exit_code = -1;
  std::string out, err;
  Json json;  // of stdout, when it was asked with -o json

  std::string Describe() const;
};

// World is the fixture of the stories: a folder, addresses, a daemon and the command line that talks to it, as an
// operator has them. A story changes `settings`, starts what it needs, and looks at answers.
class World : public testing::Test {
 public:
  ~World() override;

 protected:
  static constexpr std::chrono::seconds kSoon{30};     // for what should happen at once, on a busy machine
  static constexpr std::chrono::seconds kInTime{120};  // for what takes work

  World();

  // Writes the configuration and starts the daemon; fails the test unless it says `ready`.
  void StartDaemon();
  // The two halves of it: starts without waiting, and waits.
  void LaunchDaemon();
  void AwaitReady();
  // Writes the configuration without starting anything.
  void WriteConfig();
  // Ends the daemon as an operator does, and expects exit 0.
  void StopDaemon();
  // Ends it as a power cut does.
  void KillDaemon();

  // `sealift --config FILE -o json ARGUMENTS...`
  Answer Sealift(std::vector<std::string> arguments, const std::string& input = "");
  // The same without -o json, for what prints text or bytes.
  Answer SealiftPlain(std::vector<std::string> arguments, const std::string& input = "");

  // `campaign load NAME` of these two files on the first stream, expecting exit 0.
  Answer Load(const std::string& name, const std::string& template_file, const std::string& recipients_file,
              std::vector<std::string> more = {});

  // `campaign show NAME`, whose counters must add up: nothing is lost, in any state that is shown.
  Json Show(const std::string& name);
  // Waits until `campaign show NAME` is as wanted; false after the deadline, with the last answer in the test's output.
  bool ShowsUntil(const std::string& name, std::chrono::seconds deadline,
                  const std::function<bool(const Json&)>& wanted);

  // All events of a campaign, oldest first, addresses revealed.
  std::vector<Json> Events(const std::string& campaign);

  // A template that uses the columns `name` and `city`.
  std::string Template(const std::string& name = "spring.eml");
  // Recipients row1@DOMAIN1, row2@DOMAIN2, ...: `rows` of them over the domains in turn. Row N is line N of the data.
  std::string Recipients(int rows, const std::vector<std::string>& domains, const std::string& file = "people.csv");
  // What one number of the metrics endpoint says; -1 when it is not there. `series` is the name with its labels.
  double Metric(const std::string& series);
  // The numbers of all series of a metric, added up by the value of one label.
  std::map<std::string, double> MetricBy(const std::string& name, const std::string& label);
  // All of them, as one scrape has them.
  std::string Metrics();

  TempDir dir;
  Loopback net;
  Settings settings;
  std::unique_ptr<Process> daemon;
  std::string config_file;

 private:
  int starts_ = 0;
};

// d1.test to dN.test.
std::vector<std::string> Domains(int count);

}  // namespace sealift::scenario
