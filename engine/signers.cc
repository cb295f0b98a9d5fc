#include "engine/signers.h"

#include <fmt/format.h>
#include <pthread.h>
#include <sys/resource.h>
#include <unistd.h>

#include <map>
#include <utility>

#include "engine/finished_row.h"
#include "engine/log.h"
#include "engine/smtp/dot_stuffing.h"

namespace sealift::engine {
namespace {

constexpr int kNicer = 5;  // than the shards, where they compete for a core

}  // namespace

Signers::Signers(int threads, Metrics& metrics)
    : rsa_(metrics.counter(Metric::kDkimSignatures, {ToString(DkimAlgorithm::kRsaSha256)})),
      ed25519_(metrics.counter(Metric::kDkimSignatures, {ToString(DkimAlgorithm::kEd25519Sha256)})) {
  for (int i = 0; i < threads; ++i) threads_.emplace_back([this, i] { Run(i); });
}

Signers::~Signers() {
  {
    const std::lock_guard lock(mutex_);
    stop_ = true;
  }
  wake_.notify_all();
  for (std::thread& thread : threads_) thread.join();
}

void Signers::Sign(Work work) {
  {
    const std::lock_guard lock(mutex_);
    std::deque<Work>& line = work.urgent ? urgent_ : works_;
    line.push_back(std::move(work));
  }
  wake_.notify_one();
}

std::optional<Signers::Work> Signers::Next(Finished& finished) {
  std::unique_lock lock(mutex_);
  while (urgent_.empty() && works_.empty() && !stop_) {
    if (finished.empty()) {
      wake_.wait(lock);
      continue;
    }
    lock.unlock();
    HandOver(finished);
    lock.lock();
  }
  if (stop_) return std::nullopt;
  std::deque<Work>& line = urgent_.empty() ? works_ : urgent_;
  std::optional<Work> work(std::move(line.front()));
  line.pop_front();
  return work;
}

void Signers::HandOver(Finished& finished) {
  std::map<Client*, std::vector<std::shared_ptr<SignedMessage>>> messages;
  for (auto& [client, message] : finished) messages[client].push_back(std::move(message));
  finished.clear();
  for (auto& [client, of_client] : messages) client->OnSigned(std::move(of_client));
}

void Signers::Run(int index) {
  pthread_setname_np(pthread_self(), fmt::format("signer {}", index).c_str());
  const auto thread = static_cast<id_t>(gettid());
  if (setpriority(PRIO_PROCESS, thread, getpriority(PRIO_PROCESS, thread) + kNicer) != 0) {
    LogWarning("a signer thread runs at the shards' priority: the system allows no other", {});
  }
  std::string message;
  Finished finished;
  while (std::optional<Work> work = Next(finished)) {
    // When nobody else holds the message, the shard has dropped it.
    if (work->message.use_count() > 1) Make(*work, message);
    finished.emplace_back(work->client, std::move(work->message));
    if (finished.size() == kTogetherMax || work->urgent) HandOver(finished);
  }
  HandOver(finished);
}

void Signers::Make(Work& work, std::string& message) const {
  const absl::Status made = work.campaign->content.has_value() ? Render(work, message) : Open(work);
  if (!made.ok()) return;
  for (const DkimIdentity& identity : work.signer->identities()) {
    (identity.key.algorithm() == DkimAlgorithm::kRsaSha256 ? rsa_ : ed25519_)->Add();
  }
}

absl::Status Signers::Render(Work& work, std::string& message) const {
  const queue::Row& row = work.pack->rows()[work.row];
  const Template& content = *work.campaign->content;
  message.clear();
  const absl::Status rendered =
      content.Render({.email = row.recipient, .fields = row.fields}, work.identity.At(work.message->date), message);
  if (!rendered.ok()) return rendered;
  std::string& wire = work.message->wire;
  const absl::Status signed_it = work.signer->Sign(message, content.fixed_body_hash(), wire);
  if (!signed_it.ok()) return signed_it;
  work.message->size = wire.size() + message.size();
  AppendDotStuffed(message, wire);
  return absl::OkStatus();
}

// The hash of the body was taken when it was loaded: whatever its size, only its first piece is read here.
absl::Status Signers::Open(Work& work) const {
  const absl::StatusOr<FinishedMessage> finished = FinishedOf(work.pack->rows()[work.row]);
  if (!finished.ok()) return finished.status();
  const absl::StatusOr<std::string> first =
      work.store->ReadPiece(work.pack->lane().campaign, queue::BodyId{finished->number}, 0);
  if (!first.ok()) return first.status();
  uint64_t size = 0;
  const absl::Status opened =
      finished->Open(*first, work.identity.Of(work.message->date), work.signer.get(), work.message->wire, &size);
  work.message->size = size;
  return opened;
}

}  // namespace sealift::engine
