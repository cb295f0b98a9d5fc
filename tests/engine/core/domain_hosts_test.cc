// Whose hosts take the mail of domains that nothing was sent to, asked of an Internet in memory.
#include "engine/domain_hosts.h"

#include <gmock/gmock.h>

#include "tests/engine/core/internet.h"
#include "tests/engine/runtime/on_ring.h"

namespace sealift::engine {
namespace {

using ::testing::IsEmpty;
using ::testing::SizeIs;

class DomainHostsTest : public OnRing {
 protected:
  Task<void> Look(DomainHosts& hosts, std::vector<std::string> domains, absl::Duration patience) {
    co_await hosts.Run(std::move(domains), patience);
    co_await internet_.Stop();
  }
  std::map<std::string, std::vector<dns::MxHost>> Found(std::vector<std::string> domains, absl::Duration patience) {
    DomainHosts hosts(ring(), internet_, std::make_shared<const Options>(options_), stop_);
    Run(Look(hosts, std::move(domains), patience));
    return hosts.found();
  }

  Options options_;
  std::atomic<bool> stop_{false};
  Internet internet_{ring()};
};

TEST_F(DomainHostsTest, AllAreAskedForAndTheFirstHostThatIsAllowedStandsInFront) {
  options_.dns.mx_deny = {"mx.forbidden.test"};
  std::vector<std::string> domains;
  for (int i = 0; i < 2 * DomainHosts::kAtOnce; ++i) {
    domains.push_back("d" + std::to_string(i) + ".test");
    internet_.SetMx(domains.back(), {{20, "mx2.test"}, {10, "mx1.test"}, {5, "mx.forbidden.test"}});
  }
  internet_.SetNullMx("none.test");
  domains.emplace_back("none.test");
  internet_.SetVerdict("gone.test", dns::Verdict::kNxDomain);
  domains.emplace_back("gone.test");
  const auto found = Found(domains, absl::Minutes(1));
  ASSERT_THAT(found, SizeIs(2 * DomainHosts::kAtOnce)) << "a domain without a host is of nobody";
  for (const auto& [domain, hosts] : found) {
    ASSERT_THAT(hosts, SizeIs(2)) << domain;
    EXPECT_EQ(hosts.front().name, "mx1.test") << domain;
  }
}

TEST_F(DomainHostsTest, WhoIsSilentIsNotWaitedForLongerThanThatAndNotAtAllAtTheEnd) {
  internet_.SetSilent();
  EXPECT_THAT(Found({"d1.test", "d2.test"}, absl::Milliseconds(1)), IsEmpty());
  stop_ = true;
  EXPECT_THAT(Found({"d1.test", "d2.test"}, absl::Hours(1)), IsEmpty());
}

}  // namespace
}  // namespace sealift::engine
