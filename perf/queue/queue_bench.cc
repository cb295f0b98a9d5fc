// queue_bench [ROWS] [LANES] [SUPPRESSED]: loads ROWS rows (default 1,000,000) over LANES destinations (default 100)
// into a queue in the directory $TMPDIR (default /var/tmp: a real disk, not memory), then claims and settles them all,
// 20 % deferred once, as shards would. Prints rows a second of loading, and CPU and bytes of the log a row of claiming
// and settling. Before that SUPPRESSED addresses that are not among the rows (default 0) are put on the suppression
// list. Not a Google Benchmark: it runs once, on state that it builds up and wears down.
#include <sys/resource.h>

#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <deque>
#include <filesystem>
#include <fstream>
#include <future>
#include <map>
#include <mutex>
#include <string>
#include <unordered_map>
#include <vector>

#include "fmt/format.h"
#include "queue/store.h"

namespace sealift::queue {
namespace {

double CpuSeconds() {
  rusage usage;
  (void)::getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& time) { return static_cast<double>(time.tv_sec) + time.tv_usec / 1e6; };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

double RssMiB() {
  std::ifstream statm("/proc/self/statm");
  uint64_t total = 0, resident = 0;
  statm >> total >> resident;
  return static_cast<double>(resident) * 4096 / (1 << 20);
}

uint64_t BytesWritten() {
  std::ifstream io("/proc/self/io");
  std::string name;
  uint64_t value = 0;
  while (io >> name >> value) {
    if (name == "write_bytes:") return value;
  }
  return 0;
}

template <typename T>
T Must(absl::StatusOr<T> result) {
  if (result.ok()) return *std::move(result);
  fmt::print(stderr, "{}\n", std::string(result.status().message()));
  std::exit(1);
}

void Must(const absl::Status& status) {
  if (!status.ok()) {
    fmt::print(stderr, "{}\n", std::string(status.message()));
    std::exit(1);
  }
}

class Bench {
 public:
  Bench(std::string path, uint32_t rows, uint32_t lanes) : rows_(rows), lanes_(lanes) {
    Store::Options options;
    options.path = std::move(path);
    options.kek.fill(1);
    options.on_durable = [this](int, uint64_t durable) {
      const std::lock_guard lock(mutex_);
      durable_ = durable;
      changed_.notify_all();
    };
    store_ = Must(Store::Open(std::move(options)));
  }

  void Suppress(uint32_t count) {
    if (count == 0) return;
    const absl::Time begin = absl::Now();
    const double cpu = CpuSeconds();
    std::vector<SuppressionChange> changes;
    for (uint32_t i = 1; i <= count; ++i) {
      changes.push_back({.address = fmt::format("gone{}@d{}.test", i, i % lanes_),
                         .entry = {.what = {.kind = SuppressionKind::kOptOut}, .time = now_}});
      if (changes.size() < 2000 && i < count) continue;
      (void)Must(store_->ChangeSuppressions(std::move(changes), false));
      changes.clear();
    }
    const double seconds = absl::ToDoubleSeconds(absl::Now() - begin);
    fmt::print("list:   {} addresses in {:.2f} s: {:.0f} a second, {:.2f} us of CPU each\n", count, seconds,
               count / seconds, (CpuSeconds() - cpu) / count * 1e6);
  }

  void Load() {
    CampaignSpec spec;
    spec.name = "bench";
    spec.columns = {"name", "id"};
    campaign_ = Must(store_->CreateCampaign(spec, now_)).id;
    std::vector<std::string> domains;
    for (uint32_t i = 0; i < lanes_; ++i) domains.push_back(fmt::format("d{}.test", i));
    auto load = Must(store_->BeginLoad(campaign_, now_));
    const absl::Time begin = absl::Now();
    const double cpu = CpuSeconds();
    std::string recipient, name, id;
    for (uint32_t row = 1; row <= rows_; ++row) {
      if (load->full()) Must(load->Commit(row, "digest", false));
      const std::string& domain = domains[row % lanes_];
      recipient.clear(), name.clear(), id.clear();
      fmt::format_to(std::back_inserter(recipient), "patient{}@{}", row, domain);
      fmt::format_to(std::back_inserter(name), "Name{}", row);
      fmt::format_to(std::back_inserter(id), "{}", row * 7919u);
      const std::string_view fields[] = {name, id};
      (void)Must(load->Add({RowId{row}, recipient, domain, fields}));
    }
    Must(load->Commit(rows_, "digest", true));
    const double seconds = absl::ToDoubleSeconds(absl::Now() - begin);
    fmt::print("load:   {} rows, {} lanes in {:.2f} s: {:.0f} rows/s, {:.2f} us of CPU a row, {:.0f} MiB resident\n",
               rows_, lanes_, seconds, rows_ / seconds, (CpuSeconds() - cpu) / rows_ * 1e6, RssMiB());
  }

  // One shard: windows of 32 packs, 64 lanes at a time; every session settles row by row.
  void Drain() {
    const absl::Time begin = absl::Now();
    const double cpu = CpuSeconds();
    const uint64_t written = BytesWritten();
    evidence_ = std::make_shared<const Evidence>(Evidence{"newsletter", "ip1", "mx.d1.test [127.0.0.1]", "TLSv1.3",
                                                          "TLS_AES_256_GCM_SHA384", "mx.d1.test", "require"});
    uint64_t tenth = rows_ / 10, mark = tenth;
    absl::Time last = begin;
    std::vector<double> tenths;
    while (settled_ < rows_) {
      std::string cursor;
      for (bool done = false; !done;) {
        std::promise<LanesPage> promise;
        store_->ReadLanes(campaign_, cursor, 64, 0, 1, [&](LanesPage page) { promise.set_value(std::move(page)); });
        LanesPage page = promise.get_future().get();
        Must(page.status);
        cursor = page.cursor;
        done = page.done;
        DrainLanes(page.lanes);
        for (; settled_ >= mark && mark > 0; mark += tenth) {
          tenths.push_back(absl::ToDoubleSeconds(absl::Now() - last));
          last = absl::Now();
        }
      }
      now_ += absl::Minutes(10);
    }
    Flush();
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return durable_ == numbered_; });
    const double seconds = absl::ToDoubleSeconds(absl::Now() - begin);
    const StoreStats stats = store_->Stats();
    fmt::print(
        "settle: {} rows ({} outcomes) in {:.2f} s: {:.0f} rows/s, {:.2f} us of CPU a row, {:.0f} bytes written a row "
        "({:.0f} through the log), {} commits of {:.0f} rows, {:.2f} ms each, {:.0f} MiB resident\n",
        rows_, numbered_, seconds, rows_ / seconds, (CpuSeconds() - cpu) / rows_ * 1e6,
        static_cast<double>(BytesWritten() - written) / rows_, static_cast<double>(stats.bytes) / rows_, stats.commits,
        static_cast<double>(stats.rows) / static_cast<double>(stats.commits),
        stats.seconds_sum / static_cast<double>(stats.commits) * 1e3, RssMiB());
    fmt::print("tenths:");
    for (const double tenth_seconds : tenths) fmt::print(" {:.2f}", tenth_seconds);
    fmt::print(" s\n");
  }

 private:
  void DrainLanes(const std::vector<LaneRecord>& lanes) {
    std::vector<LaneRead> reads;
    for (const LaneRecord& lane : lanes) {
      const auto& cursor = cursors_[lane.lane];
      reads.push_back({.lane = lane.lane, .fresh = cursor.first, .retry = cursor.second, .now = now_, .packs_max = 32});
    }
    while (!reads.empty()) {
      std::promise<std::vector<LaneWindow>> promise;
      store_->ReadRows(reads, [&](std::vector<LaneWindow> windows) { promise.set_value(std::move(windows)); });
      reads.clear();
      std::vector<std::shared_ptr<Pack>> packs;
      for (LaneWindow& window : promise.get_future().get()) {
        Must(window.status);
        cursors_[window.lane] = {window.fresh, window.retry};
        if (!window.packs.empty() && !window.fresh_done) {
          reads.push_back(
              {.lane = window.lane, .fresh = window.fresh, .retry = window.retry, .now = now_, .packs_max = 32});
        }
        for (auto& pack : window.packs) packs.push_back(std::move(pack));
      }
      SettlePacks(packs);
    }
  }

  // Row i of every pack before row i + 1 of any, as parallel sessions would.
  void SettlePacks(const std::vector<std::shared_ptr<Pack>>& packs) {
    for (size_t index = 0; index < Pack::kRowsMax; ++index) {
      for (const auto& pack : packs) {
        if (index >= pack->rows().size()) continue;
        Outcome outcome;
        outcome.pack = pack;
        outcome.index = static_cast<uint8_t>(index);
        outcome.time = outcome.date = now_;
        outcome.attempt = static_cast<uint16_t>(pack->rows()[index].attempts + 1);
        const bool deferred = outcome.attempt == 1 && static_cast<uint32_t>(pack->rows()[index].id) % 5 == 0;
        outcome.kind = deferred ? OutcomeKind::kDeferred : OutcomeKind::kDelivered;
        outcome.due =
            now_ + absl::Minutes(5) + absl::Milliseconds(static_cast<uint32_t>(pack->rows()[index].id) % 3000);
        outcome.reason_class = deferred ? "greylisted" : "ok";
        outcome.code = deferred ? 451 : 250;
        outcome.enhanced = deferred ? "4.7.1" : "2.0.0";
        outcome.reply = "Ok: queued as 4XyZ12abc";
        outcome.evidence = evidence_;
        if (!deferred) ++settled_;
        batch_.push_back(std::move(outcome));
        if (batch_.size() == 64) Flush();
      }
    }
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

  const uint32_t rows_, lanes_;
  std::mutex mutex_;
  std::condition_variable changed_;
  uint64_t durable_ = 0;
  std::unique_ptr<Store> store_;
  CampaignId campaign_{};
  absl::Time now_ = absl::FromUnixSeconds(1'800'000'000);
  std::map<LaneId, std::pair<std::string, std::string>> cursors_;
  std::shared_ptr<const Evidence> evidence_;
  std::vector<Outcome> batch_;
  uint64_t numbered_ = 0, settled_ = 0;
};

}  // namespace
}  // namespace sealift::queue

int main(int argc, char** argv) {
  const char* const directory = std::getenv("TMPDIR");
  std::string root = fmt::format("{}/queue-bench-XXXXXX", directory != nullptr ? directory : "/var/tmp");
  if (::mkdtemp(root.data()) == nullptr) {
    fmt::print(stderr, "{} cannot be created: choose another $TMPDIR\n", root);
    return 73;
  }
  const auto number = [&](int index, uint32_t fallback) {
    return argc > index ? static_cast<uint32_t>(std::strtoul(argv[index], nullptr, 10)) : fallback;
  };
  {
    sealift::queue::Bench bench(root + "/queue", number(1, 1'000'000), std::max(number(2, 100), 1u));
    bench.Suppress(number(3, 0));
    bench.Load();
    bench.Drain();
  }
  std::filesystem::remove_all(root);
  return 0;
}
