// What the node knows of destinations and keeps on disk: MTA-STS policies, and which hosts have spoken TLS.
#include <utility>
#include <vector>

#include "engine/log.h"
#include "engine/node_impl.h"

namespace sealift::engine {
namespace {

constexpr size_t kKeptMax = 262'144;  // of a kind

}  // namespace

absl::Status NodeImpl::RecallDestinations() {
  const absl::Time now = absl::Now();
  const absl::StatusOr<std::vector<queue::Note>> policies = store_->ReadNotes(queue::NoteKind::kStsPolicy, kKeptMax);
  if (!policies.ok()) return policies.status();
  for (const queue::Note& note : *policies) sts_policies_.Restore(note.name, note.value, now);
  const absl::StatusOr<std::vector<queue::Note>> hosts = store_->ReadNotes(queue::NoteKind::kTlsHost, kKeptMax);
  if (!hosts.ok()) return hosts.status();
  for (const queue::Note& note : *hosts) tls_memory_.Restore(note.name, note.value, now);
  return absl::OkStatus();
}

void NodeImpl::NoteDestinations() {
  if (!store_->writable()) return;
  std::vector<queue::Note> notes;
  for (StsPolicies::Written& written : sts_policies_.TakeChanged()) {
    notes.push_back({queue::NoteKind::kStsPolicy, std::move(written.domain), std::move(written.value)});
  }
  for (TlsMemory::Written& written : tls_memory_.TakeChanged()) {
    notes.push_back({queue::NoteKind::kTlsHost, std::move(written.host), std::move(written.value)});
  }
  if (notes.empty()) return;
  const absl::Status put = store_->PutNotes(std::move(notes));
  if (!put.ok()) LogError("what was learned of destinations could not be written", {{"why", put}});
}

}  // namespace sealift::engine
