// A stop and a start that is refused mail nobody twice, and a signal is heard from the first moment on.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>

#include "tests/scenario/harness/eventually.h"
#include "tests/scenario/harness/sink.h"
#include "tests/scenario/harness/world.h"

namespace sealift::scenario {
namespace {

using ::testing::HasSubstr;

class StopTest : public World {
 protected:
  // A server that takes its time over each message.
  std::string Script() const {
    return fmt::format(
        "[[provider]]\nname = \"all\"\ndomains = [\"d{{1..20}}.test\"]\n"
        "mx = [{{ host = \"mx.all.test\", address = \"{}\" }}]\n"
        "[[provider.rule]]\nat = \"body\"\npause = \"600ms\"\n",
        net.Address(10));
  }
  int AskWithoutEnd() const {
    const int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    (settings.data_dir + "/control.sock").copy(address.sun_path, sizeof address.sun_path - 1);
    EXPECT_EQ(::connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
    const std::string_view begun = "POST /api/v1/reload HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{";
    EXPECT_EQ(::send(fd, begun.data(), begun.size(), 0), static_cast<ssize_t>(begun.size()));
    return fd;
  }
  void ExpectEachOnce(const Sink& sink, int rows) {
    ASSERT_TRUE(ShowsUntil("spring", kInTime, [](const Json& now) { return now["queued"].Number() == 0; }));
    EXPECT_EQ(Show("spring")["delivered"].Number(), rows);
    EXPECT_EQ(sink.arrivals(), static_cast<size_t>(rows));
  }
};

TEST_F(StopTest, WhoeverKeepsARequestOpenNothingNewIsSentAndNothingIsCut) {
  constexpr int kRows = 600;
  const Sink sink(dir, Script(), net.Address(2, 5353));
  settings.node += "\ndrain = \"2s\"\n";
  settings.source = "rate = \"100/s\"";
  settings.streams = {{"news", "tls = \"opportunistic\"\nretry = [\"1s\"]"}};
  StartDaemon();
  Load("spring", Template(), Recipients(kRows, Domains(20)), {"--start"});
  ASSERT_TRUE(Eventually(kInTime, [&] { return sink.arrivals() >= 100; }));
  const int request = AskWithoutEnd();
  StopDaemon();
  ::close(request);
  ASSERT_LT(sink.arrivals(), static_cast<size_t>(kRows)) << "nothing is left to show anything with";
  StartDaemon();
  ExpectEachOnce(sink, kRows);
  StopDaemon();
}

TEST_F(StopTest, AStartThatIsRefusedHasSentNothing) {
  constexpr int kRows = 200;
  const Sink sink(dir, Script(), net.Address(2, 5353));
  settings.streams = {{"news", "tls = \"opportunistic\"\nretry = [\"1s\"]"}};
  StartDaemon();
  Load("spring", Template(), Recipients(kRows, Domains(20)), {"--start"});
  KillDaemon();
  const std::string listen = settings.http_listen;
  const int taken = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  ASSERT_EQ(::bind(taken, reinterpret_cast<const sockaddr*>(&address), size), 0);
  ASSERT_EQ(::listen(taken, 1), 0);
  ASSERT_EQ(::getsockname(taken, reinterpret_cast<sockaddr*>(&address), &size), 0);
  settings.http_listen = fmt::format("127.0.0.1:{}", ntohs(address.sin_port));
  const int64_t before = sink.Status()["totals"]["connections"].Number();
  for (int i = 0; i < 5; ++i) {
    LaunchDaemon();
    EXPECT_EQ(daemon->WaitFor(kSoon).value_or(-1), 74) << daemon->Err();
    EXPECT_THAT(daemon->Err(), HasSubstr("another program has that port"));
  }
  EXPECT_EQ(sink.Status()["totals"]["connections"].Number(), before);
  ::close(taken);
  settings.http_listen = listen;
}

TEST_F(StopTest, ASignalEndsAStart) {
  settings.kek_file = "";
  settings.keys = "kek_command = [\"/bin/sleep\", \"20\"]";
  LaunchDaemon();
  ASSERT_TRUE(Eventually(kSoon, [this] { return std::filesystem::exists(settings.data_dir + "/audit"); }));
  daemon->Signal(SIGTERM);
  EXPECT_EQ(daemon->WaitFor(std::chrono::seconds(5)).value_or(-1), 0) << daemon->Err();
}

}  // namespace
}  // namespace sealift::scenario
