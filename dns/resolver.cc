#include "dns/resolver.h"

#include <fmt/format.h>
#include <sys/socket.h>

#include <algorithm>
#include <cassert>
#include <optional>
#include <utility>
#include <variant>

#include "dns/message.h"
#include "dns/name.h"
#include "dns/reading.h"
#include "dns/servers.h"

namespace sealift::dns {
namespace {

uint16_t TypeNumber(QueryType type) {
  switch (type) {
    case QueryType::kMx:
      return kTypeMx;
    case QueryType::kA:
      return kTypeA;
    case QueryType::kAaaa:
      return kTypeAaaa;
    case QueryType::kTlsa:
      return kTypeTlsa;
    case QueryType::kTxt:
      return kTypeTxt;
  }
  return 0;
}

// What a message answers to the question for each kind of answer.
void Read(const Message& message, std::string_view name, QueryType, Reading<MxAnswer>& into) {
  into = ReadMx(message, name);
}
void Read(const Message& message, std::string_view name, QueryType type, Reading<AddressAnswer>& into) {
  into = ReadAddresses(message, name, type == QueryType::kAaaa ? AF_INET6 : AF_INET);
}
void Read(const Message& message, std::string_view name, QueryType, Reading<TlsaAnswer>& into) {
  into = ReadTlsa(message, name);
}
void Read(const Message& message, std::string_view name, QueryType, Reading<TxtAnswer>& into) {
  into = ReadTxt(message, name);
}

// That there is no MX record is an answer with a host in it, and is true as long as what is missing.
Verdict LifetimeOf(const MxAnswer& answer) { return answer.implicit ? Verdict::kNoData : answer.verdict; }
template <typename Answer>
Verdict LifetimeOf(const Answer& answer) {
  return answer.verdict;
}

// Of several servers' failures the one that says most: a server that tried and failed knows more than one that would
// not try.
Verdict Worse(Verdict a, Verdict b) {
  for (const Verdict verdict : {Verdict::kServFail, Verdict::kBadAnswer, Verdict::kRefused}) {
    if (a == verdict || b == verdict) return verdict;
  }
  return Verdict::kTimeout;
}

}  // namespace

// One query and everyone who waits for it.
struct Resolver::Question {
  QueryType type;
  std::string name;
  std::string key;
  // Who waits, and what they will be told.
  template <typename Answer>
  struct Asked {
    std::vector<Callback<Answer>> callbacks;
    Reading<Answer> reading;
  };
  std::variant<Asked<MxAnswer>, Asked<AddressAnswer>, Asked<TlsaAnswer>, Asked<TxtAnswer>> asked;  // by type

  size_t first_server = 0;
  int attempts = 0;       // begun
  size_t server = 0;      // of the latest
  uint64_t given_up = 0;  // servers that failed, a bit each
  Verdict failure = Verdict::kTimeout;

  bool silent = false;             // what came of the latest: nothing,
  std::optional<Message> message;  // or this; neither: nonsense
  bool unaskable = false;
};

absl::StatusOr<std::unique_ptr<Resolver>> Resolver::Create(const Options& options, Reactor& reactor,
                                                           std::shared_ptr<Cache> cache) {
  assert(cache != nullptr && options.tries > 0 && options.queries_max > 0);
  absl::StatusOr<std::vector<std::string>> servers = Servers(options.servers);
  if (!servers.ok()) return servers.status();
  std::unique_ptr<Resolver> resolver(new Resolver(options, reactor, std::move(cache)));
  for (const std::string& server : *servers) {
    absl::StatusOr<std::unique_ptr<Upstream>> upstream = Upstream::Create(server, options.timeout, reactor);
    if (!upstream.ok()) return upstream.status();
    resolver->upstreams_.push_back(*std::move(upstream));
  }
  return resolver;
}

Resolver::Resolver(const Options& options, Reactor& reactor, std::shared_ptr<Cache> cache)
    : reactor_(reactor), cache_(std::move(cache)), tries_(options.tries), queries_max_(options.queries_max) {}

Resolver::~Resolver() {
  assert(!in_turn_);
  upstreams_.clear();
  reactor_.SetTimer(absl::InfiniteDuration());
}

template <typename Answer>
void Resolver::Resolve(QueryType type, std::string_view asked, Callback<Answer> callback) {
  const std::optional<std::string> name = HostName(asked);
  if (!name.has_value()) {
    Count(type, Verdict::kBadName);
    Answer answer;
    answer.verdict = Verdict::kBadName;
    callback(answer);
    return;
  }
  if (const std::shared_ptr<const Answer> known = cache_->Find<Answer>(type, *name, reactor_.Now()); known != nullptr) {
    hits_[static_cast<size_t>(type)].fetch_add(1, std::memory_order_relaxed);
    callback(*known);
    return;
  }
  Question& question = Join(type, *name);
  if (!std::holds_alternative<Question::Asked<Answer>>(question.asked)) {
    question.asked.emplace<Question::Asked<Answer>>();
  }
  std::get<Question::Asked<Answer>>(question.asked).callbacks.push_back(std::move(callback));
  Turn();
}

void Resolver::ResolveMx(const std::string& domain, Callback<MxAnswer> callback) {
  Resolve(QueryType::kMx, domain, std::move(callback));
}

void Resolver::ResolveAddresses(const std::string& host, int family, Callback<AddressAnswer> callback) {
  assert(family == AF_INET || family == AF_INET6);
  Resolve(family == AF_INET6 ? QueryType::kAaaa : QueryType::kA, host, std::move(callback));
}

void Resolver::ResolveTlsa(const std::string& service, Callback<TlsaAnswer> callback) {
  Resolve(QueryType::kTlsa, service, std::move(callback));
}

void Resolver::ResolveTxt(const std::string& name, Callback<TxtAnswer> callback) {
  Resolve(QueryType::kTxt, name, std::move(callback));
}

Resolver::Question& Resolver::Join(QueryType type, const std::string& name) {
  std::string key = fmt::format("{}/{}", ToString(type), name);
  const auto [place, created] = questions_.try_emplace(key);
  if (!created) {
    merged_[static_cast<size_t>(type)].fetch_add(1, std::memory_order_relaxed);
    return *place->second;
  }
  place->second = std::make_unique<Question>();
  Question& question = *place->second;
  question.type = type;
  question.name = name;
  question.key = std::move(key);
  question.first_server = preferred_;
  question.server = preferred_;
  waiting_.push_back(&question);
  return question;
}

void Resolver::Send(Question& question) {
  ++question.attempts;
  ++in_flight_;
  question.message.reset();
  question.silent = false;
  const bool asked = upstreams_[question.server]->Ask(
      question.name, TypeNumber(question.type),
      [this, &question](std::span<const uint8_t> answer) { TakeNote(question, answer); });
  if (asked) return;
  --in_flight_;
  question.unaskable = true;
  answered_.push_back(&question);
}

void Resolver::TakeNote(Question& question, std::span<const uint8_t> answer) {
  --in_flight_;
  question.silent = answer.empty();
  if (!answer.empty()) question.message = DecodeMessage(answer);
  answered_.push_back(&question);
}

void Resolver::OnReady(int fd, bool readable, bool writable) {
  for (const std::unique_ptr<Upstream>& upstream : upstreams_) {
    if (upstream->Watches(fd)) {
      upstream->OnReady(fd, readable, writable);
      break;
    }
  }
  Turn();
}

void Resolver::OnTimer() {
  for (const std::unique_ptr<Upstream>& upstream : upstreams_) upstream->OnTimer();
  Turn();
}

void Resolver::Turn() {
  if (in_turn_) return;
  in_turn_ = true;
  while (true) {
    if (!answered_.empty()) {
      Question* question = answered_.front();
      answered_.pop_front();
      Settle(*question);
    } else if (!waiting_.empty() && in_flight_ < queries_max_) {
      Question* question = waiting_.front();
      waiting_.pop_front();
      Send(*question);
    } else {
      break;
    }
  }
  in_turn_ = false;
  absl::Duration next = absl::InfiniteDuration();
  for (const std::unique_ptr<Upstream>& upstream : upstreams_) next = std::min(next, upstream->NextTimeout());
  reactor_.SetTimer(next);
}

void Resolver::Settle(Question& question) {
  Verdict verdict = Verdict::kBadAnswer;
  if (question.unaskable) {
    verdict = Verdict::kBadName;
  } else if (question.silent) {
    verdict = Verdict::kTimeout;
  } else if (question.message.has_value()) {
    verdict = std::visit(
        [&](auto& asked) {
          Read(*question.message, question.name, question.type, asked.reading);
          return asked.reading.answer.verdict;
        },
        question.asked);
  }
  if (IsTemporary(verdict)) {
    if (MoveOn(question, verdict)) return;
    verdict = question.failure;
  }
  std::visit([verdict](auto& asked) { asked.reading.answer.verdict = verdict; }, question.asked);
  Finish(question);
}

// To the next server that is worth asking, if there is one.
bool Resolver::MoveOn(Question& question, Verdict failure) {
  const size_t servers = upstreams_.size();
  question.failure = question.attempts == 1 ? failure : Worse(question.failure, failure);
  if (failure != Verdict::kTimeout) {
    question.given_up |= uint64_t{1} << question.server;
  } else if (question.server == preferred_) {
    preferred_ = (preferred_ + 1) % servers;
  }
  const int attempts_max = tries_ * static_cast<int>(servers);
  while (question.attempts < attempts_max) {
    question.server = (question.first_server + static_cast<size_t>(question.attempts)) % servers;
    if ((question.given_up & uint64_t{1} << question.server) == 0) {
      waiting_.push_front(&question);
      return true;
    }
    ++question.attempts;
  }
  return false;
}

void Resolver::Finish(Question& question) {
  const absl::Time now = reactor_.Now();
  // Out of the table first: whoever is called may ask the same again.
  const Questions::node_type finished = questions_.extract(question.key);
  const auto tell = [&]<typename Answer>(Question::Asked<Answer>& asked) {
    auto answer = std::make_shared<Answer>(std::move(asked.reading.answer));
    answer->expires = now + cache_->Lifetime(LifetimeOf(*answer), asked.reading.ttl);
    Count(question.type, answer->verdict);
    cache_->Put<Answer>(question.type, question.name, answer);
    for (Callback<Answer>& callback : asked.callbacks) callback(*answer);
  };
  std::visit(tell, question.asked);
}

void Resolver::Count(QueryType type, Verdict verdict) {
  answers_[static_cast<size_t>(type)][static_cast<size_t>(verdict)].fetch_add(1, std::memory_order_relaxed);
}

Resolver::Counts Resolver::counts() const {
  Counts counts;
  for (size_t type = 0; type < kQueryTypes; ++type) {
    counts.hits[type] = hits_[type].load(std::memory_order_relaxed);
    counts.merged[type] = merged_[type].load(std::memory_order_relaxed);
    for (size_t verdict = 0; verdict < kVerdicts; ++verdict) {
      counts.answers[type][verdict] = answers_[type][verdict].load(std::memory_order_relaxed);
    }
  }
  return counts;
}

}  // namespace sealift::dns
