#include "tests/engine/core/internet.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>

#include "engine/runtime/check.h"
#include "tests/engine/core/memory_stream.h"

namespace sealift::engine {

MailServer& Internet::AddHost(const std::string& name) {
  auto host = std::make_unique<Host>();
  host->name = name;
  const size_t number = hosts_.size() + 1;
  host->address = *dns::Address::Parse(fmt::format("127.0.{}.{}", 1 + number / 256, number % 256));
  at_[Endpoint::Ip(AF_INET, std::span(host->address.bytes).first(4), 25).ToString()] = host.get();
  std::unique_ptr<Host>& entry = hosts_[name];
  CHECK(entry == nullptr, "a host has one machine");
  entry = std::move(host);
  return entry->server;
}

void Internet::AddIPv6(const std::string& host, const std::string& address) {
  Host& known = *hosts_.at(host);
  known.address6 = dns::Address::Parse(address);
  at_[Endpoint::Ip(AF_INET6, known.address6.value().bytes, 25).ToString()] = &known;
}

void Internet::AddAddresses(const std::string& host, int count) {
  Host& known = *hosts_.at(host);
  for (int i = 0; i < count; ++i) {
    known.more.push_back(*dns::Address::Parse(fmt::format("127.1.{}.{}", hosts_.size() % 256, i + 1)));
    at_[Endpoint::Ip(AF_INET, std::span(known.more.back().bytes).first(4), 25).ToString()] = &known;
  }
}

void Internet::SetRefusing(const std::string& host, bool refusing) { hosts_.at(host)->refusing = refusing; }

void Internet::SetMx(const std::string& domain, std::vector<dns::MxHost> hosts) {
  mx_[domain] = {.verdict = dns::Verdict::kFound, .hosts = std::move(hosts), .expires = absl::InfiniteFuture()};
}

void Internet::SetVerdict(const std::string& domain, dns::Verdict verdict) { mx_[domain] = {.verdict = verdict}; }

void Internet::SetNullMx(const std::string& domain) {
  mx_[domain] = {.verdict = dns::Verdict::kFound, .null_mx = true};
}

Task<absl::StatusOr<std::unique_ptr<Stream>>> Internet::Connect(Endpoint to, std::optional<Endpoint> from) {
  (void)from;
  const absl::Status yielded = co_await ring_.Yield();  // as a real connection, it takes a turn at least
  if (!yielded.ok()) co_return yielded;
  if (const auto found = at_.find(to.ToString()); found != at_.end()) {
    Host& host = *found->second;
    connects.emplace_back(host.name, ring_.Now());
    if (!host.refusing) {
      auto [ours, theirs] = MemoryStream::Connect();
      serving_.Start(host.server.Serve(std::move(theirs)));
      co_return std::move(ours);
    }
  }
  co_return absl::UnavailableError(fmt::format("{}: connection refused", to.ToString()));
}

Task<dns::MxAnswer> Internet::ResolveMx(std::string domain) {
  lookups.push_back(domain);
  const absl::Status yielded = co_await ring_.Yield();
  if (!yielded.ok()) co_return dns::MxAnswer{.verdict = dns::Verdict::kTimeout};
  const auto found = mx_.find(domain);
  if (found == mx_.end() && silent_) {
    const absl::Status given_up = co_await never_.Wait();
    co_return dns::MxAnswer{.verdict = given_up.ok() ? dns::Verdict::kServFail : dns::Verdict::kTimeout};
  }
  if (found == mx_.end()) co_return dns::MxAnswer{.verdict = dns::Verdict::kNxDomain};
  dns::MxAnswer answer = found->second;
  answer.authenticated = signed_;
  co_return answer;
}

void Internet::SetTlsa(const std::string& host, std::vector<dns::Tlsa> records) {
  tlsa_[fmt::format("_25._tcp.{}", host)] = {
      .verdict = dns::Verdict::kFound, .records = std::move(records), .expires = absl::InfiniteFuture()};
}

void Internet::SetTlsaVerdict(const std::string& host, dns::Verdict verdict) {
  tlsa_[fmt::format("_25._tcp.{}", host)] = {.verdict = verdict};
}

void Internet::SetTxt(const std::string& name, std::vector<std::string> texts) {
  txt_[name] = {.verdict = dns::Verdict::kFound, .texts = std::move(texts), .expires = absl::InfiniteFuture()};
}

Task<dns::TlsaAnswer> Internet::ResolveTlsa(std::string service) {
  tlsa_lookups.push_back(service);
  const auto found = tlsa_.find(service);
  if (found == tlsa_.end()) co_return dns::TlsaAnswer{.verdict = dns::Verdict::kNxDomain, .authenticated = signed_};
  dns::TlsaAnswer answer = found->second;
  answer.authenticated = signed_;
  co_return answer;
}

Task<dns::TxtAnswer> Internet::ResolveTxt(std::string name) {
  const auto found = txt_.find(name);
  if (found == txt_.end()) co_return dns::TxtAnswer{.verdict = dns::Verdict::kNxDomain};
  co_return found->second;
}

void Internet::SetDocument(const std::string& host, absl::StatusOr<WebDocument> document) {
  if (!hosts_.contains(host)) AddHost(host);
  documents_.insert_or_assign(host, std::move(document));
}

void Internet::SetSilentWeb(const std::string& host) {
  SetDocument(host, absl::UnavailableError("nothing was said"));
  silent_webs_.insert(host);
}

Task<absl::StatusOr<WebDocument>> Internet::Get(WebRequest request) {
  fetches.push_back(request);
  if (silent_webs_.contains(request.host)) {
    const absl::Status given_up = co_await never_.Wait();
    if (!given_up.ok()) co_return given_up;
  }
  const absl::Status yielded = co_await ring_.Yield();
  if (!yielded.ok()) co_return yielded;
  const auto found = documents_.find(request.host);
  if (found == documents_.end()) co_return absl::UnavailableError("no such web server");
  co_return found->second;
}

Task<dns::AddressAnswer> Internet::ResolveAddresses(std::string host, int family) {
  const auto alias = aliases_.find(host);
  if (alias != aliases_.end()) host = alias->second;
  const auto found = hosts_.find(host);
  const bool there = found != hosts_.end() && (family == AF_INET || found->second->address6.has_value());
  if (!there) co_return dns::AddressAnswer{.verdict = dns::Verdict::kNoData};
  dns::AddressAnswer answer{.verdict = dns::Verdict::kFound, .expires = absl::InfiniteFuture()};
  answer.authenticated = signed_;
  answer.canonical = host;
  answer.addresses.push_back(family == AF_INET ? found->second->address : *found->second->address6);
  if (family == AF_INET) std::ranges::copy(found->second->more, std::back_inserter(answer.addresses));
  co_return answer;
}

Task<void> Internet::Stop() {
  serving_.Cancel();
  co_await serving_.Join();
}

}  // namespace sealift::engine
