// What the node gives its reports about TLS to work with: the shards' counts, its queue, the DNS and the web.
#include <fmt/format.h>
#include <sys/socket.h>

#include <future>
#include <utility>

#include "dns/lookup.h"
#include "engine/node_impl.h"
#include "engine/scheduler.h"
#include "engine/source_address.h"

namespace sealift::engine {
namespace {

constexpr absl::Duration kLookUp = absl::Seconds(30);  // one record, or the addresses of one web server
constexpr std::string_view kReportType = "application/tlsrpt+gzip";

absl::StatusOr<dns::Lookup> LookupFor(const Options& options, const std::atomic<bool>& stop) {
  return dns::Lookup::Create({.servers = options.dns.servers,
                              .timeout = options.dns.timeout,
                              .tries = options.dns.tries,
                              .deadline = absl::Now() + kLookUp,
                              .stop = &stop});
}

// Where a domain's web server is, as far as it may be asked.
absl::StatusOr<std::vector<dns::Address>> WebServerAt(const std::string& host, const Options& options,
                                                      const std::atomic<bool>& stop) {
  absl::StatusOr<dns::Lookup> lookup = LookupFor(options, stop);
  if (!lookup.ok()) return lookup.status();
  std::vector<dns::Address> usable;
  for (const int family : {AF_INET, AF_INET6}) {
    for (const dns::Address& address : lookup->Addresses(host, family).addresses) {
      if (MayBeOfOthers(address, options)) usable.push_back(address);
    }
  }
  if (usable.empty()) return absl::UnavailableError("the web server has no usable address");
  return usable;
}

}  // namespace

std::unique_ptr<TlsReports> NodeImpl::MakeTlsReports() {
  const auto post = [this](const TlsReportRecord::Web& to, std::string gzip) -> absl::Status {
    absl::StatusOr<std::vector<dns::Address>> addresses = WebServerAt(to.host, *options(), interrupted_);
    if (!addresses.ok()) return addresses.status();
    std::promise<absl::StatusOr<WebDocument>> answered;
    https_->Fetch({.host = to.host,
                   .port = to.port,
                   .path = to.path,
                   .addresses = *std::move(addresses),
                   .post = std::move(gzip),
                   .post_type = std::string(kReportType)},
                  [&answered](absl::StatusOr<WebDocument> answer) { answered.set_value(std::move(answer)); });
    const absl::StatusOr<WebDocument> answer = answered.get_future().get();
    if (!answer.ok()) return answer.status();
    if (answer->status / 100 == 2) return absl::OkStatus();  // RFC 8460 5.4
    return absl::UnavailableError(fmt::format("it answered with {}", answer->status));
  };
  return std::make_unique<TlsReports>(TlsReports::Services{
      .store = *store_,
      .metrics = metrics_,
      .options = [this] { return options(); },
      .gather =
          [this](TlsTally& into) {
            AskShards([&into](Scheduler& scheduler) { into.Add(std::exchange(scheduler.services().tls_tally, {})); });
          },
      .load = [this](LoadRequest request) { return Load(std::move(request)); },
      .txt =
          [this](const std::string& name) {
            absl::StatusOr<dns::Lookup> lookup = LookupFor(*options(), interrupted_);
            return lookup.ok() ? lookup->Txt(name) : dns::TxtAnswer{.verdict = dns::Verdict::kTimeout};
          },
      .post = post,
  });
}

}  // namespace sealift::engine
