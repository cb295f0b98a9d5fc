// Sources whose addresses this machine does not have: their mail leaves through a SOCKS5 proxy that asks for a login,
// and through one that is told by the PROXY protocol who calls and whom he wants.
#include <fmt/format.h>
#include <gmock/gmock.h>

#include "tests/scenario/harness/eventually.h"
#include "tests/scenario/harness/process.h"
#include "tests/scenario/harness/sink.h"
#include "tests/scenario/harness/world.h"

namespace sealift::scenario {
namespace {

using ::testing::HasSubstr;

// Both proxies, "ADDRESS:PORT" each. They say whom they connect to, and for whom, and pass on what is said.
constexpr const char* kProxies = R"(
import os, socket, struct, sys, threading

def say(text):
    os.write(1, (text + '\n').encode())

def take(peer, count):
    got = b''
    while len(got) < count:
        more = peer.recv(count - len(got))
        if not more:
            raise OSError('closed')
        got += more
    return got

def pump(one, other):
    try:
        while True:
            some = one.recv(65536)
            if not some:
                break
            other.sendall(some)
    except OSError:
        pass
    try:
        other.shutdown(socket.SHUT_WR)
    except OSError:
        pass

def join(peer, address, port):
    far = socket.create_connection((address, port))
    threading.Thread(target=pump, args=(far, peer), daemon=True).start()
    pump(peer, far)

def socks(peer):
    version, methods = take(peer, 2)
    assert 2 in take(peer, methods)
    peer.sendall(b'\x05\x02')
    take(peer, 1)
    user = take(peer, take(peer, 1)[0])
    password = take(peer, take(peer, 1)[0])
    peer.sendall(b'\x01\x00')
    assert take(peer, 4) == b'\x05\x01\x00\x01'
    address = socket.inet_ntoa(take(peer, 4))
    port = struct.unpack('>H', take(peer, 2))[0]
    say('socks5 %s:%s to %s' % (user.decode(), password.decode(), address))
    peer.sendall(b'\x05\x00\x00\x01\x00\x00\x00\x00\x00\x00')
    join(peer, address, port)

def haproxy(peer):
    head = take(peer, 16)
    assert head[:14] == b'\r\n\r\n\x00\r\nQUIT\n\x21\x11', head
    body = take(peer, struct.unpack('>H', head[14:])[0])
    port = struct.unpack('>H', body[10:12])[0]
    say('haproxy %s to %s' % (socket.inet_ntoa(body[:4]), socket.inet_ntoa(body[4:8])))
    join(peer, socket.inet_ntoa(body[4:8]), port)

def serve(at, speak):
    address, port = at.split(':')
    listener = socket.create_server((address, int(port)))
    def accept():
        while True:
            peer, _ = listener.accept()
            threading.Thread(target=speak, args=(peer,), daemon=True).start()
    threading.Thread(target=accept, daemon=True).start()

serve(sys.argv[1], socks)
serve(sys.argv[2], haproxy)
say('ready')
threading.Event().wait()
)";

using EgressTest = World;

TEST_F(EgressTest, MailLeavesThroughTheProxyOfItsSource) {
  const Sink sink(dir,
                  fmt::format("[[provider]]\nname = \"good\"\ndomains = [\"good.test\"]\n"
                              "mx = [{{ host = \"mx.good.test\", address = \"{}\" }}]\n",
                              net.Address(10)),
                  net.Address(2, 5353));
  const std::string socks = net.Address(20, 1080), haproxy = net.Address(21, 2626);
  const Process proxies({Program("python3", "python3"), "-I", "-c", kProxies, socks, haproxy},
                        dir.path() / "proxies.out", dir.path() / "proxies.err");
  ASSERT_TRUE(Eventually(kSoon, [&] { return proxies.Out().find("ready") != std::string::npos; })) << proxies.Err();
  const std::string login = dir.Write("login", "sealift:secret");
  std::filesystem::permissions(login, std::filesystem::perms::owner_read);
  settings.source_address = "203.0.113.7";
  settings.source = fmt::format("proxy = \"socks5://{}\"\nproxy_credentials = \"{}\"\n", socks, login);
  settings.tables = fmt::format(
      "[[source]]\nname = \"ip2\"\naddress = \"203.0.113.8\"\nproxy = \"haproxy://{}\"\n"
      "[[pool]]\nname = \"second\"\nsources = [\"ip2\"]\n"
      "[[stream]]\nname = \"letters\"\npool = \"second\"\ntls = \"require\"\n",
      haproxy);
  settings.streams = {{"news", "tls = \"require\""}};
  StartDaemon();
  Load("first", Template(), Recipients(5, {"good.test"}, "first.csv"), {"--start"});
  ASSERT_TRUE(ShowsUntil("first", kInTime, [](const Json& now) { return now["delivered"].Number() == 5; }));
  EXPECT_THAT(proxies.Out(), HasSubstr("socks5 sealift:secret to " + net.Address(10) + "\n"));
  EXPECT_EQ(proxies.Out().find("haproxy"), std::string::npos);

  settings.streams = {{"letters", ""}};
  Load("second", Template(), Recipients(5, {"good.test"}, "second.csv"), {"--start"});
  ASSERT_TRUE(ShowsUntil("second", kInTime, [](const Json& now) { return now["delivered"].Number() == 5; }));
  EXPECT_THAT(proxies.Out(), HasSubstr("haproxy 203.0.113.8 to " + net.Address(10) + "\n"));
  EXPECT_EQ(sink.arrivals(), 10u);
  EXPECT_EQ(sink.Status()["totals"]["plaintext_mail"].Number(), 0);
  EXPECT_EQ(proxies.Err(), "");
  StopDaemon();
}

}  // namespace
}  // namespace sealift::scenario
