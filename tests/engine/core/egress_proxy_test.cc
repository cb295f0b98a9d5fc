// A source that leaves through a proxy: real connections on loopback, the proxy scripted to the byte.
#include "engine/egress_proxy.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "engine/runtime/deadline.h"
#include "engine/runtime/task_group.h"
#include "engine/runtime/tcp.h"
#include "tests/engine/runtime/on_ring.h"

namespace sealift::engine {
namespace {

using std::string_literals::operator""s;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

// What the proxy waits for, and what it says then.
struct Turn {
  std::string expects, says;
};

Task<void> Play(TcpListener& listener, std::vector<Turn> turns) {
  absl::StatusOr<std::unique_ptr<TcpStream>> stream = co_await listener.Accept();
  EXPECT_TRUE(stream.ok()) << stream.status();
  for (const Turn& turn : turns) {
    std::string heard(turn.expects.size(), '\0');
    size_t have = 0;
    while (have < heard.size()) {
      const absl::StatusOr<size_t> count = co_await (*stream)->Read(std::span(heard).subspan(have));
      if (!count.ok() || *count == 0) break;
      have += *count;
    }
    EXPECT_EQ(heard, turn.expects);
    const absl::Status said = co_await (*stream)->Write(turn.says);
    EXPECT_TRUE(said.ok()) << said;
  }
}

class EgressProxyTest : public OnRing {
 protected:
  // What came of connecting through a proxy that plays these turns; the first bytes that the host says, else why not.
  std::string Through(const std::string& scheme, const std::string& login, std::vector<Turn> turns,
                      const std::string& to = "192.0.2.9:25", const std::string& from = "198.51.100.7:0") {
    std::string result;
    Run(Connecting(scheme, login, std::move(turns), to, from, result));
    return result;
  }

 private:
  Task<void> Connecting(std::string scheme, std::string login, std::vector<Turn> turns, std::string to,
                        std::string from, std::string& result) {
    absl::StatusOr<TcpListener> listener = TcpListener::Listen(ring(), *Endpoint::Parse("127.0.0.1:0"));
    EXPECT_TRUE(listener.ok()) << listener.status();
    TcpNetwork network(ring());
    TaskGroup group(ring());
    group.Start(Play(*listener, std::move(turns)));
    const std::optional<EgressProxy> proxy =
        EgressProxy::Of({.proxy = scheme + listener->local().ToString(), .proxy_login = login});
    EXPECT_TRUE(proxy.has_value());
    absl::StatusOr<std::unique_ptr<Stream>> stream = co_await WithDeadline(
        ring(), absl::Seconds(20), proxy->Connect(network, *Endpoint::Parse(to), *Endpoint::Parse(from)));
    if (stream.ok()) {
      char buffer[64];
      const absl::StatusOr<size_t> count = co_await (*stream)->Read(buffer);
      result = count.ok() ? std::string(buffer, *count) : count.status().ToString();
    } else {
      result = stream.status().ToString();
    }
    co_await group.Join();
  }
};

const std::string kHello = "\x05\x01\x00"s;
const std::string kHelloWithLogin = "\x05\x02\x00\x02"s;
const std::string kConnectTo = "\x05\x01\x00\x01\xc0\x00\x02\x09\x00\x19"s;  // 192.0.2.9:25
const std::string kConnected = "\x05\x00\x00\x01\x7f\x00\x00\x01\x12\x34"s;

TEST_F(EgressProxyTest, TheHostIsReachedAndItsFirstWordsAreItsOwn) {
  EXPECT_EQ(Through("socks5://", "", {{kHello, "\x05\x00"s}, {kConnectTo, kConnected + "220 mx\r\n"}}), "220 mx\r\n");
}

TEST_F(EgressProxyTest, IPv6AndANameAsTheBoundAddressAreUnderstood) {
  const std::string to6 = "\x05\x01\x00\x04\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01\x00\x19"s;
  EXPECT_EQ(
      Through("socks5://", "", {{kHello, "\x05\x00"s}, {to6, "\x05\x00\x00\x03\x05proxy\x00\x00"s + "220 six\r\n"}},
              "[2001:db8::1]:25", "[2001:db8::7]:0"),
      "220 six\r\n");
}

TEST_F(EgressProxyTest, TheLoginIsGivenWhereItIsAskedFor) {
  EXPECT_EQ(Through("socks5://", "mail:s3cret",
                    {{kHelloWithLogin, "\x05\x02"s},
                     {"\x01\x04mail\x06s3cret"s, "\x01\x00"s},
                     {kConnectTo, kConnected + "220 mx\r\n"}}),
            "220 mx\r\n");
}

TEST_F(EgressProxyTest, ARefusedLoginIsSaidWithoutIt) {
  EXPECT_THAT(
      Through("socks5://", "mail:s3cret", {{kHelloWithLogin, "\x05\x02"s}, {"\x01\x04mail\x06s3cret"s, "\x01\x01"s}}),
      AllOf(HasSubstr("the proxy 127.0.0.1:"), HasSubstr("refuses the login"), Not(HasSubstr("s3cret"))));
}

TEST_F(EgressProxyTest, AProxyThatAsksForALoginThatThereIsNotSaysWhatToDo) {
  EXPECT_THAT(Through("socks5://", "", {{kHello, "\x05\xff"s}}), HasSubstr("proxy_credentials"));
}

TEST_F(EgressProxyTest, WhatTheHostAnsweredItIsPassedOn) {
  EXPECT_THAT(
      Through("socks5://", "", {{kHello, "\x05\x00"s}, {kConnectTo, "\x05\x05\x00\x01\x00\x00\x00\x00\x00\x00"s}}),
      HasSubstr("connection refused"));
}

TEST_F(EgressProxyTest, WhatIsNoSocksServerIsNamed) {
  EXPECT_THAT(Through("socks5://", "", {{kHello, "HTTP/1.1 400\r\n"}}), HasSubstr("it is no SOCKS5 server"));
  EXPECT_THAT(Through("socks5://", "", {{kHello, "\x05"s}}), HasSubstr("it closed the connection"));
}

TEST_F(EgressProxyTest, AnHaproxyIsToldBothEnds) {
  const std::string header = "\r\n\r\n\0\r\nQUIT\n\x21\x11\x00\x0c\xc6\x33\x64\x07\xc0\x00\x02\x09\x00\x00\x00\x19"s;
  EXPECT_EQ(Through("haproxy://", "", {{header, "220 mx\r\n"}}), "220 mx\r\n");
}

TEST_F(EgressProxyTest, AnHaproxyIsToldBothEndsInIPv6) {
  const std::string header =
      "\r\n\r\n\0\r\nQUIT\n\x21\x21\x00\x24\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x07"
      "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01\x00\x00\x00\x19"s;
  EXPECT_EQ(Through("haproxy://", "", {{header, "220 six\r\n"}}, "[2001:db8::1]:25", "[2001:db8::7]:0"), "220 six\r\n");
}

TEST_F(EgressProxyTest, ASourceWithoutAProxyHasNone) { EXPECT_FALSE(EgressProxy::Of({}).has_value()); }

}  // namespace
}  // namespace sealift::engine
