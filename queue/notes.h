#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "queue/database.h"
#include "queue/key_ring.h"
#include "queue/sealer.h"

namespace rocksdb {
class WriteBatch;
}

namespace sealift::queue {

// What a note is about.
enum class NoteKind : char {
  kStsPolicy = 's',  // a domain's MTA-STS policy
  kTlsHost = 't',    // a host that has spoken TLS
  kLimit = 'l',      // when a limit is free again
  kWarmup = 'w',     // where a source stands in its warm-up
  kRestraint = 'r',  // what replies have put on our sending
  kTlsCounts = 'p',  // TLS sessions of a day with a domain
  kPause = 'h',      // who paused a campaign, and why
};

// What is to be known after a restart too. What stands in `value` is its writer's.
struct Note {
  NoteKind kind = NoteKind::kStsPolicy;
  std::string name;   // a domain, a host, a limit
  std::string value;  // empty: forget it

  friend bool operator==(const Note&, const Note&) = default;
};

// Notes is the column family `destinations`, which knows of sources and limits as well: a sealed value for each kind
// and name, found by the name's keyed hash. The engine reads all of it when it starts and writes what changes.
//
// Owned by:  Store.
// Threads:   any; a Sealer and an Unsealer a thread. Add: the committer's.
// Errors:    DataLoss where a value is not what was sealed there.
class Notes {
 public:
  Notes(Database* database, KeyRing* ring) : database_(database), ring_(ring) {}

  // Adds them to the batch, each in the place of the one of its kind and name.
  absl::Status Add(std::span<const Note> notes, Sealer* sealer, rocksdb::WriteBatch* batch) const;

  // At most `max` of a kind.
  absl::StatusOr<std::vector<Note>> Read(Unsealer* unsealer, NoteKind kind, size_t max) const;

 private:
  Database* const database_;
  KeyRing* const ring_;
};

}  // namespace sealift::queue
