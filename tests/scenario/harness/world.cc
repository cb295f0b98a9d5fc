#include "tests/scenario/harness/world.h"

#include <fmt/format.h>

#include <csignal>
#include <optional>
#include <sstream>
#include <utility>

#include "tests/scenario/harness/eventually.h"

namespace sealift::scenario {
namespace {

constexpr int kHttpPort = 9625;

}  // namespace

std::string Answer::Describe() const { return fmt::format("exit {}\nstdout: {}\nstderr: {}\n", exit_code, out, err); }

World::World() {
  settings.data_dir = dir.Folder("data", 0700);
  // Any 32 bytes make a key.
  settings.kek_file = dir.Write("kek", "0123456789abcdef0123456789ABCDEF", 0600);
  settings.source_address = net.Address(1);
  settings.http_listen = net.Address(1, kHttpPort);
  settings.dns_server = net.Address(2, 5353);
  config_file = dir.path() / "sealift.toml";
}

World::~World() {
  if (daemon != nullptr && HasFailure()) fprintf(stderr, "the daemon's log:\n%s\n", daemon->Err().c_str());
}

void World::WriteConfig() { dir.Write("sealift.toml", settings.ToToml()); }

void World::StartDaemon() {
  LaunchDaemon();
  AwaitReady();
}

void World::LaunchDaemon() {
  WriteConfig();
  const std::string log = fmt::format("sealiftd{}", ++starts_);
  daemon = std::make_unique<Process>(std::vector<std::string>{OurProgram("sealiftd"), "--config", config_file},
                                     dir.path() / (log + ".out"), dir.path() / (log + ".err"));
}

void World::AwaitReady() {
  const bool ready = Eventually(kSoon, [this] {
    return daemon->Out().find("ready") != std::string::npos || daemon->Err().find("ready") != std::string::npos ||
           !daemon->running();
  });
  ASSERT_TRUE(ready && daemon->running()) << "sealiftd did not become ready: " << daemon->Out() << daemon->Err();
}

void World::StopDaemon() {
  daemon->Signal(SIGTERM);
  const std::optional<int> code = daemon->WaitFor(kInTime);
  EXPECT_EQ(code.value_or(-1), 0) << "sealiftd did not stop cleanly: " << daemon->Err();
}

void World::KillDaemon() {
  daemon->Signal(SIGKILL);
  daemon->WaitFor(kSoon);
}

Answer World::SealiftPlain(std::vector<std::string> arguments, const std::string& input) {
  arguments.insert(arguments.begin(), {OurProgram("sealift"), "--config", config_file});
  Ran ran = RunCommand(arguments, input, kInTime);
  return {ran.exit_code, std::move(ran.out), std::move(ran.err), {}};
}

Answer World::Sealift(std::vector<std::string> arguments, const std::string& input) {
  arguments.insert(arguments.begin(), {"-o", "json"});
  Answer answer = SealiftPlain(std::move(arguments), input);
  answer.json = Json::Parse(answer.out);
  return answer;
}

Answer World::Load(const std::string& name, const std::string& template_file, const std::string& recipients_file,
                   std::vector<std::string> more) {
  std::vector<std::string> arguments = {
      "campaign",   "load",        name,           "--stream",     settings.streams[0].name,
      "--template", template_file, "--recipients", recipients_file};
  arguments.insert(arguments.end(), more.begin(), more.end());
  Answer answer = Sealift(arguments);
  EXPECT_EQ(answer.exit_code, 0) << answer.Describe();
  return answer;
}

Json World::Show(const std::string& name) {
  const Answer answer = Sealift({"campaign", "show", name});
  EXPECT_EQ(answer.exit_code, 0) << answer.Describe();
  const Json& json = answer.json;
  int64_t sum = 0;
  for (const char* part : {"queued", "delivered", "bounced", "expired", "suppressed", "cancelled"}) {
    EXPECT_TRUE(json[part].present()) << part << " is missing in " << json.Dump();
    sum += json[part].Number();
  }
  EXPECT_EQ(json["loaded"].Number(), sum) << "the counters do not add up: " << json.Dump();
  return json;
}

bool World::ShowsUntil(const std::string& name, std::chrono::seconds deadline,
                       const std::function<bool(const Json&)>& wanted) {
  Json last;
  const bool held = Eventually(deadline, [&] {
    last = Show(name);
    return wanted(last) || HasFatalFailure();
  });
  if (!held) {
    const Answer rows = SealiftPlain({"queue", "list", "--campaign", name, "--limit", "20"});
    fprintf(stderr, "campaign %s ended as %s\nits queue: %s\n", name.c_str(), last.Dump().c_str(),
            rows.Describe().c_str());
  }
  return held;
}

std::vector<Json> World::Events(const std::string& campaign) {
  const Answer answer = SealiftPlain({"-o", "ndjson", "events", "--campaign", campaign, "--reveal"});
  EXPECT_EQ(answer.exit_code, 0) << answer.Describe();
  std::vector<Json> events;
  std::istringstream lines(answer.out);
  for (std::string line; std::getline(lines, line);) events.push_back(Json::Parse(line));
  return events;
}

std::string World::Template(const std::string& name) {
  return dir.Write(name,
                   "From: Clinic <news@sender.test>\r\n"
                   "To: {{email}}\r\n"
                   "Subject: News for {{name}}\r\n"
                   "MIME-Version: 1.0\r\n"
                   "Content-Type: text/plain; charset=utf-8\r\n"
                   "\r\n"
                   "Dear {{name}},\r\n"
                   "\r\n"
                   ".a line that starts with a dot\r\n"
                   "we are open again in {{city}} \xe2\x80\x94 see you soon.\r\n");
}

std::string World::Recipients(int rows, const std::vector<std::string>& domains, const std::string& file) {
  std::string text = "email,name,city\r\n";
  for (int row = 1; row <= rows; ++row) {
    text += fmt::format("row{0}@{1},Person {0},\"City, {2}\"\r\n", row, domains[(row - 1) % domains.size()], row % 7);
  }
  return dir.Write(file, text);
}

std::string World::Metrics() {
  const std::string url = fmt::format("http://{}/metrics", settings.http_listen);
  const Ran ran = RunCommand({Program("curl", "curl"), "--silent", "--show-error", "--max-time", "20", url});
  EXPECT_EQ(ran.exit_code, 0) << ran.err;
  return ran.out;
}

std::map<std::string, double> World::MetricBy(const std::string& name, const std::string& label) {
  std::map<std::string, double> sums;
  std::istringstream lines(Metrics());
  const std::string opening = label + "=\"";
  for (std::string line; std::getline(lines, line);) {
    const size_t value = line.find(opening);
    if (!line.starts_with(name + "{") || value == std::string::npos) continue;
    const size_t begin = value + opening.size();
    const double number = std::stod(line.substr(line.rfind(' ') + 1));
    if (number != 0) sums[line.substr(begin, line.find('"', begin) - begin)] += number;
  }
  return sums;
}

double World::Metric(const std::string& series) {
  std::istringstream lines(Metrics());
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with(series + " ")) return std::stod(line.substr(series.size() + 1));
  }
  return -1;
}

std::vector<std::string> Domains(int count) {
  std::vector<std::string> domains;
  for (int i = 1; i <= count; ++i) domains.push_back(fmt::format("d{}.test", i));
  return domains;
}

}  // namespace sealift::scenario
