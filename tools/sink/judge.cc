#include "tools/sink/judge.h"

#include "tools/sink/name_pattern.h"

namespace sealift::tools::sink {
namespace {

constexpr size_t kRememberedMax = 4'000'000;  // recipients and sources; a sink that runs for weeks stays bounded

// FNV-1a with a finisher (splitmix64), so that shares of similar names are independent. The same in every build: a
// script's shares fall on the same recipients everywhere.
uint64_t Hash(uint64_t seed, std::string_view text) {
  uint64_t hash = 0xcbf29ce484222325 ^ seed;
  for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3;
  hash = (hash ^ (hash >> 30)) * 0xbf58476d1ce4e5b9;
  hash = (hash ^ (hash >> 27)) * 0x94d049bb133111eb;
  return hash ^ (hash >> 31);
}

Action BlockedReply() {
  Action action;
  action.bytes = "421 4.7.0 Your address is blocked for exceeding our limits, try again later\r\n";
  action.code = 421;
  action.then = Then::kClose;
  return action;
}

Count Broken(Limit::What what) {
  switch (what) {
    case Limit::What::kMessages:
      return Count::over_messages;
    case Limit::What::kConnects:
      return Count::over_connects;
    case Limit::What::kConnections:
      return Count::over_connections;
    case Limit::What::kMessagesPerConnection:
      return Count::over_messages_per_connection;
  }
  return Count::over_messages;
}

}  // namespace

Judge::Judge(const Provider& provider, uint64_t seed, absl::Time start)
    : provider_(provider),
      seed_(Hash(seed, provider.name)),
      start_(start),
      blocked_(BlockedReply()),
      remembers_sources_(!provider.limits.empty()) {}

Judge::Verdict Judge::Connect(const std::string& source, absl::Time now) {
  if (!remembers_sources_) return {};
  const std::lock_guard lock(mutex_);
  const bool blocked = Blocked(source, now);
  Verdict verdict;
  for (size_t i = 0; i < provider_.limits.size(); ++i) {
    const Limit& limit = provider_.limits[i];
    if (limit.what == Limit::What::kConnections) {
      Source& state = Find(source, limit);
      if (state.open >= limit.count && verdict.action == nullptr && !blocked) {
        if (limit.block > absl::ZeroDuration()) state.blocked_until = now + limit.block;
        verdict = {&limit.action, Broken(limit.what)};
      }
    } else if (limit.what == Limit::What::kConnects && verdict.action == nullptr && !blocked) {
      if (const Action* action = Break(i, source, now)) verdict = {action, Broken(limit.what)};
    }
  }
  ++sources_[source].open;
  ++sources_[""].open;
  return blocked ? Verdict{&blocked_, Count::blocked} : verdict;
}

void Judge::Disconnect(const std::string& source) {
  if (!remembers_sources_) return;
  const std::lock_guard lock(mutex_);
  --sources_[source].open;
  --sources_[""].open;
}

Judge::Verdict Judge::Mail(const std::string& source, int64_t messages_before, absl::Time now) {
  if (!remembers_sources_) return {};
  const std::lock_guard lock(mutex_);
  if (Blocked(source, now)) return {&blocked_, Count::blocked};
  for (size_t i = 0; i < provider_.limits.size(); ++i) {
    const Limit& limit = provider_.limits[i];
    if (limit.what == Limit::What::kMessagesPerConnection && messages_before >= limit.count) {
      return {&limit.action, Broken(limit.what)};
    }
    if (limit.what != Limit::What::kMessages) continue;
    if (const Action* action = Break(i, source, now)) return {action, Broken(limit.what)};
  }
  return {};
}

const Action* Judge::Break(size_t index, const std::string& source, absl::Time now) {
  const Limit& limit = provider_.limits[index];
  Source& state = Find(source, limit);
  if (state.admitted.size() < provider_.limits.size()) state.admitted.resize(provider_.limits.size());
  std::deque<absl::Time>& admitted = state.admitted[index];
  while (!admitted.empty() && admitted.front() <= now - limit.window) admitted.pop_front();
  if (static_cast<int64_t>(admitted.size()) < limit.count) {
    admitted.push_back(now);
    return nullptr;
  }
  if (limit.block > absl::ZeroDuration()) state.blocked_until = now + limit.block;
  return &limit.action;
}

Judge::Source& Judge::Find(const std::string& source, const Limit& limit) {
  return sources_[limit.per_source ? source : std::string()];
}

bool Judge::Blocked(const std::string& source, absl::Time now) {
  return now < sources_[source].blocked_until || now < sources_[""].blocked_until;
}

bool Judge::Greylists(std::string_view mailbox, absl::Time now) {
  if (provider_.greylist == absl::ZeroDuration()) return false;
  const std::lock_guard lock(mutex_);
  if (greylist_.size() >= kRememberedMax) greylist_.clear();
  const absl::Time first = greylist_.try_emplace(Hash(seed_, mailbox), now).first->second;
  return now < first + provider_.greylist;
}

const Rule* Judge::Match(Phase phase, std::string_view mailbox, bool tls, absl::Time now, uint64_t skip) {
  const std::vector<Rule>& rules = provider_.rules[static_cast<int>(phase)];
  if (rules.empty()) return nullptr;
  const std::string_view local = mailbox.substr(0, mailbox.rfind('@'));
  for (const Rule& rule : rules) {
    if (rule.id <= skip) continue;
    if (rule.tls >= 0 && (rule.tls == 1) != tls) continue;
    if (now - start_ < rule.from || now - start_ >= rule.until) continue;
    if (rule.local != "*" && !GlobMatches(rule.local, local)) continue;
    if (rule.share < 1) {
      uint64_t drawn = 0;
      if (mailbox.empty()) {
        const std::lock_guard lock(mutex_);
        drawn = ++draws_;
      }
      const uint64_t hash = Hash(seed_ + rule.id * 0x9e3779b97f4a7c15 + drawn, mailbox);
      if (static_cast<double>(hash >> 11) * 0x1.0p-53 >= rule.share) continue;
    }
    if (rule.first > 0) {
      const std::lock_guard lock(mutex_);
      if (met_.size() >= kRememberedMax) met_.clear();
      if (++met_[Hash(seed_ + rule.id, mailbox)] > rule.first) continue;
    }
    return &rule;
  }
  return nullptr;
}

}  // namespace sealift::tools::sink
