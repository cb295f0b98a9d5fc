// What a row of a recipient file costs until it is ready to be ingested: its bytes compared with an earlier load's (the
// digest), parsed, its address checked, --require and the key column looked at, checked against the template, told from
// duplicates, and encoded for its pack. Committing is the queue's share; see queue_bench.
#include <benchmark/benchmark.h>
#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "engine/campaign_loader.h"
#include "engine/campaign_settings.h"
#include "engine/runtime/check.h"

namespace sealift::engine {
namespace {

constexpr int kRows = 200'000;             // a chunk is committed at 500,000
constexpr size_t kPieceBytes = 256 << 10;  // as they come from the command line

constexpr std::string_view kTemplate =
    "From: Clinic at the Lake <news@example.com>\nTo: {{first_name}} {{last_name}} <{{email}}>\n"
    "Subject: {{first_name}}, your appointment on {{day}}\n\n"
    "Dear {{first_name}} {{last_name}}, your appointment is on {{day}} at {{time}} in {{city}}.\n";

std::string Separated(char separator) {
  std::string file = "email,first_name,last_name,city,consent,day,time,code\n";
  for (int i = 0; i < kRows; ++i) {
    file += fmt::format("patient{}@d{}.test,Jane,\"Doe{} Jr.\",Springfield,yes,Monday,10:15,{}\n", i, i % 60,
                        separator == ',' ? "," : "", i * 7919);
  }
  if (separator != ',') std::ranges::replace(file, ',', separator);
  return file;
}

std::string Objects() {
  std::string file;
  for (int i = 0; i < kRows; ++i) {
    file += fmt::format(
        "{{\"email\":\"patient{}@d{}.test\",\"first_name\":\"Jane\",\"last_name\":\"Doe, "
        "Jr.\",\"city\":\"Springfield\","
        "\"consent\":\"yes\",\"day\":\"Monday\",\"time\":\"10:15\",\"code\":{}}}\n",
        i, i % 60, i * 7919);
  }
  return file;
}

// A store of its own in a folder that goes with it.
class Ground {
 public:
  Ground() {
    std::string pattern = std::filesystem::temp_directory_path().string() + "/sealift-load-XXXXXX";
    folder_ = mkdtemp(pattern.data());
    queue::Store::Options options;
    options.path = folder_ / "queue";
    options.kek.fill(7);
    absl::StatusOr<std::unique_ptr<queue::Store>> store = queue::Store::Open(std::move(options));
    CHECK(store.ok(), "the store opens");
    store_ = *std::move(store);
    campaigns_ = std::make_unique<Campaigns>(
        *store_, shards_, Delivery::kSink,
        Campaigns::Surroundings{.may_send = [] { return absl::OkStatus(); }, .cancelled = {}});
  }
  ~Ground() {
    store_.reset();
    std::filesystem::remove_all(folder_);
  }

  // Feeds the file and forgets it before it is committed.
  void Load(std::string_view file, RecipientFormat format, bool key) {
    LoadRequest request{.name = fmt::format("c{}", ++loads_),
                        .stream = "news",
                        .template_text = std::string(kTemplate),
                        .require = {{"consent", "yes"}},
                        .key_column = key ? "code" : "",
                        .format = format};
    queue::CampaignSpec spec{.name = request.name,
                             .stream = request.stream,
                             .mode = "sink",
                             .template_text = request.template_text,
                             .settings_json = CampaignSettings{.key_column = request.key_column}.ToText()};
    RecipientFileLoader loader(
        *store_, *campaigns_, std::move(request), std::move(spec), StreamKind::kMarketing,
        [] { return absl::OkStatus(); }, [](uint64_t) {});
    loader.OnRejection([](const CampaignLoader::Rejection&) { CHECK(false, "every row is a good one"); });
    for (size_t at = 0; at < file.size(); at += kPieceBytes) {
      const std::string_view piece = file.substr(at, kPieceBytes);
      CHECK(loader.Feed({piece.data(), piece.size()}).ok(), "the file can be read");
    }
  }

 private:
  std::filesystem::path folder_;
  std::vector<std::unique_ptr<Shard>> shards_;
  std::unique_ptr<queue::Store> store_;
  std::unique_ptr<Campaigns> campaigns_;
  int loads_ = 0;
};

void RowReadyForIngestion(benchmark::State& state, RecipientFormat format, bool key) {
  const std::string file =
      format == RecipientFormat::kNdjson ? Objects() : Separated(format == RecipientFormat::kTsv ? '\t' : ',');
  Ground ground;
  for (auto _ : state) ground.Load(file, format, key);
  state.SetItemsProcessed(state.iterations() * kRows);
  state.SetBytesProcessed(state.iterations() * static_cast<int64_t>(file.size()));
  state.counters["CPU_a_row"] = benchmark::Counter(static_cast<double>(state.iterations() * kRows),
                                                   benchmark::Counter::kIsRate | benchmark::Counter::kInvert);
}
BENCHMARK_CAPTURE(RowReadyForIngestion, Csv, RecipientFormat::kCsv, false)->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(RowReadyForIngestion, CsvWithAKey, RecipientFormat::kCsv, true)->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(RowReadyForIngestion, Tsv, RecipientFormat::kTsv, false)->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(RowReadyForIngestion, Ndjson, RecipientFormat::kNdjson, false)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace sealift::engine
