#include "dns/cache.h"

#include <fmt/format.h>
#include <sys/socket.h>

#include <algorithm>
#include <functional>
#include <utility>

namespace sealift::dns {
namespace {

std::string Key(QueryType type, std::string_view name) { return fmt::format("{}/{}", ToString(type), name); }

QueryType TypeOf(int family) { return family == AF_INET6 ? QueryType::kAaaa : QueryType::kA; }

}  // namespace

std::string_view ToString(QueryType type) {
  switch (type) {
    case QueryType::kMx:
      return "mx";
    case QueryType::kA:
      return "a";
    case QueryType::kAaaa:
      return "aaaa";
  }
  return "unknown";
}

Cache::Cache(const Options& options)
    : options_(options), stripe_entries_max_(std::max<size_t>(1, options.entries_max / kStripes)) {}

absl::Duration Cache::Lifetime(Verdict verdict, absl::Duration ttl) const {
  switch (verdict) {
    case Verdict::kFound:
    case Verdict::kUnusable:
      return std::clamp(ttl, options_.ttl_min, options_.ttl_max);
    case Verdict::kNoData:
    case Verdict::kNxDomain:
      if (ttl == absl::InfiniteDuration()) ttl = options_.negative_ttl_default;
      return std::clamp(ttl, options_.negative_ttl_min, options_.negative_ttl_max);
    case Verdict::kBadName:
    case Verdict::kServFail:
    case Verdict::kRefused:
    case Verdict::kTimeout:
    case Verdict::kBadAnswer:
      return options_.failure_ttl;
  }
  return options_.failure_ttl;
}

Cache::MxPtr Cache::FindMx(std::string_view name, absl::Time now) {
  return Find<MxPtr>(Key(QueryType::kMx, name), now);
}

Cache::AddressPtr Cache::FindAddresses(std::string_view name, int family, absl::Time now) {
  return Find<AddressPtr>(Key(TypeOf(family), name), now);
}

void Cache::PutMx(std::string_view name, MxPtr answer) { Put(Key(QueryType::kMx, name), std::move(answer)); }

void Cache::PutAddresses(std::string_view name, int family, AddressPtr answer) {
  Put(Key(TypeOf(family), name), std::move(answer));
}

void Cache::Clear() {
  for (Stripe& stripe : stripes_) {
    const std::lock_guard lock(stripe.mutex);
    stripe.by_key.clear();
    stripe.entries.clear();
  }
}

size_t Cache::size() const {
  size_t size = 0;
  for (const Stripe& stripe : stripes_) {
    const std::lock_guard lock(stripe.mutex);
    size += stripe.entries.size();
  }
  return size;
}

template <typename Ptr>
Ptr Cache::Find(const std::string& key, absl::Time now) {
  Stripe& stripe = StripeOf(key);
  const std::lock_guard lock(stripe.mutex);
  const auto found = stripe.by_key.find(key);
  if (found == stripe.by_key.end()) return nullptr;
  const auto entry = found->second;
  const Ptr& answer = std::get<Ptr>(entry->answer);
  if (answer->expires <= now) {
    stripe.by_key.erase(found);
    stripe.entries.erase(entry);
    return nullptr;
  }
  stripe.entries.splice(stripe.entries.begin(), stripe.entries, entry);
  return answer;
}

void Cache::Put(std::string key, Answer answer) {
  Stripe& stripe = StripeOf(key);
  const std::lock_guard lock(stripe.mutex);
  if (const auto found = stripe.by_key.find(key); found != stripe.by_key.end()) {
    found->second->answer = std::move(answer);
    stripe.entries.splice(stripe.entries.begin(), stripe.entries, found->second);
    return;
  }
  stripe.entries.push_front({.key = std::move(key), .answer = std::move(answer)});
  stripe.by_key.emplace(stripe.entries.front().key, stripe.entries.begin());
  if (stripe.entries.size() > stripe_entries_max_) {
    stripe.by_key.erase(stripe.entries.back().key);
    stripe.entries.pop_back();
  }
}

Cache::Stripe& Cache::StripeOf(std::string_view key) { return stripes_[std::hash<std::string_view>()(key) % kStripes]; }

}  // namespace sealift::dns
