#include "tests/tools/cli/fake_node.h"

#include <fmt/format.h>

#include <charconv>
#include <cstdlib>
#include <filesystem>

#include "engine/exit_code.h"
#include "engine/filter_names.h"

namespace sealift::tools {
namespace {

using engine::ExitCode;
using engine::WithExit;

class FakeLoader final : public engine::CampaignLoader {
 public:
  FakeLoader(FakeNode& node, std::string name, bool start) : node_(node), name_(std::move(name)), start_(start) {}
  void OnRejection(std::function<void(const Rejection&)> sink) override { sink_ = std::move(sink); }
  absl::Status Feed(std::span<const char> bytes) override {
    node_.loaded_bytes.append(bytes.data(), bytes.size());
    return absl::OkStatus();
  }
  absl::StatusOr<Summary> Finish() override {
    for (const Rejection& rejection : node_.rejections) sink_(rejection);
    Summary summary{.name = name_, .accepted = 7};
    summary.rejected = node_.rejections.size();
    summary.started = start_;
    summary.sink = node_.spring.sink;
    return summary;
  }

 private:
  FakeNode& node_;
  std::string name_;
  bool start_;
  std::function<void(const Rejection&)> sink_;
};

absl::Status NoCampaign(std::string_view name) {
  return WithExit(absl::NotFoundError(fmt::format("There is no campaign {}. See `sealift campaign list`.", name)),
                  ExitCode::kNoInput);
}

}  // namespace

FakeNode::~FakeNode() {
  restoration_.reset();
  jobs_.reset();
  holds_.reset();
  returned_mail_.reset();
  suppressions_.reset();
  store_.reset();
  if (!directory_.empty()) std::filesystem::remove_all(directory_);
}

absl::StatusOr<engine::RowCount> FakeNode::CountRows(const engine::QueueFilter& filter, absl::Duration) {
  Note("count " + filter.Describe());
  return engine::RowCount{.rows = 3, .unplaced = filter.provider.has_value() ? 2u : 0u};
}

engine::Holds& FakeNode::holds() {
  const std::lock_guard lock(mutex_);
  OpenStore();
  return *holds_;
}

std::vector<engine::LimitStatus> FakeNode::Throttles() {
  return {{.kind = "source",
           .name = "ip1",
           .value = "20000/h",
           .set_by = "/etc/sealift/sealift.toml:34",
           .until = absl::FromUnixSeconds(1'800'000'000),
           .waiting = 7,
           .binds = true},
          {.kind = "stream", .name = "news", .value = "200/s", .set_by = "/etc/sealift/sealift.toml:50"}};
}

std::vector<engine::SourceStatus::Restraint> FakeNode::EndSuspensions(const std::string& source,
                                                                      const std::string& provider, bool dry_run) {
  if (source != "ip1" || provider != "yahoo") return {};
  if (!dry_run) Note("end suspensions ip1 yahoo");
  return {{.where = "to yahoo", .value = "suspended", .rule = "yahoo.permanently_deferred", .set_by = "built in"}};
}

std::vector<engine::SourceStatus::Restraint> FakeNode::EndSuspension(const std::string& limit, bool dry_run) {
  if (limit != "everything to google") return {};
  if (!dry_run) Note("end suspension " + limit);
  return {{.where = limit, .value = "suspended", .rule = "rule 1", .set_by = "/etc/sealift/sealift.toml:9"}};
}

std::vector<engine::SourceStatus> FakeNode::Sources() {
  engine::SourceStatus source{.name = "ip1", .address = "203.0.113.10", .hostname = "mta1.example.com"};
  source.limits = {
      Throttles()[0],
      {.kind = "warmup", .name = "ip1 to google", .value = "100 on day 2 of 3", .set_by = "sealift.toml:7"}};
  source.suspended = {"h1 provider=microsoft source=ip1: S3150"};
  source.restraints = {{.where = "to google",
                        .value = "5/m of 10/m",
                        .rule = "google.rate",
                        .set_by = "built in",
                        .since = absl::FromUnixSeconds(1'800'000'000),
                        .until = absl::FromUnixSeconds(1'800'001'800)}};
  return {source};
}

absl::StatusOr<std::vector<engine::WarmupStatus>> FakeNode::ShowWarmup(const std::string& source) {
  if (source != "ip1") {
    return engine::WithExit(absl::NotFoundError("the configuration has no source of that name"),
                            engine::ExitCode::kNoInput);
  }
  std::vector<engine::WarmupStatus> list = {
      {.source = "ip1", .provider = "google", .date = "2026-12-02", .day = 2, .days = 3, .quota = 100, .sent = 41},
      {.source = "ip1", .provider = "site mx.d1.test", .days = 3, .over = true}};
  for (engine::WarmupStatus& status : list) {
    status.starts = "2026-12-01";
    status.tz = "UTC";
    status.then = "unlimited";
    status.overflow = "pool";
    status.set_by = "sealift.toml:7";
  }
  return list;
}

absl::StatusOr<std::vector<engine::WarmupStatus>> FakeNode::SetWarmup(const std::string& source,
                                                                      const engine::WarmupOrder& order) {
  Note(fmt::format("warmup {} '{}' day {} freeze {}", source, order.provider, order.day.value_or(0),
                   order.freeze.has_value() ? (*order.freeze ? "yes" : "no") : "-"));
  absl::StatusOr<std::vector<engine::WarmupStatus>> list = ShowWarmup(source);
  if (list.ok() && order.day.has_value()) list->front().day = *order.day;
  return list;
}

engine::Jobs& FakeNode::jobs() {
  const std::lock_guard lock(mutex_);
  OpenStore();
  return *jobs_;
}

engine::TlsReports& FakeNode::tls_reports() {
  const std::lock_guard lock(mutex_);
  OpenStore();
  if (tls_reports_ == nullptr) {
    options_->node.data_dir = directory_;
    tls_reports_ = std::make_unique<engine::TlsReports>(engine::TlsReports::Services{
        .store = *store_,
        .metrics = metrics_,
        .options = [this] { return options_; },
        .gather = [this](engine::TlsTally& into) { into.Add(std::exchange(tls_counts, {})); },
        .load = [this](engine::LoadRequest request) { return Load(std::move(request)); },
        .txt =
            [](const std::string&) {
              return dns::TxtAnswer{.verdict = dns::Verdict::kFound, .texts = {"v=TLSRPTv1;rua=mailto:tls@d1.test"}};
            },
        .post = [](const engine::TlsReportRecord::Web&, const std::string&) { return absl::OkStatus(); },
    });
  }
  return *tls_reports_;
}

engine::Suppressions& FakeNode::suppressions() {
  const std::lock_guard lock(mutex_);
  OpenStore();
  return *suppressions_;
}

engine::ReturnedMail& FakeNode::returned_mail() {
  const std::lock_guard lock(mutex_);
  OpenStore();
  return *returned_mail_;
}

void FakeNode::OpenStore() {
  if (store_ != nullptr) return;
  std::string pattern = std::filesystem::temp_directory_path().string() + "/sealift-list-XXXXXX";
  directory_ = mkdtemp(pattern.data());
  queue::Store::Options options;
  options.path = directory_ + "/queue";
  options.memory_bytes = 32 << 20;
  options.commit_interval = absl::ZeroDuration();
  absl::StatusOr<std::unique_ptr<queue::Store>> store = queue::Store::Open(std::move(options));
  if (!store.ok()) std::abort();
  store_ = *std::move(store);
  suppressions_ = std::make_unique<engine::Suppressions>(
      *store_, [this] { return options_; },
      engine::Suppressions::Shards{.heard = [] {}, .judge_again = [this] { ++judged_again; }});
  returned_mail_ = std::make_unique<engine::ReturnedMail>(
      *store_, engine::ReturnedMail::Surroundings{.options = [this] { return options_; },
                                                  .heard = [] {},
                                                  .reread = [](queue::CampaignId) {},
                                                  .bounced = [](const engine::ReturnedMail::Bounce&) {},
                                                  .doubts = [](const std::string&) { return false; }});
  holds_ = std::make_unique<engine::Holds>(
      *store_, [this] { return options_; }, [](const std::shared_ptr<const engine::HoldSet>&) {});
  engine::Jobs::Node node;
  node.has_room = [] { return absl::OkStatus(); };
  node.may_send = [] { return absl::OkStatus(); };
  node.check_mode = [](const queue::Campaign&) { return absl::OkStatus(); };
  node.check_names = [this](const engine::QueueFilter& filter) {
    const absl::StatusOr<std::vector<queue::Campaign>> campaigns = store_->ListCampaigns();
    return campaigns.ok() ? engine::CheckNames(filter, *options_, *campaigns) : campaigns.status();
  };
  node.count = [this](const engine::QueueFilter& filter, absl::Duration patience) {
    return CountRows(filter, patience);
  };
  node.find_providers = [](const std::set<std::string>&, absl::Duration, std::map<std::string, std::string>&) {
    return true;
  };
  jobs_ = std::make_unique<engine::Jobs>(*store_, *holds_, std::move(node));
  if (!jobs_->Open().ok()) std::abort();
}

absl::StatusOr<engine::BackupMade> FakeNode::Backup() {
  Note("backup");
  return engine::BackupMade{.path = "/mnt/backup/mta1.backup",
                            .result = {.label = {.hostname = "mta1", .campaigns = 1, .rows = 36}, .bytes = 4711}};
}

engine::Restoration& FakeNode::restoration() {
  suppressions();
  const std::lock_guard lock(mutex_);
  if (restoration_ == nullptr) {
    restoration_ = std::make_unique<engine::Restoration>(*store_, "sink", [] { return absl::OkStatus(); });
  }
  return *restoration_;
}

queue::KeyReport FakeNode::Keys() { return {.kek = "00112233aabbccdd", .next = std::nullopt, .incarnation = 3}; }

absl::StatusOr<queue::KeyReport> FakeNode::RotateKey(const std::string& file) {
  Note("rotate " + file);
  queue::KeyReport keys = Keys();
  keys.next = "ffeeddcc00112233";
  return keys;
}

void FakeNode::Bounce(const std::vector<std::string>& addresses, absl::Time when, bool sink) {
  suppressions();
  std::vector<queue::SuppressionChange> changes;
  for (const std::string& address : addresses) {
    changes.push_back({address,
                       {.what = {.kind = queue::SuppressionKind::kHardBounce, .scope = {}, .sink = sink},
                        .time = when,
                        .source = "ip1",
                        .provider = "google",
                        .reason_class = "bad_mailbox",
                        .reply = "550 5.1.1 <redacted> unknown"}});
  }
  if (!store_->ChangeSuppressions(std::move(changes), false).ok()) std::abort();
}

std::string FakeNode::UnsubscribeToken(const std::string& address) {
  suppressions();
  const absl::StatusOr<queue::Campaign> campaign = store_->CreateCampaign(
      {.name = "letter", .stream = "newsletter", .mode = "live", .settings_json = "{}"}, absl::Now());
  if (!campaign.ok()) std::abort();
  absl::StatusOr<std::unique_ptr<queue::Load>> load = store_->BeginLoad(campaign->id, absl::Now());
  const std::string domain = address.substr(address.find('@') + 1);
  if (!load.ok() || !(*load)->Add({.id = queue::RowId{1}, .recipient = address, .domain = domain}).ok() ||
      !(*load)->Commit(0, {}, true).ok()) {
    std::abort();
  }
  return store_->EncodeToken(queue::TokenPurpose::kUnsubscribe,
                             {{campaign->id, store_->DestinationOf(domain)}, queue::RowId{1}});
}

FakeNode::FakeNode() : options_(std::make_shared<engine::Options>()) {
  options_->streams.resize(2);
  options_->streams[0].name = "newsletter";
  options_->streams[1].name = "receipts";
  options_->streams[1].kind = engine::StreamKind::kTransactional;
  spring.campaign.id = queue::CampaignId{7};
  spring.campaign.spec.name = "spring";
  spring.campaign.spec.stream = "newsletter";
  spring.campaign.spec.mode = "sink";
  spring.campaign.counters.accepted = 100;
  spring.campaign.counters.delivered = 60;
  spring.campaign.counters.bounced = 4;
  spring.state = "running";
  spring.deferred = 3;
  spring.held = 2;
  spring.sink = true;
  queue::Event event;
  event.cursor = "c1";
  event.time = absl::FromUnixSeconds(1'800'000'000);
  event.message = {{queue::CampaignId{7}, queue::DestinationId{1}}, queue::RowId{12}};
  event.recipient = kSecret;
  event.kind = queue::OutcomeKind::kBounced;
  event.attempt = 1;
  event.reason_class = "mailbox";
  event.code = 550;
  event.enhanced = "5.1.1";
  event.reply = "No such user";
  event.evidence = {"newsletter",  "ip1",    "mx1.d1.test [127.0.1.1]", "TLSv1.3", "TLS_AES_256_GCM_SHA384",
                    "mx1.d1.test", "require"};
  events.push_back(event);
}

void FakeNode::Note(std::string call) {
  if (on_call) on_call(call);
  const std::lock_guard lock(mutex_);
  calls_.push_back(std::move(call));
}

std::vector<std::string> FakeNode::calls() const {
  const std::lock_guard lock(mutex_);
  return calls_;
}

absl::StatusOr<std::vector<std::string>> FakeNode::Reload(bool allow_weaker) {
  Note(fmt::format("reload {}", allow_weaker));
  return std::vector<std::string>{"source[ip1].rate: 100/s -> 200/s"};
}

absl::StatusOr<std::unique_ptr<engine::CampaignLoader>> FakeNode::Load(engine::LoadRequest request) {
  Note("load " + request.name);
  if (!refuse.ok()) return refuse;
  loaded = request;
  return std::make_unique<FakeLoader>(*this, request.name, request.start);
}

absl::StatusOr<engine::CampaignStatus> FakeNode::Show(std::string_view name) {
  if (name != "spring") return NoCampaign(name);
  return spring;
}

absl::StatusOr<std::vector<engine::CampaignStatus>> FakeNode::List() {
  return std::vector<engine::CampaignStatus>{spring};
}

absl::Status FakeNode::StartCampaign(std::string_view name, std::optional<absl::Time> at) {
  Note(
      fmt::format("start {}{}", name, at.has_value() ? " " + absl::FormatTime("%H:%M", *at, absl::UTCTimeZone()) : ""));
  return name == "spring" ? absl::OkStatus() : NoCampaign(name);
}

absl::Status FakeNode::Pause(std::string_view name, const engine::PauseCause& cause) {
  Note(fmt::format("pause {}", name));
  if (name == "spring") {
    spring.pause = cause;
    spring.pauses.Add(true, cause);
  }
  return name == "spring" ? absl::OkStatus() : NoCampaign(name);
}

absl::Status FakeNode::Resume(std::string_view name, const engine::PauseCause& cause) {
  Note(fmt::format("resume {}", name));
  spring.pauses.Add(false, cause);
  return absl::OkStatus();
}

absl::StatusOr<engine::CampaignStatus> FakeNode::Cancel(std::string_view name, bool erase) {
  Note(fmt::format("cancel {} {}", name, erase));
  return spring;
}

absl::StatusOr<std::string> FakeNode::Preview(std::string_view name, uint32_t row, std::optional<absl::Time>) {
  Note(fmt::format("preview {} {}", name, row));
  if (!preview.empty()) return preview;
  return fmt::format("To: {}\r\n\r\nDear Jane\r\n", kSecret);
}

absl::StatusOr<engine::PreflightReport> FakeNode::RunPreflight(std::string_view name) {
  Note("preflight " + std::string(name));
  return preflight;
}

absl::StatusOr<engine::TlsProbeReport> FakeNode::ProbeTls(std::string_view domain) {
  Note("tls probe " + std::string(domain));
  return tls_probe;
}

absl::StatusOr<engine::TestMail> FakeNode::SendTestMail(std::string_view name, const engine::TestMailRequest& request) {
  Note("test " + std::string(name) + (request.row.has_value() ? " row " + std::to_string(*request.row) : ""));
  return test_mail;
}

absl::StatusOr<engine::Node::QueueShape> FakeNode::Shape(const engine::QueueFilter&, size_t max) {
  engine::ShapeRow row;
  row.domain = "d1.test";
  row.queued = 36;
  row.retrying = 3;
  row.ages[0] = 36;
  engine::ShapeRow others;
  others.queued = others.ages[4] = 64;
  others.retrying = 1;
  return QueueShape{.rows = {max, row}, .others = others, .destinations = max + 7};
}

absl::StatusOr<engine::Node::QueuePage> FakeNode::ListRows(const engine::QueueFilter& filter, std::string cursor,
                                                           int max) {
  Note(fmt::format("rows {} {} {}", filter.domain.value_or("-"), cursor, max));
  engine::QueueRow row;
  row.id = "abc@mta1.example.com";
  row.campaign = "spring";
  row.domain = "d1.test";
  row.recipient = kSecret;
  row.state = "fresh";
  QueuePage page;
  page.rows.push_back(row);
  return page;
}

absl::StatusOr<engine::RowCount> FakeNode::ReleaseInDoubt(const engine::QueueFilter& filter) {
  Note(fmt::format("release in doubt {}", filter.domain.value_or("-")));
  return engine::RowCount{.rows = 3, .unplaced = filter.provider.has_value() ? 2u : 0u};
}

absl::StatusOr<engine::DomainExplanation> FakeNode::Explain(std::string_view domain) {
  engine::DomainExplanation explanation;
  explanation.domain = domain;
  explanation.waits.push_back(
      {"rate", "message_rate 20/m", "/etc/sealift/sealift.toml:34", std::nullopt, 12, "d1.test"});
  return explanation;
}

absl::StatusOr<engine::MessageTrace> FakeNode::Trace(std::string_view id) {
  Note(fmt::format("trace {}", id));
  engine::MessageTrace trace;
  trace.id = id;
  trace.campaign = "spring";
  trace.state = "bounced";
  trace.recipient = kSecret;
  trace.attempts = events;
  return trace;
}

absl::StatusOr<std::vector<engine::MessageTrace>> FakeNode::FindMessages(std::string_view recipient) {
  Note(fmt::format("find {}", recipient));
  if (recipient != kSecret) return std::vector<engine::MessageTrace>();
  absl::StatusOr<engine::MessageTrace> trace = Trace("id@mta");
  return std::vector<engine::MessageTrace>{*std::move(trace)};
}

// Cursors are "c1", "c2", ...: the n-th event.
absl::StatusOr<queue::EventsPage> FakeNode::Events(std::string after, int max, const queue::EventFilter& filter) {
  size_t from = 0;
  if (!after.empty()) {
    const auto [end, error] = std::from_chars(after.data() + 1, after.data() + after.size(), from);
    if (after[0] != 'c' || error != std::errc())
      return absl::InvalidArgumentError("That is not a cursor of this daemon.");
  }
  queue::EventsPage page;
  page.cursor = after;
  for (size_t i = from; i < events.size() && page.events.size() < static_cast<size_t>(max); ++i) {
    page.cursor = fmt::format("c{}", i + 1);
    if (!filter.outcome.has_value() || *filter.outcome == events[i].kind) page.events.push_back(events[i]);
  }
  page.end = page.cursor == fmt::format("c{}", events.size()) || events.empty();
  return page;
}

std::string FakeNode::MessageId(const queue::MessageKey&) const { return "abc@mta1.example.com"; }

}  // namespace sealift::tools
