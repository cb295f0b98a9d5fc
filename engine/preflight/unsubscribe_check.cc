// Whether the unsubscribe URL answers. On its own for the HTTP library's sake.
#include <fmt/format.h>
#include <httplib.h>
#include <sys/socket.h>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <future>
#include <optional>
#include <string>
#include <string_view>
#include <thread>

#include "dns/name.h"
#include "engine/preflight/sender_checks.h"
#include "tls/sp800_52.h"

namespace sealift::engine {
namespace {

constexpr std::string_view kScheme = "https://";
constexpr int kPhaseSeconds = 5;                 // to connect, and to wait for the next byte
constexpr std::chrono::seconds kAllSeconds{10};  // for all of it

struct Url {
  std::string host;
  int port = 443;
  std::string path = "/";
};

// Nothing when it is no https URL of a host that can be asked for.
std::optional<Url> ParseUrl(std::string_view text) {
  if (!text.starts_with(kScheme)) return std::nullopt;
  text.remove_prefix(kScheme.size());
  Url url;
  const size_t end = std::min(text.find_first_of("/?#"), text.size());
  std::string_view authority = text.substr(0, end);
  const std::string_view path = text.substr(end, text.find('#') - end);
  if (!path.empty()) url.path = path.starts_with('/') ? std::string(path) : "/" + std::string(path);
  if (const size_t colon = authority.rfind(':'); colon != std::string_view::npos) {
    const std::string_view port = authority.substr(colon + 1);
    const auto [last, error] = std::from_chars(port.data(), port.data() + port.size(), url.port);
    if (error != std::errc() || last != port.data() + port.size() || url.port < 1 || url.port > 65'535) {
      return std::nullopt;
    }
    authority = authority.substr(0, colon);
  }
  if (const std::optional<std::string> name = dns::HostName(authority)) {
    url.host = *name;
  } else if (dns::Address::Parse(authority).has_value()) {
    url.host = authority;
  } else {
    return std::nullopt;
  }
  // What is sent in a request line has no blanks or controls in it.
  const bool printable = std::ranges::all_of(url.path, [](char c) { return c > ' ' && c < 0x7f; });
  return printable ? std::optional(url) : std::nullopt;
}

std::optional<dns::Address> AddressOf(const std::string& host, dns::Lookup& lookup) {
  if (std::optional<dns::Address> literal = dns::Address::Parse(host)) return literal;
  for (const int family : {AF_INET, AF_INET6}) {
    const dns::AddressAnswer answer = lookup.Addresses(host, family);
    if (!answer.addresses.empty()) return answer.addresses.front();
  }
  return std::nullopt;
}

// The status of its answer, or why there is none.
struct WebAnswer {
  int status = 0;
  std::string error;
};

WebAnswer AskWeb(const Options& options, const Url& url, const dns::Address& address) {
  httplib::SSLClient client(url.host, url.port);
  client.set_hostname_addr_map({{url.host, address.ToString()}});
  client.set_connection_timeout(kPhaseSeconds);
  client.set_read_timeout(kPhaseSeconds);
  client.set_write_timeout(kPhaseSeconds);
  client.enable_server_certificate_verification(true);
  if (!options.tls.ca_file.empty()) client.set_ca_cert_path(options.tls.ca_file);
  WebAnswer answer;
  if (options.tls.fips && !tls::RestrictToSp80052(client.ssl_context()).ok()) {
    answer.error = "this OpenSSL cannot be held to the algorithms of NIST SP 800-52r2 (`tls.fips`)";
    return answer;
  }
  std::promise<void> asked;
  std::thread limit([&client, over = asked.get_future()] {
    if (over.wait_for(kAllSeconds) != std::future_status::ready) client.stop();
  });
  const auto note = [&answer](const httplib::Result& result) {
    if (result) {
      answer.status = result->status;
    } else if (answer.status == 0) {
      answer.error = httplib::to_string(result.error());
    }
  };
  note(client.Head(url.path));
  if (answer.status >= 500) {
    // Only its head is of interest.
    note(client.Get(
        url.path, httplib::Headers(),
        [&answer](const httplib::Response& response) {
          answer.status = response.status;
          return false;
        },
        [](const char*, size_t) { return false; }));
  }
  asked.set_value();
  limit.join();
  return answer;
}

}  // namespace

PreflightFinding AskUnsubscribeUrl(const Options& options, const StreamOptions& stream, bool own, dns::Lookup& lookup) {
  PreflightFinding finding{.check = "unsubscribe", .about = stream.name, .severity = Severity::kFail};
  if (stream.kind != StreamKind::kMarketing) {
    finding.severity = Severity::kOk;
    finding.state = "transactional";
    return finding;
  }
  if (stream.unsubscribe_url.empty() && own) {
    finding.severity = Severity::kSkipped;
    finding.state = "own";
    finding.what = "the template has a List-Unsubscribe of its own, which is yours to answer";
    return finding;
  }
  if (stream.unsubscribe_url.empty()) {
    finding.severity = Severity::kWarn;
    finding.state = "missing";
    finding.what = "the stream has no `unsubscribe_url`; large receivers want one-click unsubscribe of marketing mail";
    return finding;
  }
  finding.about = stream.unsubscribe_url;
  const std::optional<Url> url = ParseUrl(stream.unsubscribe_url);
  if (!url.has_value()) {
    finding.state = "bad_url";
    finding.what = "it is no https URL of a host; RFC 8058 asks for https://HOST/...";
    return finding;
  }
  const std::optional<dns::Address> address = AddressOf(url->host, lookup);
  if (!address.has_value()) {
    finding.state = "dns_failed";
    finding.what = fmt::format("the DNS has no address for {}", url->host);
    return finding;
  }
  const WebAnswer answer = AskWeb(options, *url, *address);
  if (answer.status == 0) {
    finding.state = "no_answer";
    finding.what = fmt::format("{} [{}] does not answer over HTTPS: {}", url->host, address->ToString(), answer.error);
  } else if (answer.status >= 500) {
    finding.state = "fails";
    finding.what = fmt::format("it answers with HTTP status {}", answer.status);
  } else if (answer.status >= 300 && answer.status < 400) {
    finding.severity = Severity::kWarn;
    finding.state = "redirects";
    finding.what =
        fmt::format("it answers with HTTP status {}, and receivers that POST there follow no redirect", answer.status);
  } else if (answer.status == 404 || answer.status == 410) {
    finding.severity = Severity::kWarn;
    finding.state = "not_found";
    finding.what = fmt::format("it answers with HTTP status {}: is this where your endpoint is?", answer.status);
  } else {
    finding.severity = Severity::kOk;
    finding.state = "answers";
    finding.what = fmt::format("it answers with HTTP status {}", answer.status);
  }
  return finding;
}

}  // namespace sealift::engine
