// crash_submitter CONFIG FOLDER SEED ROWS: loads one campaign after another, and writes down what it was told.
//
// It runs until FOLDER/stop exists. A load that does not end well is given again, as an operator would, until it does:
// the same name and files add nothing twice. At most ROWS acknowledged rows have not arrived at any time.
//
// FOLDER/acknowledged has a line an event:  begin NUMBER | ack NUMBER ACCEPTED | wrong NUMBER EXIT-CODE TEXT
#include <fmt/format.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <string>

#include "tests/crash/plan.h"
#include "tests/crash/tail.h"
#include "tests/scenario/harness/eventually.h"
#include "tests/scenario/harness/json.h"
#include "tests/scenario/harness/process.h"

namespace sealift::crash {
namespace {

using scenario::Eventually;
using scenario::Ran;
using std::chrono::milliseconds;

// What a load may say while the daemon dies under it: not running, I/O, try later.
bool IsOutage(int exit_code) { return exit_code == 69 || exit_code == 74 || exit_code == 75; }

class Submitter {
 public:
  Submitter(std::string config, std::string folder, uint64_t seed, uint64_t rows_max)
      : config_(std::move(config)),
        folder_(std::move(folder)),
        seed_(seed),
        rows_max_(rows_max),
        said_(folder_ + "/acknowledged", std::ios::app),
        arrived_(folder_ + "/ledger") {}

  void Run() {
    for (uint32_t number = 1; !Stopped(); ++number) {
      const Plan plan = Plan::Of(seed_, number);
      if (!Eventually(std::chrono::hours(1), [&] { return Stopped() || HasRoomFor(plan.rows); }) || Stopped()) return;
      const std::string file = folder_ + "/recipients.csv";
      std::ofstream(file, std::ios::trunc) << plan.Recipients();
      Say(fmt::format("begin {}", number));
      while (!Submit(plan, file)) Eventually(milliseconds(20), [] { return false; });
    }
  }

 private:
  bool Stopped() const { return std::filesystem::exists(folder_ + "/stop"); }

  bool HasRoomFor(uint64_t rows) {
    // What is in doubt may never arrive: those campaigns do not count.
    for (const std::string& line : arrived_.Read()) {
      const std::optional<Place> place = Plan::PlaceOf(Split(line, '\t').at(2));
      if (place.has_value() && !Plan{.number = place->campaign}.holds()) ++arrivals_;
    }
    return submitted_ == 0 || submitted_ + rows < arrivals_ + rows_max_;
  }

  // True once it is acknowledged, or went wrong in a way that no kill explains.
  bool Submit(const Plan& plan, const std::string& file) {
    const Ran ran =
        scenario::RunCommand({scenario::OurProgram("sealift"), "--config", config_, "-o", "json", "campaign", "load",
                              plan.name(), "--stream", plan.holds() ? "receipts" : "news", "--template",
                              folder_ + "/letter.eml", "--recipients", file, "--start"},
                             "", std::chrono::minutes(2));
    if (ran.exit_code == 0) {
      if (!plan.holds()) submitted_ += plan.rows - plan.rows / Plan::kBounceEvery;
      Say(fmt::format("ack {} {}", plan.number, scenario::Json::Parse(ran.out)["accepted"].Number()));
      return true;
    }
    if (IsOutage(ran.exit_code)) return false;
    Say(fmt::format("wrong {} {} {}", plan.number, ran.exit_code, ran.err.substr(0, ran.err.find('\n'))));
    return true;
  }

  void Say(const std::string& line) { said_ << line << '\n' << std::flush; }

  const std::string config_, folder_;
  const uint64_t seed_, rows_max_;
  std::ofstream said_;
  Tail arrived_;
  uint64_t submitted_ = 0, arrivals_ = 0;
};

}  // namespace
}  // namespace sealift::crash

int main(int argc, char** argv) {
  if (argc != 5) {
    std::fputs("usage: crash_submitter CONFIG FOLDER SEED ROWS\n", stderr);
    return 64;
  }
  sealift::crash::Submitter(argv[1], argv[2], std::stoull(argv[3]), std::stoull(argv[4])).Run();
}
