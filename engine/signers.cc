#include "engine/signers.h"

#include <fmt/format.h>
#include <pthread.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
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
  for (int i = 0; i <= threads; ++i) threads_.emplace_back([this, i] { Run(i); });
}

Signers::~Signers() {
  {
    const std::lock_guard lock(mutex_);
    stop_ = true;
  }
  wake_.notify_all();
  wake_urgent_.notify_all();
  for (std::thread& thread : threads_) thread.join();
}

void Signers::Sign(Work work) {
  bool urgent = false;
  {
    const std::lock_guard lock(mutex_);
    std::deque<Work>& line = work.urgent ? urgent_ : works_;
    urgent = work.urgent && std::exchange(urgent_waits_, false);
    line.push_back(std::move(work));
  }
  (urgent ? wake_urgent_ : wake_).notify_one();
}

bool Signers::Next(bool urgent_only, Turn& turn) {
  std::unique_lock lock(mutex_);
  while (urgent_.empty() && (urgent_only || works_.empty()) && !stop_) {
    if (turn.finished.empty()) {
      if (urgent_only) urgent_waits_ = true;
      (urgent_only ? wake_urgent_ : wake_).wait(lock);
      continue;
    }
    lock.unlock();
    HandOver(turn.finished);
    lock.lock();
  }
  if (stop_) return false;
  Gather(urgent_.empty() ? works_ : urgent_, turn.works);
  return true;
}

// The first of the line, and those behind it that can be signed together with it; alone where too few can, for they
// would keep it waiting, and another thread may have nothing to do.
void Signers::Gather(std::deque<Work>& line, std::vector<Work>& works) {
  const std::shared_ptr<const DkimSigner> signer = line.front().signer;
  const auto goes_along = [&](const Work& work) { return work.signer == signer; };
  const bool together = signer != nullptr && signer->SignsTogether() &&
                        std::cmp_greater_equal(std::ranges::count_if(line, goes_along), RsaMultiBuffer::kWorthwhile);
  const size_t count = together ? RsaMultiBuffer::kTogether : 1;
  for (auto next = line.begin(); next != line.end() && works.size() < count;) {
    if (!goes_along(*next)) {
      ++next;
      continue;
    }
    works.push_back(std::move(*next));
    next = line.erase(next);
  }
}

void Signers::HandOver(Finished& finished) {
  std::map<Client*, std::vector<std::shared_ptr<SignedMessage>>> messages;
  for (auto& [client, message] : finished) messages[client].push_back(std::move(message));
  finished.clear();
  for (auto& [client, of_client] : messages) client->OnSigned(std::move(of_client));
}

void Signers::Run(int index) {
  pthread_setname_np(pthread_self(), fmt::format("signer {}", index).c_str());
  const bool urgent_only = index == 0;
  const auto thread = static_cast<id_t>(gettid());
  if (!urgent_only && setpriority(PRIO_PROCESS, thread, getpriority(PRIO_PROCESS, thread) + kNicer) != 0) {
    LogWarning("a signer thread runs at the shards' priority: the system allows no other", {});
  }
  Turn turn;
  while (Next(urgent_only, turn)) {
    Make(turn);
    if (turn.finished.size() + turn.works.size() > kTogetherMax) HandOver(turn.finished);
    const bool urgent = turn.works.front().urgent;
    for (Work& work : turn.works) turn.finished.emplace_back(work.client, std::move(work.message));
    turn.works.clear();
    if (turn.finished.size() == kTogetherMax || urgent) HandOver(turn.finished);
    // A priority says who has more of a core; who waits for one is served at the end of a slice of milliseconds.
    std::this_thread::yield();
  }
  HandOver(turn.finished);
}

void Signers::Make(Turn& turn) const {
  std::vector<DkimSigner::Unsigned> to_sign;
  std::vector<Work*> composed;
  if (turn.texts.size() < turn.works.size()) turn.texts.resize(turn.works.size());
  for (Work& work : turn.works) {
    // When nobody else holds the message, the shard has dropped it.
    if (work.message.use_count() == 1) continue;
    std::string& text = turn.texts[composed.size()];
    DkimSigner::Unsigned one{.message = {}, .body_hash = {}, .fields = &work.message->wire};
    text.clear();
    if (!Compose(work, text, one.body_hash).ok()) continue;
    one.message = text;
    to_sign.push_back(one);
    composed.push_back(&work);
  }
  if (composed.empty()) return;
  const DkimSigner& signer = *composed.front()->signer;
  signer.Sign(absl::MakeSpan(to_sign), &std::this_thread::yield);
  for (size_t i = 0; i < composed.size(); ++i) {
    if (!to_sign[i].status.ok()) continue;
    SignedMessage& message = *composed[i]->message;
    message.size += message.wire.size();
    if (composed[i]->campaign->content.has_value()) {
      AppendDotStuffed(turn.texts[i], message.wire);
    } else {
      message.wire += turn.texts[i];
    }
    for (const DkimIdentity& identity : signer.identities()) {
      (identity.key.algorithm() == DkimAlgorithm::kRsaSha256 ? rsa_ : ed25519_)->Add();
    }
  }
}

// The text that is signed, and what is known of its size and its body.
absl::Status Signers::Compose(Work& work, std::string& text, std::optional<Sha256>& body_hash) const {
  const queue::Row& row = work.pack->rows()[work.row];
  const absl::Time date = work.message->date;
  if (work.campaign->content.has_value()) {
    const Template& content = *work.campaign->content;
    body_hash = content.fixed_body_hash();
    const absl::Status rendered =
        content.Render({.email = row.recipient, .fields = row.fields}, work.identity.At(date), text);
    work.message->size = text.size();
    return rendered;
  }
  // The hash of the body was taken when it was loaded: whatever its size, only its first piece is read here.
  const absl::StatusOr<FinishedMessage> finished = FinishedOf(row);
  if (!finished.ok()) return finished.status();
  const absl::StatusOr<std::string> first =
      work.store->ReadPiece(work.pack->lane().campaign, queue::BodyId{finished->number}, 0);
  if (!first.ok()) return first.status();
  uint64_t size = 0;
  const absl::Status opened = finished->Open(*first, work.identity.Of(date), text, &size);
  body_hash = finished->body_hash;
  work.message->size = size;
  return opened;
}

}  // namespace sealift::engine
