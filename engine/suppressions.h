#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "engine/options.h"
#include "queue/store.h"
#include "queue/suppression.h"

namespace sealift::engine {

class SuppressionImport;

// Suppressions is what operators do with the list of those who get no mail: they add and take back, ask, read and undo.
// The list itself is the store's; delivery asks it there.
//
// Addresses come as people write them, in any case and with a U-label or an A-label domain, and mean one mailbox. A
// change is durable and known to every shard when its method returns: nothing is sent against it from then on.
//
// Owned by:  the node.
// Threads:   any but a shard's; blocks.
// Errors:    sentences an operator can act on, with an exit code; none repeats an address.
class Suppressions {
 public:
  struct Shards {
    std::function<void()> heard;        // returns once every shard knows what the store has announced
    std::function<void()> judge_again;  // returns once every shard has given back the rows that it had claimed
  };
  using ReadOptions = std::function<std::shared_ptr<const Options>()>;

  // Which suppressions are meant: of one kind or of any, and where they hold. No stream and no campaign: everywhere.
  struct Which {
    std::optional<queue::SuppressionKind> kind;
    std::string stream, campaign;
  };
  struct Given {
    std::string reason, by;
  };
  struct Change {
    queue::SuppressionRecord record;  // as it is afterwards
    uint64_t changed = 0;             // suppressions that were added or taken back, or would be
  };

  Suppressions(queue::Store& store, ReadOptions options, Shards shards);

  // `which.kind`: manual when absent. Nothing changes when it is in force already.
  absl::StatusOr<Change> Add(std::string_view address, const Which& which, const Given& given);

  // Adds an opt-out of the stream that a message went out by, for whoever got it, as its List-Unsubscribe offers. The
  // token is proof enough: it was in that message alone. Delivered or queued, the recipient is found for as long as
  // retention.events keeps what became of the message. The same token again changes nothing.
  //
  // InvalidArgument: not a token that this node made. NotFound: nobody knows the recipient any more.
  struct Unsubscribed {
    Change change;
    std::string stream, campaign;
  };
  absl::StatusOr<Unsubscribed> Unsubscribe(std::string_view token, const Given& given);

  // NotFound when none of these is in force.
  absl::StatusOr<Change> Remove(std::string_view address, const Which& which, const Given& given, bool dry_run);

  // With an empty history when it was never suppressed.
  absl::StatusOr<queue::SuppressionRecord> History(std::string_view address);

  // Whether a message to the address would be sent, as one of a stream or of a campaign, which says its stream itself
  // when it is loaded. Neither: as one of every stream that is configured, and of each campaign that a suppression
  // names.
  struct Verdict {
    queue::SuppressionRecord record;
    std::string sent_as;             // marketing, transactional, or: anything
    std::vector<bool> binds;         // each of record.InForce(): some of these messages
    std::vector<std::string> where;  // asked of anything: "stream NAME" and "campaign NAME" that it gets nothing of
    bool suppressed = false;         // some of these messages are not sent
  };
  absl::StatusOr<Verdict> Check(std::string_view address, std::string_view stream, std::string_view campaign);

  // What is in force, an address and suppression each.
  struct Filter {
    std::optional<queue::SuppressionKind> kind;
    std::string stream, campaign;
    bool Passes(const queue::Suppression& what) const;
  };
  struct Item {
    queue::AddressHash key;
    std::string address;
    queue::SuppressionEntry entry;
  };
  struct Page {
    std::vector<Item> items;
    std::string cursor;  // empty: no more
  };
  // A page ends after `max` items or a bounded number of addresses looked at.
  absl::StatusOr<Page> List(const Filter& filter, std::string_view cursor, int max);

  // How many were in force before that time and still are: what an export has of them.
  absl::StatusOr<uint64_t> CountBefore(absl::Time time);

  // The hard bounces that this source was told in [since, until), by hosts of the provider unless it is empty: a source
  // that was blocked is at times told that nobody is there.
  struct Undo {
    std::string source, provider;
    absl::Time since, until;
  };
  // How many it takes back, or would. Usage: nobody knows such a source or provider, so that nothing could be meant.
  absl::StatusOr<uint64_t> TakeBack(const Undo& undo, const Given& given, bool dry_run);

  // `which.kind`: of rows that do not say theirs.
  absl::StatusOr<std::unique_ptr<SuppressionImport>> Import(Which which, Given given);

  // --- for SuppressionImport

  // The entry that adds this.
  absl::StatusOr<queue::SuppressionEntry> Entry(const Which& which, const Given& given) const;
  absl::StatusOr<uint64_t> Commit(std::vector<queue::SuppressionChange> changes);
  void JudgeAgain() const { shards_.judge_again(); }

 private:
  // Whether the configuration has the source that was told nothing, and the provider.
  absl::Status CheckNamesOf(const Undo& undo, const std::set<std::string>& told) const;
  queue::Mailing MailingOf(std::string_view stream, std::string_view campaign) const;
  absl::StatusOr<queue::SuppressionScope> ScopeOf(const Which& which) const;
  absl::StatusOr<queue::SuppressionRecord> Read(const std::string& address);
  // Durable and known to every shard; the record as it is then.
  absl::StatusOr<Change> AddEntry(const std::string& address, queue::SuppressionEntry entry);

  queue::Store& store_;
  const ReadOptions options_;
  const Shards shards_;
};

// Usage: longer than the list keeps.
absl::Status CheckSuppressionReason(std::string_view reason);

// The address as the list has it. A masked one is refused: it would name a mailbox that nobody has.
absl::StatusOr<std::string> ParseSuppressedAddress(std::string_view text);

}  // namespace sealift::engine
