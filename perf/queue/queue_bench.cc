// queue_bench: what the queue costs a row, on a real disk, at any size. Each run has two phases, each a process of its
// own, so that what one has allocated does not count for the other:
//
//   load    opens an empty queue, loads the rows, and ends by SIGKILL
//   drain   opens what is there, asks what operators ask, then claims and settles the rows, 20 % deferred once
//
// Prints medians of the runs: CPU of the queue's own threads (committer, readers, RocksDB's) and of the driver, which
// stands in for the shards; bytes given to the disk, compaction included; the peak of resident memory. Not a Google
// Benchmark: it builds a state up and wears it down.
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <condition_variable>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <future>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "fmt/format.h"
#include "queue/store.h"

namespace sealift::queue {
namespace {

constexpr const char* kUsage =
    R"(usage: queue_bench [--rows N] [--lanes N] [--drain N] [--suppressed N] [--memory MIB] [--scattered] [--runs N]

  --rows N        rows to load (1000000), over
  --lanes N       so many destinations (100)
  --drain N       settle N rows only (all)
  --suppressed N  addresses on the suppression list that are not among the rows (0)
  --memory MIB    the queue's budget (256: half of the default node.memory, as the daemon gives it)
  --scattered     settle row by row across the packs, instead of a pack's rows together as shards do
  --runs N        print the medians of N runs (1)

Works in a directory of its own under $TMPDIR (/var/tmp).
)";

struct Plan {
  uint32_t rows = 1'000'000, lanes = 100, drain = 0, suppressed = 0, memory_mib = 256, runs = 1;
  bool scattered = false;
};

enum Figure : size_t {
  kListMicros,
  kLoadRate,
  kLoadMicros,
  kLoadPeak,
  kOpen,
  kShape,
  kFind,
  kTrace,
  kQueueMicros,
  kDriverMicros,
  kBytes,
  kLogBytes,
  kCommitRows,
  kDrainRate,
  kDrainPeak,
  kFirstTenth,
  kFirstTenthRate = kFirstTenth + 10,
  kEnd = kFirstTenthRate + 10
};
constexpr std::array<const char*, kFirstTenth> kNames = {
    "suppression list: us of CPU an address",
    "load: rows a second",
    "load: us of CPU a row",
    "load: MiB resident at most",
    "open after SIGKILL: ms",
    "read every lane (queue shape): ms",
    "find by recipient: ms",
    "trace a message: ms",
    "claim and settle: us of CPU a row, the queue's",
    "claim and settle: us of CPU a row, the driver's",
    "claim and settle: bytes written a row",
    "claim and settle: bytes of them to the log",
    "claim and settle: outcomes a commit",
    "claim and settle: rows a second",
    "drain: MiB resident at most",
};
using Figures = std::array<double, kEnd>;

double Seconds(const timeval& time) {
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
}

double CpuSeconds(int who) {
  rusage usage;
  (void)::getrusage(who, &usage);
  return Seconds(usage.ru_utime) + Seconds(usage.ru_stime);
}

// Of a "name: value" line in /proc.
uint64_t Read(const char* file, std::string_view name) {
  std::ifstream lines(file);
  std::string word;
  while (lines >> word) {
    uint64_t value = 0;
    if (word == name && lines >> value) return value;
  }
  return 0;
}

double PeakMiB() { return static_cast<double>(Read("/proc/self/status", "VmHWM:")) / 1024; }
double BytesWritten() { return static_cast<double>(Read("/proc/self/io", "write_bytes:")); }

class Stopwatch {
 public:
  double seconds() const { return absl::ToDoubleSeconds(absl::Now() - begin_); }
  double cpu() const { return CpuSeconds(RUSAGE_SELF) - cpu_; }
  double driver_cpu() const { return CpuSeconds(RUSAGE_THREAD) - driver_cpu_; }

 private:
  const absl::Time begin_ = absl::Now();
  const double cpu_ = CpuSeconds(RUSAGE_SELF), driver_cpu_ = CpuSeconds(RUSAGE_THREAD);
};

template <typename T>
T Must(absl::StatusOr<T> result) {
  if (result.ok()) return *std::move(result);
  fmt::print(stderr, "{}\n", std::string(result.status().message()));
  std::exit(1);
}

void Must(const absl::Status& status) {
  if (!status.ok()) Must<int>(status);
}

class Bench {
 public:
  Bench(std::string path, const Plan& plan, Figures* figures) : plan_(plan), figures_(*figures) {
    Store::Options options;
    options.path = std::move(path);
    options.kek.fill(1);
    options.memory_bytes = size_t{plan_.memory_mib} << 20;
    options.on_durable = [this](int, uint64_t durable) {
      const std::lock_guard lock(mutex_);
      durable_ = durable;
      changed_.notify_all();
    };
    store_ = Must(Store::Open(std::move(options)));
  }

  void Suppress() {
    if (plan_.suppressed == 0) return;
    const Stopwatch watch;
    std::vector<SuppressionChange> changes;
    for (uint32_t i = 1; i <= plan_.suppressed; ++i) {
      changes.push_back({.address = fmt::format("gone{}@d{}.test", i, i % plan_.lanes),
                         .entry = {.what = {.kind = SuppressionKind::kOptOut}, .time = now_}});
      if (changes.size() < 2000 && i < plan_.suppressed) continue;
      (void)Must(store_->ChangeSuppressions(std::move(changes), false));
      changes.clear();
    }
    figures_[kListMicros] = watch.cpu() / plan_.suppressed * 1e6;
  }

  void Load() {
    CampaignSpec spec;
    spec.name = "bench";
    spec.columns = {"name", "id"};
    const CampaignId campaign = Must(store_->CreateCampaign(spec, now_)).id;
    std::vector<std::string> domains;
    for (uint32_t i = 0; i < plan_.lanes; ++i) domains.push_back(fmt::format("d{}.test", i));
    auto load = Must(store_->BeginLoad(campaign, now_));
    const Stopwatch watch;
    std::string recipient, name, id;
    for (uint32_t row = 1; row <= plan_.rows; ++row) {
      if (load->full()) Must(load->CommitBehind(row, "digest"));
      const std::string& domain = domains[row % plan_.lanes];
      recipient.clear(), name.clear(), id.clear();
      fmt::format_to(std::back_inserter(recipient), "patient{}@{}", row, domain);
      fmt::format_to(std::back_inserter(name), "Name{}", row);
      fmt::format_to(std::back_inserter(id), "{}", row * 7919u);
      const std::string_view fields[] = {name, id};
      (void)Must(load->Add({RowId{row}, recipient, domain, fields}));
    }
    Must(load->Commit(plan_.rows, "digest", true));
    figures_[kLoadRate] = plan_.rows / watch.seconds();
    figures_[kLoadMicros] = watch.cpu() / plan_.rows * 1e6;
    figures_[kLoadPeak] = PeakMiB();
  }

  void Ask() {
    campaign_ = Must(store_->FindCampaign("bench")).id;
    const Stopwatch shape;
    uint64_t queued = 0;
    std::string cursor;
    for (bool done = false; !done;) {
      LanesPage page = ReadLanes(cursor, 4096);
      for (const LaneRecord& lane : page.lanes) queued += lane.queued;
      cursor = page.cursor;
      done = page.done;
    }
    figures_[kShape] = shape.seconds() * 1e3;
    if (queued != plan_.rows) Must(absl::DataLossError(fmt::format("{} rows of {} are queued", queued, plan_.rows)));
    const uint32_t row = plan_.rows / 2;
    const Stopwatch find;
    const auto found =
        Must(store_->FindRecipient(campaign_, fmt::format("patient{}@d{}.test", row, row % plan_.lanes)));
    figures_[kFind] = find.seconds() * 1e3;
    const Stopwatch trace;
    if (!found || !Must(store_->TraceMessage(*found)).row)
      Must(absl::DataLossError("a row that is queued is not found"));
    figures_[kTrace] = trace.seconds() * 1e3;
  }

  // One shard: pages of lanes, windows of 8 packs of 64 lanes at a time, as its lane table asks for them.
  void Drain() {
    const Stopwatch watch;
    const double written = BytesWritten();
    evidence_ = std::make_shared<const Evidence>(Evidence{"newsletter", "ip1", "mx.d1.test [127.0.0.1]", "TLSv1.3",
                                                          "TLS_AES_256_GCM_SHA384", "mx.d1.test", "require"});
    const uint64_t wanted = plan_.drain == 0 ? plan_.rows : plan_.drain;
    tenth_.emplace();
    for (; settled_ < wanted; now_ += absl::Minutes(10)) {
      std::string cursor;
      for (bool done = false; !done && settled_ < wanted;) {
        LanesPage page = ReadLanes(cursor, 1024);
        cursor = page.cursor;
        done = page.done;
        for (size_t first = 0; first < page.lanes.size() && settled_ < wanted; first += 64) {
          DrainLanes(page.lanes, first, std::min(page.lanes.size(), first + 64), wanted);
        }
      }
      Flush();
      std::unique_lock lock(mutex_);
      changed_.wait(lock, [&] { return durable_ == numbered_; });
    }
    EndTenth();
    const double rows = static_cast<double>(settled_);
    const StoreStats stats = store_->Stats();
    figures_[kDrainRate] = rows / watch.seconds();
    figures_[kDriverMicros] = watch.driver_cpu() / rows * 1e6;
    figures_[kLogBytes] = static_cast<double>(stats.bytes) / rows;
    figures_[kCommitRows] = static_cast<double>(stats.rows) / static_cast<double>(stats.commits);
    const double driver = watch.driver_cpu();
    store_.reset();  // what compaction is under way counts
    figures_[kQueueMicros] = (watch.cpu() - driver) / rows * 1e6;
    figures_[kBytes] = (BytesWritten() - written) / rows;
    figures_[kDrainPeak] = PeakMiB();
  }

 private:
  LanesPage ReadLanes(const std::string& cursor, int max) {
    std::promise<LanesPage> promise;
    store_->ReadLanes(campaign_, cursor, max, 0, 1, [&](LanesPage page) { promise.set_value(std::move(page)); });
    LanesPage page = promise.get_future().get();
    Must(page.status);
    return page;
  }

  void DrainLanes(const std::vector<LaneRecord>& lanes, size_t first, size_t end, uint64_t wanted) {
    std::vector<LaneRead> reads;
    for (size_t i = first; i < end; ++i) {
      reads.push_back(
          {.lane = lanes[i].lane, .now = now_, .packs_max = 8, .fresh_too = lanes[i].queued > lanes[i].retrying});
    }
    while (!reads.empty() && settled_ < wanted) {
      std::promise<std::vector<LaneWindow>> promise;
      store_->ReadRows(reads, [&](std::vector<LaneWindow> read) { promise.set_value(std::move(read)); });
      std::vector<LaneWindow> windows = promise.get_future().get();
      std::vector<LaneRead> next;
      std::vector<std::shared_ptr<Pack>> packs;
      for (size_t i = 0; i < windows.size(); ++i) {
        LaneWindow& window = windows[i];
        Must(window.status);
        reads[i].fresh_too = reads[i].fresh_too && !window.fresh_done;
        if (reads[i].fresh_too || window.next_due <= now_) {
          reads[i].fresh = std::move(window.fresh);
          reads[i].retry = std::move(window.retry);
          next.push_back(std::move(reads[i]));
        }
        std::move(window.packs.begin(), window.packs.end(), std::back_inserter(packs));
      }
      reads = std::move(next);
      SettlePacks(packs);
      if (tenths_ < 9 && settled_ >= wanted / 10 * (tenths_ + 1)) EndTenth();
    }
  }

  void EndTenth() {
    const double rows = static_cast<double>(settled_ - mark_);
    figures_[kFirstTenth + tenths_] = tenth_->cpu() / rows * 1e6;
    figures_[kFirstTenthRate + tenths_] = rows / tenth_->seconds();
    ++tenths_;
    tenth_.emplace();
    mark_ = settled_;
  }

  void SettlePacks(const std::vector<std::shared_ptr<Pack>>& packs) {
    if (!plan_.scattered) {
      for (const auto& pack : packs) {
        for (size_t index = 0; index < pack->rows().size(); ++index) Settle(pack, index);
      }
      return;
    }
    // Row i of every pack before row i + 1 of any, as if every session were the slowest.
    for (size_t index = 0; index < Pack::kRowsMax; ++index) {
      for (const auto& pack : packs) {
        if (index < pack->rows().size()) Settle(pack, index);
      }
    }
  }

  void Settle(const std::shared_ptr<Pack>& pack, size_t index) {
    const Row& row = pack->rows()[index];
    const uint32_t id = static_cast<uint32_t>(row.id);
    Outcome outcome;
    outcome.pack = pack;
    outcome.index = static_cast<uint8_t>(index);
    outcome.time = outcome.date = now_;
    outcome.attempt = static_cast<uint16_t>(row.attempts + 1);
    const bool deferred = outcome.attempt == 1 && id * 2654435761u % 5 == 0;  // of every lane a fifth
    outcome.kind = deferred ? OutcomeKind::kDeferred : OutcomeKind::kDelivered;
    outcome.due = now_ + absl::Minutes(5) + absl::Milliseconds(id % 3000);
    outcome.reason_class = deferred ? "greylisted" : "ok";
    outcome.code = deferred ? 451 : 250;
    outcome.enhanced = deferred ? "4.7.1" : "2.0.0";
    outcome.reply = fmt::format("Ok: queued as 4{:08X}abc", id * 2246822519u);  // no two alike
    outcome.evidence = evidence_;
    if (!deferred) ++settled_;
    batch_.push_back(std::move(outcome));
    if (batch_.size() == 64) Flush();
  }

  void Flush() {
    if (batch_.empty()) return;
    numbered_ += batch_.size();
    while (!store_->Settle(0, numbered_, batch_)) {
      std::unique_lock lock(mutex_);
      const uint64_t before = durable_;
      changed_.wait_for(lock, std::chrono::milliseconds(10), [&] { return durable_ != before; });
    }
  }

  const Plan plan_;
  Figures& figures_;
  std::mutex mutex_;
  std::condition_variable changed_;
  uint64_t durable_ = 0;
  std::unique_ptr<Store> store_;
  CampaignId campaign_{};
  absl::Time now_ = absl::FromUnixSeconds(1'800'000'000);
  std::shared_ptr<const Evidence> evidence_;
  std::vector<Outcome> batch_;
  uint64_t numbered_ = 0, settled_ = 0;
  std::optional<Stopwatch> tenth_;
  uint64_t mark_ = 0;  // settled when it began
  size_t tenths_ = 0;
};

// Runs a phase in a process of its own. False: it failed, and has said why.
bool InProcess(const std::function<void()>& phase) {
  const pid_t child = ::fork();
  if (child == 0) {
    phase();
    (void)std::raise(SIGKILL);
  }
  int status = 0;
  return child > 0 && ::waitpid(child, &status, 0) == child && WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
}

bool Run(const std::string& path, const Plan& plan, Figures* figures) {
  const bool loaded = InProcess([&] {
    Bench bench(path, plan, figures);
    bench.Suppress();
    bench.Load();
  });
  return loaded && InProcess([&] {
           const Stopwatch open;
           Bench bench(path, plan, figures);
           (*figures)[kOpen] = open.seconds() * 1e3;
           bench.Ask();
           bench.Drain();
         });
}

double Median(std::vector<double> values) {
  std::ranges::sort(values);
  return values[(values.size() - 1) / 2];
}

int Main(int argc, char** argv) {
  Plan plan;
  std::map<std::string, uint32_t*> numbers = {{"rows", &plan.rows},         {"lanes", &plan.lanes},
                                              {"drain", &plan.drain},       {"suppressed", &plan.suppressed},
                                              {"memory", &plan.memory_mib}, {"runs", &plan.runs}};
  for (int i = 1; i < argc; ++i) {
    const std::string flag = argv[i];
    const auto number = flag.starts_with("--") ? numbers.find(flag.substr(2)) : numbers.end();
    if (flag == "--scattered") {
      plan.scattered = true;
    } else if (number != numbers.end() && i + 1 < argc) {
      *number->second = static_cast<uint32_t>(std::strtoul(argv[++i], nullptr, 10));
    } else {
      std::fputs(kUsage, flag == "--help" ? stdout : stderr);
      return flag == "--help" ? 0 : 64;
    }
  }
  if (plan.rows == 0 || plan.lanes == 0 || plan.runs == 0) return std::fputs(kUsage, stderr), 64;

  const char* const directory = std::getenv("TMPDIR");
  std::string root = fmt::format("{}/queue-bench-XXXXXX", directory != nullptr ? directory : "/var/tmp");
  void* const shared = ::mmap(nullptr, sizeof(Figures), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (shared == MAP_FAILED || ::mkdtemp(root.data()) == nullptr) {
    fmt::print(stderr, "{} cannot be created: choose another $TMPDIR\n", root);
    return 73;
  }
  std::array<std::vector<double>, kEnd> seen;
  for (uint32_t run = 0; run < plan.runs; ++run) {
    auto* const figures = new (shared) Figures{};
    const bool done = Run(root + "/queue", plan, figures);
    std::filesystem::remove_all(root + "/queue");
    if (!done) return 1;
    for (size_t i = 0; i < kEnd; ++i) seen[i].push_back((*figures)[i]);
  }
  std::filesystem::remove_all(root);
  fmt::print("{} rows, {} lanes, {} MiB for the queue, medians of {}\n", plan.rows, plan.lanes, plan.memory_mib,
             plan.runs);
  for (size_t i = 0; i < kFirstTenth; ++i) {
    if (const double median = Median(seen[i]); median > 0) fmt::print("{:<50} {:>10.2f}\n", kNames[i], median);
  }
  fmt::print("claim and settle: us of CPU a row, tenth by tenth:");
  for (size_t i = kFirstTenth; i < kFirstTenthRate; ++i) fmt::print(" {:.2f}", Median(seen[i]));
  fmt::print("\nclaim and settle: thousand rows a second, tenth by tenth:");
  for (size_t i = kFirstTenthRate; i < kEnd; ++i) fmt::print(" {:.0f}", Median(seen[i]) / 1e3);
  fmt::print("\n");
  return 0;
}

}  // namespace
}  // namespace sealift::queue

int main(int argc, char** argv) { return sealift::queue::Main(argc, argv); }
