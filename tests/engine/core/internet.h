#pragma once

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/time/time.h"
#include "engine/resolver.h"
#include "engine/runtime/network.h"
#include "engine/runtime/ring.h"
#include "engine/runtime/signal.h"
#include "engine/runtime/task_group.h"
#include "engine/web.h"
#include "tests/engine/core/mail_server.h"

namespace sealift::engine {

// Internet is all hosts there are in a test: the names that resolve, and the servers that answer.
//
// Owned by:  the test's shard.
// Threads:   the shard's while that runs; before and after, the test's.
class Internet final : public Network, public Resolver, public Web {
 public:
  explicit Internet(Ring& ring) : ring_(ring), serving_(ring) {}

  // A host with a server on port 25. Hosts have addresses from 127.0.1.1 on, in the order of their making.
  MailServer& AddHost(const std::string& name);
  // The host has that address as well.
  void AddIPv6(const std::string& host, const std::string& address);
  // The host has so many addresses more.
  void AddAddresses(const std::string& host, int count);
  // The host's machine is gone, or back: connections are refused.
  void SetRefusing(const std::string& host, bool refusing);
  void SetMx(const std::string& domain, std::vector<dns::MxHost> hosts);
  void SetVerdict(const std::string& domain, dns::Verdict verdict);
  void SetNullMx(const std::string& domain);
  // Whoever asks for the MX of a domain that is not known waits for an answer until he gives up.
  void SetSilent() { silent_ = true; }
  // Signed, as a validating resolver says: every MX and address from now on, and what is set here.
  void SetSigned(bool is_signed) { signed_ = is_signed; }
  // Of the service on port 25 of `host`.
  void SetTlsa(const std::string& host, std::vector<dns::Tlsa> records);
  void SetTlsaVerdict(const std::string& host, dns::Verdict verdict);
  // `host` is another name for `target`.
  void SetAlias(const std::string& host, const std::string& target) { aliases_[host] = target; }
  void SetTxt(const std::string& name, std::vector<std::string> texts);
  // What the web server `host` has, at whatever path; an address for it is made.
  void SetDocument(const std::string& host, absl::StatusOr<WebDocument> document);
  // The web server takes what it is asked, and says nothing.
  void SetSilentWeb(const std::string& host);

  Task<absl::StatusOr<std::unique_ptr<Stream>>> Connect(Endpoint to, std::optional<Endpoint> from) override;
  Task<dns::MxAnswer> ResolveMx(std::string domain) override;
  Task<dns::AddressAnswer> ResolveAddresses(std::string host, int family) override;
  Task<dns::TlsaAnswer> ResolveTlsa(std::string service) override;
  Task<dns::TxtAnswer> ResolveTxt(std::string name) override;
  Task<absl::StatusOr<WebDocument>> Get(WebRequest request) override;
  void Urge(const std::string& host) override { urged.push_back(host); }

  // Ends every conversation.
  Task<void> Stop();

  std::vector<std::pair<std::string, absl::Time>> connects;  // host, when; the refused ones too
  std::vector<std::string> lookups;                          // domains, of MX
  std::vector<std::string> tlsa_lookups;                     // services
  std::vector<WebRequest> fetches;
  std::vector<std::string> urged;  // hosts

 private:
  struct Host {
    std::string name;
    dns::Address address;
    std::optional<dns::Address> address6;
    std::vector<dns::Address> more;
    bool refusing = false;
    MailServer server;
  };

  Ring& ring_;
  TaskGroup serving_;
  std::map<std::string, std::unique_ptr<Host>> hosts_;  // by name
  std::map<std::string, Host*> at_;                     // by endpoint
  std::map<std::string, dns::MxAnswer> mx_;             // by domain
  std::map<std::string, dns::TlsaAnswer> tlsa_;         // by service
  std::map<std::string, dns::TxtAnswer> txt_;           // by name
  std::map<std::string, std::string> aliases_;
  std::map<std::string, absl::StatusOr<WebDocument>> documents_;  // by host
  std::set<std::string> silent_webs_;
  bool signed_ = false, silent_ = false;
  Signal never_;
};

}  // namespace sealift::engine
