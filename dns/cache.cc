#include "dns/cache.h"

#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <utility>

namespace sealift::dns {
namespace {

// What an entry takes beside its strings: itself, its nodes in the list and the table, the answer and its block.
constexpr size_t kEntryBytes = 320;

std::string Key(QueryType type, std::string_view name) { return fmt::format("{}/{}", ToString(type), name); }

size_t BytesOf(const MxAnswer& answer) {
  size_t bytes = answer.hosts.size() * sizeof(MxHost);
  for (const MxHost& host : answer.hosts) bytes += host.name.size();
  return bytes;
}

size_t BytesOf(const AddressAnswer& answer) {
  return answer.canonical.size() + answer.addresses.size() * sizeof(Address);
}

size_t BytesOf(const TlsaAnswer& answer) {
  size_t bytes = answer.records.size() * sizeof(Tlsa);
  for (const Tlsa& record : answer.records) bytes += record.data.size();
  return bytes;
}

size_t BytesOf(const TxtAnswer& answer) {
  size_t bytes = answer.texts.size() * sizeof(std::string);
  for (const std::string& text : answer.texts) bytes += text.size();
  return bytes;
}

}  // namespace

std::string_view ToString(QueryType type) {
  switch (type) {
    case QueryType::kMx:
      return "mx";
    case QueryType::kA:
      return "a";
    case QueryType::kAaaa:
      return "aaaa";
    case QueryType::kTlsa:
      return "tlsa";
    case QueryType::kTxt:
      return "txt";
  }
  return "unknown";
}

Cache::Cache(const Options& options) : options_(options), stripe_bytes_max_(options.bytes_max / kStripes) {}

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

void Cache::Clear() {
  for (Stripe& stripe : stripes_) {
    const std::lock_guard lock(stripe.mutex);
    stripe.by_key.clear();
    stripe.entries.clear();
    stripe.bytes = 0;
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

template <typename Answer>
std::shared_ptr<const Answer> Cache::Find(QueryType type, std::string_view name, absl::Time now) {
  const std::string key = Key(type, name);
  Stripe& stripe = StripeOf(key);
  const std::lock_guard lock(stripe.mutex);
  const auto found = stripe.by_key.find(key);
  if (found == stripe.by_key.end()) return nullptr;
  const auto entry = found->second;
  const auto& answer = std::get<std::shared_ptr<const Answer>>(entry->answer);
  if (answer->expires <= now) {
    stripe.bytes -= entry->bytes;
    stripe.by_key.erase(found);
    stripe.entries.erase(entry);
    return nullptr;
  }
  stripe.entries.splice(stripe.entries.begin(), stripe.entries, entry);
  return answer;
}

template <typename Answer>
void Cache::Put(QueryType type, std::string_view name, std::shared_ptr<const Answer> answer) {
  PutAny(Key(type, name), std::move(answer));
}

template std::shared_ptr<const MxAnswer> Cache::Find(QueryType, std::string_view, absl::Time);
template std::shared_ptr<const AddressAnswer> Cache::Find(QueryType, std::string_view, absl::Time);
template std::shared_ptr<const TlsaAnswer> Cache::Find(QueryType, std::string_view, absl::Time);
template std::shared_ptr<const TxtAnswer> Cache::Find(QueryType, std::string_view, absl::Time);
template void Cache::Put(QueryType, std::string_view, std::shared_ptr<const MxAnswer>);
template void Cache::Put(QueryType, std::string_view, std::shared_ptr<const AddressAnswer>);
template void Cache::Put(QueryType, std::string_view, std::shared_ptr<const TlsaAnswer>);
template void Cache::Put(QueryType, std::string_view, std::shared_ptr<const TxtAnswer>);

void Cache::PutAny(std::string key, AnyAnswer answer) {
  Stripe& stripe = StripeOf(key);
  const std::lock_guard lock(stripe.mutex);
  if (const auto found = stripe.by_key.find(key); found != stripe.by_key.end()) {
    stripe.entries.splice(stripe.entries.begin(), stripe.entries, found->second);
  } else {
    stripe.entries.push_front({.key = std::move(key)});
    stripe.by_key.emplace(stripe.entries.front().key, stripe.entries.begin());
  }
  Entry& entry = stripe.entries.front();
  stripe.bytes -= entry.bytes;
  entry.bytes = kEntryBytes + entry.key.size() + std::visit([](const auto& kept) { return BytesOf(*kept); }, answer);
  entry.answer = std::move(answer);
  stripe.bytes += entry.bytes;
  while (stripe.bytes > stripe_bytes_max_ && stripe.entries.size() > 1) {
    stripe.bytes -= stripe.entries.back().bytes;
    stripe.by_key.erase(stripe.entries.back().key);
    stripe.entries.pop_back();
  }
}

Cache::Stripe& Cache::StripeOf(std::string_view key) { return stripes_[std::hash<std::string_view>()(key) % kStripes]; }

}  // namespace sealift::dns
