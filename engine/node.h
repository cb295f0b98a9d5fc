#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "engine/campaign_limits.h"
#include "engine/message/recipient_format.h"
#include "engine/pause_history.h"
#include "engine/queue_filter.h"
#include "engine/row_count.h"
#include "queue/campaign.h"
#include "queue/store.h"
#include "queue/types.h"

namespace sealift::engine {

class CampaignLoader;
class Holds;
class Jobs;
class Metrics;
class Restoration;
class ReturnedMail;
class Shard;
class Suppressions;
class TlsReports;
struct ConfigDiff;
struct Options;
struct PreflightReport;
struct TlsProbeReport;

// A campaign as its operator sees it. `deferred` and `held` are parts of `queued`: rows that a failure keeps waiting
// (their own, or that of the site they go to), and rows that wait because no host of their site offers the TLS they
// require.
struct CampaignStatus {
  queue::Campaign campaign;
  std::string state;  // loading ready running paused cancelled done
  uint64_t deferred = 0;
  uint64_t held = 0;
  uint64_t in_doubt = 0;  // part of `queued` too: rows that may have been sent and are kept until somebody decides
  bool sink = false;      // loaded under delivery = "sink"
  int weight = 1;         // CampaignSettings::weight
  std::optional<absl::Time> start_at;  // it is ready and starts by itself then
  std::optional<PauseCause> pause;     // it is paused, and that is known
  PauseHistory pauses;
  std::string damage;  // of the queue, for which rows cannot be read; empty: none was found
};

struct LoadRequest {
  std::string name, stream, template_text;
  bool messages = false;                                      // finished ones follow: there is no template
  std::vector<std::pair<std::string, std::string>> defaults;  // --default name=value
  std::vector<std::pair<std::string, std::string>> require;   // --require col=value
  std::string key_column;                                     // "": rows are named by their number
  RecipientFormat format = RecipientFormat::kCsv;
  std::optional<absl::Duration> expires_in, erase_after;
  CampaignLimits limits;
  int weight = 1;  // CampaignSettings::weight
  bool start = false;
  std::optional<absl::Time> start_at;
  bool tls_report = false;  // the engine's own: they go whatever the TLS
};

// One reason why rows of a destination wait, as `domain explain` prints it.
struct WaitReason {
  std::string reason;  // the metric's label: due, rate, connections, backoff, no_tls, paused, resolving, ...
  std::string detail;  // which limit, its value
  std::string set_by;  // the configuration's file:line, "default", or an operator's command
  std::optional<absl::Time> until;
  uint64_t rows = 0;
  std::string limit;      // the name of the limit (LimitStatus::name), where it is one
  uint64_t retrying = 0;  // of the rows, those that were tried
};

struct DomainExplanation {
  std::string domain, site;
  std::string provider;            // empty: nobody knows which hosts take its mail
  std::vector<std::string> hosts;  // "10 mx1.d1.test"
  struct LimitInForce {
    std::string name, value, set_by;
    std::optional<absl::Time> until;  // when it next allows, if it does not now
  };
  std::vector<LimitInForce> limits;
  std::vector<WaitReason> waits;  // the first that binds first; rows of all add up to `queued`
  std::vector<std::pair<absl::Time, std::string>> replies;  // the last ones, redacted
  uint64_t queued = 0;
  int sessions = 0;
  std::optional<absl::Time> next_eligible;
};

// A limit that this node has in force.
struct LimitStatus {
  std::string kind, name;  // source ip1
  std::string value, set_by;
  std::optional<absl::Time> until;  // when it next allows, if it does not now
  uint64_t waiting = 0;             // rows that wait for it
  bool binds = false;               // nothing is to be had of it now, and rows wait for it
};

// A sending address, as its operator sees it.
struct SourceStatus {
  std::string name, address, hostname;
  std::vector<std::string> pools;
  bool available = true;               // this machine had its address when the configuration was read
  std::vector<LimitStatus> limits;     // its rates, its connections and its warm-ups
  std::vector<std::string> suspended;  // "h3 provider=microsoft", one a hold that bars it
  // What replies have put on it.
  struct Restraint {
    std::string where;  // "everywhere", "to google"
    std::string value;  // "suspended", "12.5/m of 100/m", "12.5/m, growing to 100/m"
    bool slows = true;  // false: another was refused, whose load it takes over in steps
    std::string rule, set_by;
    absl::Time since, until;  // from when, and when it is over unless more such replies come
  };
  std::vector<Restraint> restraints;
  struct Block {
    std::string site, text;
    absl::Time until;
  };
  std::vector<Block> blocks;  // destinations that do not take its mail now, the first to be tried again first
  std::vector<std::pair<absl::Time, std::string>> replies;  // the last ones of where it sends, redacted
};

// Where a source stands in its warm-up, towards one provider or site.
struct WarmupStatus {
  std::string source, provider;  // "site mx.d1.test" where no provider is known
  std::string date;              // of its time zone
  int day = 0, days = 0;         // of the plan; day 0: it has not begun
  int64_t quota = 0, sent = 0;   // messages of this day
  bool slowed = false;           // replies slow it, so the day will be repeated
  bool frozen = false, over = false;
  std::string starts, tz, then, overflow, set_by;
};

// What an operator orders of it.
struct WarmupOrder {
  std::string provider;  // empty: all
  std::optional<int> day;
  std::optional<bool> freeze;
  std::string by, reason;
};

struct ShapeRow {
  std::string domain;
  uint64_t queued = 0, retrying = 0;
  uint64_t ages[5] = {};  // under 5 minutes, 1 hour, 4 hours, 1 day, older: since accepted
};

struct QueueRow {
  std::string id, campaign, stream, domain, recipient;  // the recipient in full; who prints it masks it
  std::string key;    // as its events carry it: what --key-column says, else the row's number
  std::string state;  // fresh, retrying, in_doubt
  int attempts = 0;
  std::optional<absl::Time> due;
  absl::Time accepted, expires;
};

struct MessageTrace {
  std::string id, key, campaign, stream, state, recipient;
  std::optional<absl::Time> due;
  std::vector<queue::Event> attempts;  // oldest first
  std::optional<WaitReason> wait;      // why it is not sent now, while it is queued
};

struct BackupMade {
  std::string path;
  queue::BackupResult result;
};

// One real message of a campaign, to somebody who agreed to get it.
struct TestMailRequest {
  std::string to;
  std::optional<uint32_t> row;  // whose values it has; none: made-up ones
};
struct TestMail {
  std::string campaign;  // "spring.test-1": a campaign of its own, so that nothing of the other's moves
  std::string id, recipient;
  // suppressed, pending (nothing came of it in time), or what came of its first attempt.
  std::string outcome;
  std::optional<queue::Event> event;  // of that attempt
  bool sink = false;
};

// Node is one Sealift daemon without its sockets for people: the store, the shards, the campaigns, the options in
// force.
//
// Owned by:  tools/sealiftd, for the life of the process.
// Threads:   every method may be called from any thread but a shard's, and may block on disk or on the shards' answers.
// Errors:    sentences an operator can act on, with the exit code of their kind (exit_code.h).
class Node {
 public:
  using ReadOptions = std::function<absl::StatusOr<std::shared_ptr<const Options>>()>;
  // What the node did by itself that an operator could have ordered: for the audit file.
  struct OwnAct {
    std::string command, target, reason, result;
  };
  using RecordAct = std::function<void(const OwnAct&)>;

  // Opens the store and makes the shards; nothing is sent. `read` reads the configuration again for a reload.
  static absl::StatusOr<std::unique_ptr<Node>> Open(std::shared_ptr<const Options> options, ReadOptions read,
                                                    RecordAct record = {});
  virtual ~Node() = default;

  // Sends what is due from here on. Where it fails nothing was sent.
  virtual absl::Status Start() = 0;

  // Begins to stop: nothing new is sent, and what is in flight is finished, or cut after `limit`. Ends early what would
  // be waited for, a preflight, a test, a backup or a sweep; and after `limit` what waits for a full disk to have room.
  virtual void Interrupt(absl::Duration limit) = 0;
  // Waits for that, or cuts at once what was not interrupted; commits and stops. Nobody else may ask any more.
  virtual void Drain() = 0;

  virtual std::shared_ptr<const Options> options() const = 0;
  virtual std::string MetricsText() = 0;  // Prometheus exposition
  // Ok, or why nothing can be changed: the queue cannot be written now. Whoever asks first does not wait for it.
  virtual absl::Status AdmitChange() const = 0;
  virtual absl::Status Ready() const = 0;  // Ok, or the sentence that says why neither loads nor sending go on

  // Answers what changed, a line a key; refused whole when the file is bad or a change needs a restart.
  virtual absl::StatusOr<std::vector<std::string>> Reload(bool allow_weaker) = 0;
  // What Reload would change now; config_show.h.
  virtual absl::StatusOr<ConfigDiff> DiffConfig() const = 0;

  // Checks template, stream and name, and opens (or reopens) the load; the caller then feeds the recipients.
  virtual absl::StatusOr<std::unique_ptr<CampaignLoader>> Load(LoadRequest request) = 0;

  virtual absl::StatusOr<CampaignStatus> Show(std::string_view name) = 0;
  virtual absl::StatusOr<std::vector<CampaignStatus>> List() = 0;
  virtual absl::Status StartCampaign(std::string_view name, std::optional<absl::Time> at) = 0;
  virtual absl::Status Pause(std::string_view name, const PauseCause& cause) = 0;
  virtual absl::Status Resume(std::string_view name, const PauseCause& cause) = 0;
  virtual absl::StatusOr<CampaignStatus> Cancel(std::string_view name, bool erase) = 0;

  // The exact bytes that row gets (its first attempt's Date, `date`, or now) while it is in the store.
  virtual absl::StatusOr<std::string> Preview(std::string_view name, uint32_t row, std::optional<absl::Time> date) = 0;

  // What would become of a campaign that was started now; preflight/report.h. Asks the DNS, and opens connections that
  // never say MAIL. kTryLater while another one runs.
  virtual absl::StatusOr<PreflightReport> RunPreflight(std::string_view name) = 0;
  // What the hosts of a domain offer, and what would become of mail to it under each policy; tls_probe_report.h.
  // kTryLater while a preflight or another probe runs.
  virtual absl::StatusOr<TlsProbeReport> ProbeTls(std::string_view domain) = 0;
  // kDenied unless node.test_recipients allows the address. Waits a minute at most for the first attempt.
  virtual absl::StatusOr<TestMail> SendTestMail(std::string_view name, const TestMailRequest& request) = 0;

  // With a provider: rows to domains of which the DNS does not say at once whose hosts they have are `unplaced`.
  struct QueueShape {
    std::vector<ShapeRow> rows;  // the longest first
    ShapeRow others;             // together, of no name
    uint64_t destinations = 0;   // of `rows` and `others`
    uint64_t unplaced = 0;
  };
  // By destination, at most `max` of them: there may be as many as rows.
  virtual absl::StatusOr<QueueShape> Shape(const QueueFilter& filter, size_t max) = 0;
  struct QueuePage {
    std::vector<QueueRow> rows;
    std::string cursor;     // empty: no more
    uint64_t unplaced = 0;  // left out of this page
  };
  virtual absl::StatusOr<QueuePage> ListRows(const QueueFilter& filter, std::string cursor, int max) = 0;
  // Makes the rows in doubt that a filter means due now, and returns how many: some may arrive a second time.
  // FailedPrecondition: since a restore everything is in doubt.
  virtual absl::StatusOr<RowCount> ReleaseInDoubt(const QueueFilter& filter) = 0;

  // How many queued rows a filter means, exactly, without those in doubt where it does not ask for them. With a source:
  // those of streams whose pool has it. With a provider the DNS is asked for so long.
  virtual absl::StatusOr<RowCount> CountRows(const QueueFilter& filter, absl::Duration patience) = 0;

  virtual Suppressions& suppressions() = 0;
  virtual ReturnedMail& returned_mail() = 0;
  virtual Holds& holds() = 0;
  virtual Jobs& jobs() = 0;
  virtual TlsReports& tls_reports() = 0;

  // Writes a backup into backup.dir while everything goes on. kTryLater while another is made.
  virtual absl::StatusOr<BackupMade> Backup() = 0;
  virtual Restoration& restoration() = 0;

  virtual queue::KeyReport Keys() = 0;
  // From here on the queue also opens with the key in that file, and from the first start with it with nothing else.
  virtual absl::StatusOr<queue::KeyReport> RotateKey(const std::string& file) = 0;

  virtual absl::StatusOr<DomainExplanation> Explain(std::string_view domain) = 0;
  virtual std::vector<LimitStatus> Throttles() = 0;
  virtual std::vector<SourceStatus> Sources() = 0;
  // Ends suspensions that replies have put on a source, everywhere or towards one provider ("": any): it goes on as it
  // does after any. Returns which; with `dry_run` only that.
  virtual std::vector<SourceStatus::Restraint> EndSuspensions(const std::string& source, const std::string& provider,
                                                              bool dry_run) = 0;
  // The same of one suspension, by the name that Throttles has for it: a provider's, a pool's, a stream's, a
  // campaign's.
  virtual std::vector<SourceStatus::Restraint> EndSuspension(const std::string& limit, bool dry_run) = 0;
  // NotFound: there is no such source, or it has no plan there.
  virtual absl::StatusOr<std::vector<WarmupStatus>> ShowWarmup(const std::string& source) = 0;
  virtual absl::StatusOr<std::vector<WarmupStatus>> SetWarmup(const std::string& source, const WarmupOrder& order) = 0;
  virtual absl::StatusOr<MessageTrace> Trace(std::string_view id) = 0;
  // Every message to this address of which something is known, by campaign.
  virtual absl::StatusOr<std::vector<MessageTrace>> FindMessages(std::string_view recipient) = 0;
  virtual absl::StatusOr<queue::EventsPage> Events(std::string after, int max, const queue::EventFilter& filter) = 0;
  virtual std::string MessageId(const queue::MessageKey& key) const = 0;
};

// CampaignLoader takes the bytes of a recipient file and turns them into accepted rows.
//
// A file that was loaded before, in whole or in part, adds nothing twice: what the store has is compared and skipped.
// Threads:   one, a blocking one.
class CampaignLoader {
 public:
  struct Rejection {
    uint64_t line = 0;
    std::string column, reason;  // never the cell's value
  };
  struct Summary {
    std::string name;
    uint64_t accepted = 0, rejected = 0, suppressed = 0, duplicates = 0;  // of the whole file, earlier runs included
    bool resumed = false, already_loaded = false, started = false, sink = false;
    std::optional<absl::Time> start_at;  // as it was first loaded; none where it is started
    std::string notice;                  // of what would be refused in live mode; empty: nothing
  };
  virtual ~CampaignLoader() = default;
  virtual void OnRejection(std::function<void(const Rejection&)> sink) = 0;
  virtual absl::Status Feed(std::span<const char> bytes) = 0;
  virtual absl::StatusOr<Summary> Finish() = 0;  // durable on return
};

}  // namespace sealift::engine
