// top
#include <signal.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <chrono>
#include <nlohmann/json.hpp>
#include <optional>
#include <thread>

#include "tools/sealift/arguments.h"
#include "tools/sealift/commands.h"
#include "tools/sealift/daemon_client.h"
#include "tools/sealift/top_view.h"

namespace sealift::tools {
namespace {

using engine::ExitCode;
using nlohmann::json;

// The screen beside the one that was there, without a cursor (xterm's private modes 1049 and 25).
constexpr char kEnter[] = "\033[?1049h\033[?25l";
constexpr char kLeave[] = "\033[?25h\033[?1049l";

// Gives the terminal back as it was. What a signal handler may do: no more than that.
void LeaveAndExit(int signal) {
  [[maybe_unused]] const ssize_t written = write(STDOUT_FILENO, kLeave, sizeof kLeave - 1);
  _exit(signal == SIGINT ? static_cast<int>(ExitCode::kInterrupted) : 128 + signal);
}

// Owned by: the command, for as long as it shows its screen.
class Screen {
 public:
  explicit Screen(Console& console) : console_(console) {
    struct sigaction act{};
    act.sa_handler = LeaveAndExit;
    for (const int signal : {SIGINT, SIGTERM, SIGHUP}) sigaction(signal, &act, nullptr);
    console_.out() << kEnter << std::flush;
  }
  ~Screen() { console_.out() << kLeave << std::flush; }
  Screen(const Screen&) = delete;
  Screen& operator=(const Screen&) = delete;

  void Show(const json& snapshot) {
    winsize size{};
    if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col == 0 || size.ws_row == 0) size = {24, 80, 0, 0};
    std::string text = "\033[H";
    for (const std::string& line : TopLines(snapshot, size.ws_col, size.ws_row - 1u, console_.terminal().colour)) {
      text += line + "\033[K\n";
    }
    console_.out() << text << "\033[J" << std::flush;
  }

 private:
  Console& console_;
};

// The metrics, and when they were read.
struct Reading {
  std::string text;
  std::chrono::steady_clock::time_point at;
};

absl::StatusOr<Reading> Read(DaemonClient& daemon) {
  const absl::StatusOr<json> answer = daemon.Get("/api/v1/metrics");
  if (!answer.ok()) return answer.status();
  return Reading{answer->value("text", ""), std::chrono::steady_clock::now()};
}

// One row of what there is one of: "rates.delivered", "queue.held", "memory.rows"; the lists have no room in it.
void PrintNumbers(const json& snapshot, Console& console) {
  json numbers = json::object();
  std::vector<Column> columns;
  const auto add = [&](const std::string& name, const json& value) {
    numbers[name] = value;
    columns.push_back({name, name});
  };
  for (const auto& [name, value] : snapshot.items()) {
    if (value.is_object()) {
      for (const auto& [part, number] : value.items()) add(name + "." + part, number);
    } else if (!value.is_array()) {
      add(name, value);
    }
  }
  console.Record(numbers, columns);
}

}  // namespace

CommandResult RunTop(const Invocation& call, Console& console) {
  const absl::StatusOr<absl::Duration> interval = ParseIntervalArgument("interval", call.Value("interval", "2s"));
  if (!interval.ok()) return interval.status();
  absl::StatusOr<DaemonClient> daemon = DaemonClient::For(call);
  if (!daemon.ok()) return daemon.status();
  absl::StatusOr<Reading> last = Read(*daemon);
  if (!last.ok()) return last.status();
  const bool live = console.format() == Format::kTable && console.terminal().out && !call.Has("once");
  std::optional<Screen> screen;
  if (live) screen.emplace(console);
  for (;;) {
    std::this_thread::sleep_for(absl::ToChronoNanoseconds(*interval));
    absl::StatusOr<Reading> next = Read(*daemon);
    if (!next.ok()) return next.status();
    const json snapshot =
        TopSnapshot(last->text, next->text, std::chrono::duration<double>(next->at - last->at).count());
    last = std::move(next);
    if (!live) {
      if (console.format() == Format::kCsv) {
        PrintNumbers(snapshot, console);
      } else if (console.machine()) {
        console.Record(snapshot, {});
      } else {
        for (const std::string& line : TopLines(snapshot, 200, 100, console.terminal().colour))
          console.out() << line << "\n";
      }
      return ExitCode::kOk;
    }
    screen->Show(snapshot);
    if (!console.out()) return ExitCode::kOk;
  }
}

}  // namespace sealift::tools
