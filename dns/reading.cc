#include "dns/reading.h"

#include <sys/socket.h>

#include <algorithm>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "dns/name.h"

namespace sealift::dns {
namespace {

// RFC 1035 4.1.1
constexpr int kNoError = 0;
constexpr int kServerFailure = 2;
constexpr int kNameError = 3;
constexpr int kNotImplemented = 4;
constexpr int kRefusedCode = 5;

struct Records {
  Verdict verdict = Verdict::kBadAnswer;
  std::vector<const Record*> records;  // with kFound: of the type asked for, at the end of the aliases
  std::string_view owner;              // with kFound: whose they are
  absl::Duration ttl = absl::InfiniteDuration();
};

// The alias that `name` stands for, or null.
const Record* AliasOf(const Message& message, std::string_view name) {
  for (const Record& record : message.answers) {
    if (record.type == kTypeCname && record.owner == name) return &record;
  }
  return nullptr;
}

Records Find(const Message& message, std::string_view name, uint16_t type) {
  Records found;
  if (message.question != name || message.type != type) return found;
  switch (message.rcode) {
    case kNoError:
      break;
    case kNameError:
      return {.verdict = Verdict::kNxDomain, .records = {}, .owner = {}, .ttl = message.negative_ttl};
    case kServerFailure:
      return {.verdict = Verdict::kServFail, .records = {}, .owner = {}};
    case kNotImplemented:
    case kRefusedCode:
      return {.verdict = Verdict::kRefused, .records = {}, .owner = {}};
    default:
      return found;
  }
  std::string_view owner = name;
  for (int aliases = 0; aliases <= kAliasesMax; ++aliases) {
    for (const Record& record : message.answers) {
      if (record.type == type && record.owner == owner) found.records.push_back(&record);
    }
    for (const Record* record : found.records) found.ttl = std::min(found.ttl, record->ttl);
    if (!found.records.empty()) {
      found.verdict = Verdict::kFound;
      found.owner = owner;
      return found;
    }
    const Record* alias = AliasOf(message, owner);
    if (alias == nullptr)
      return {
          .verdict = Verdict::kNoData, .records = {}, .owner = {}, .ttl = std::min(found.ttl, message.negative_ttl)};
    found.ttl = std::min(found.ttl, alias->ttl);
    owner = alias->target;
  }
  return {.verdict = Verdict::kBadAnswer, .records = {}, .owner = {}};  // aliases that go round
}

// The hosts of `records` that can be connected to, the best first, none twice.
std::vector<MxHost> HostsOf(const std::vector<const Record*>& records) {
  std::vector<const Record*> sorted = records;
  // Within a preference in the order of the answer, which is the order in memory.
  std::sort(sorted.begin(), sorted.end(), [](const Record* a, const Record* b) {
    return a->preference != b->preference ? a->preference < b->preference : a < b;
  });
  std::vector<MxHost> hosts;
  for (const Record* record : sorted) {
    if (hosts.size() == kMxHostsMax) break;
    std::optional<std::string> name = HostName(record->target);
    if (!name.has_value()) continue;
    const bool known = std::any_of(hosts.begin(), hosts.end(), [&](const MxHost& host) { return host.name == *name; });
    if (!known) hosts.push_back({.preference = record->preference, .name = *std::move(name)});
  }
  return hosts;
}

}  // namespace

Reading<MxAnswer> ReadMx(const Message& message, std::string_view domain) {
  const Records found = Find(message, domain, kTypeMx);
  Reading<MxAnswer> reading = {.answer = {}, .ttl = found.ttl};
  MxAnswer& answer = reading.answer;
  answer.verdict = found.verdict;
  answer.authenticated = message.authenticated;
  if (found.verdict == Verdict::kNoData) {
    answer.verdict = Verdict::kFound;
    answer.implicit = true;
    answer.hosts.push_back({.preference = 0, .name = std::string(domain)});
  } else if (found.verdict == Verdict::kFound) {
    answer.hosts = HostsOf(found.records);
    answer.null_mx = found.records.size() == 1 && found.records.front()->target.empty();
    if (answer.hosts.empty() && !answer.null_mx) answer.verdict = Verdict::kUnusable;
  }
  return reading;
}

Reading<AddressAnswer> ReadAddresses(const Message& message, std::string_view host, int family) {
  const Records found = Find(message, host, family == AF_INET6 ? kTypeAaaa : kTypeA);
  Reading<AddressAnswer> reading = {.answer = {}, .ttl = found.ttl};
  reading.answer.verdict = found.verdict;
  reading.answer.authenticated = message.authenticated;
  reading.answer.canonical = std::string(found.owner);
  std::vector<Address>& addresses = reading.answer.addresses;
  for (const Record* record : found.records) {
    if (addresses.size() == kAddressesMax) break;
    if (std::find(addresses.begin(), addresses.end(), record->address) == addresses.end()) {
      addresses.push_back(record->address);
    }
  }
  return reading;
}

Reading<TlsaAnswer> ReadTlsa(const Message& message, std::string_view service) {
  const Records found = Find(message, service, kTypeTlsa);
  Reading<TlsaAnswer> reading = {.answer = {}, .ttl = found.ttl};
  reading.answer.verdict = found.verdict;
  reading.answer.authenticated = message.authenticated;
  for (const Record* record : found.records) {
    if (reading.answer.records.size() == kTlsaRecordsMax) break;
    reading.answer.records.push_back(record->tlsa);
  }
  return reading;
}

Reading<TxtAnswer> ReadTxt(const Message& message, std::string_view name) {
  const Records found = Find(message, name, kTypeTxt);
  Reading<TxtAnswer> reading = {.answer = {}, .ttl = found.ttl};
  reading.answer.verdict = found.verdict;
  reading.answer.authenticated = message.authenticated;
  for (const Record* record : found.records) {
    if (reading.answer.texts.size() == kTextsMax) break;
    reading.answer.texts.push_back(record->text);
  }
  return reading;
}

}  // namespace sealift::dns
