#include "queue/notes.h"

#include <memory>
#include <utility>

#include "queue/address_hash.h"
#include "queue/damage.h"
#include "queue/keys.h"
#include "queue/rocks.h"
#include "queue/wire.h"
#include "rocksdb/write_batch.h"

namespace sealift::queue {

absl::Status Notes::Add(std::span<const Note> notes, Sealer* sealer, rocksdb::WriteBatch* batch) const {
  std::string plaintext, sealed, scratch;
  for (const Note& note : notes) {
    const std::string key = NoteKey(static_cast<char>(note.kind), HashAddress(*ring_, note.name, &scratch));
    if (note.value.empty()) {
      batch->Delete(database_->handle(Column::kDestinations), key);
      continue;
    }
    plaintext.clear();
    sealed.clear();
    PutBytes(note.name, &plaintext);
    PutBytes(note.value, &plaintext);
    if (absl::Status status = sealer->Seal(KeyName::Node(), Seal::kNote, key, plaintext, &sealed); !status.ok()) {
      return status;
    }
    batch->Put(database_->handle(Column::kDestinations), key, sealed);
  }
  return absl::OkStatus();
}

absl::StatusOr<std::vector<Note>> Notes::Read(Unsealer* unsealer, NoteKind kind, size_t max) const {
  std::vector<Note> notes;
  const std::string prefix(1, static_cast<char>(kind));
  const std::unique_ptr<rocksdb::Iterator> it(
      database_->get()->NewIterator({}, database_->handle(Column::kDestinations)));
  for (it->Seek(prefix); it->Valid() && it->key().starts_with(prefix) && notes.size() < max; it->Next()) {
    const absl::StatusOr<std::string> opened =
        unsealer->Open(KeyName::Node(), Seal::kNote, ToView(it->key()), ToView(it->value()));
    if (!opened.ok()) return opened.status();
    WireReader reader(*opened);
    Note note{.kind = kind};
    note.name = reader.Bytes();
    note.value = reader.Bytes();
    if (!reader.done()) return Damage("a note of a destination is cut short");
    notes.push_back(std::move(note));
  }
  if (auto status = it->status(); !status.ok()) return FromRocks(status, "read what is known of destinations");
  return notes;
}

}  // namespace sealift::queue
