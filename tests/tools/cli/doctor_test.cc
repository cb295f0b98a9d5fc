#include "tools/sealift/doctor.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <string>
#include <thread>
#include <utility>

#include "tls/sp800_52.h"

namespace sealift::tools {
namespace {

using engine::ExitCode;
using State = Diagnosis::State;
using testing::HasSubstr;

class DoctorTest : public testing::Test {
 public:
  ~DoctorTest() override { std::filesystem::remove_all(root_); }

 protected:
  DoctorTest() {
    std::string pattern = (std::filesystem::temp_directory_path() / "sealift-doctor-XXXXXX").string();
    root_ = mkdtemp(pattern.data());
    options_.node.data_dir = root_ + "/data";
    options_.storage.stop_load_below = {0, 1};
    options_.storage.stop_send_below = {0, 1};
    options_.backup.dir = root_ + "/backups";
    options_.backup.key_file = root_ + "/backup.key";
    std::ofstream(options_.backup.key_file) << std::string(32, 'b');
    chmod(options_.backup.key_file.c_str(), 0600);
    std::filesystem::create_directory(options_.backup.dir);
    std::filesystem::create_directory(options_.node.data_dir);
    chmod(options_.node.data_dir.c_str(), 0700);
  }

  static Diagnosis Of(const std::vector<Diagnosis>& findings, const std::string& check) {
    const auto found = std::ranges::find(findings, check, &Diagnosis::check);
    EXPECT_NE(found, findings.end()) << check;
    return found == findings.end() ? Diagnosis{} : *found;
  }
  Diagnosis Storage(const std::string& check) { return Of(DiagnoseStorage(options_, absl::Now()), check); }

  std::string root_;
  engine::Options options_;
};

TEST_F(DoctorTest, TheDataDirectoryIsItsOwnersAlone) {
  EXPECT_EQ(Storage("data_dir").state, State::kOk);
  chmod(options_.node.data_dir.c_str(), 0750);
  EXPECT_EQ(Storage("data_dir").state, State::kFailed);
  EXPECT_THAT(Storage("data_dir").what, HasSubstr("0750"));
  EXPECT_THAT(Storage("data_dir").next, HasSubstr("chmod 0700"));
  std::filesystem::remove(options_.node.data_dir);
  EXPECT_EQ(Storage("data_dir").state, State::kWarning) << "the daemon makes it";
  EXPECT_EQ(Storage("disk").state, State::kOk) << "of what is above it";
}

TEST_F(DoctorTest, TheDiskIsJudgedByItsFloors) {
  EXPECT_EQ(Storage("disk").state, State::kOk);
  options_.storage.stop_send_below = {0, 2};
  EXPECT_THAT(Storage("disk").what, HasSubstr("sending stops before loads do"));
  options_.storage.stop_load_below = {0, uint64_t{1} << 62};
  EXPECT_THAT(Storage("disk").what, HasSubstr("loads are refused"));
  options_.storage.stop_send_below = {0, uint64_t{1} << 62};
  EXPECT_THAT(Storage("disk").what, HasSubstr("nothing is sent"));
  EXPECT_EQ(VerdictOf({Storage("disk")}), ExitCode::kIo);
}

TEST_F(DoctorTest, ABackupHasAnAge) {
  EXPECT_EQ(Storage("backup").state, State::kWarning) << "there is none";
  std::ofstream(options_.backup.dir + "/mta1.backup") << "x";
  EXPECT_EQ(Storage("backup").state, State::kOk);
  EXPECT_EQ(Of(DiagnoseStorage(options_, absl::Now() + absl::Hours(72)), "backup").state, State::kWarning);
  options_.backup.key_file.clear();
  EXPECT_EQ(Storage("backup").state, State::kFailed) << "none can be made";
  std::filesystem::remove_all(options_.backup.dir);
  EXPECT_EQ(Storage("backup").state, State::kFailed);
  options_.backup.dir.clear();
  EXPECT_EQ(Storage("backup").state, State::kWarning);
}

TEST_F(DoctorTest, AKeyThatIsNotThereFails) {
  options_.keys.kek_file = root_ + "/kek";
  EXPECT_EQ(Of(DiagnoseKeys(options_), "key").state, State::kFailed);
  std::ofstream(options_.keys.kek_file) << std::string(32, 'k');
  chmod(options_.keys.kek_file.c_str(), 0600);
  EXPECT_EQ(Of(DiagnoseKeys(options_), "key").state, State::kOk);
  chmod(options_.keys.kek_file.c_str(), 0644);
  EXPECT_EQ(Of(DiagnoseKeys(options_), "key").state, State::kFailed);
  EXPECT_EQ(VerdictOf(DiagnoseKeys(options_)), ExitCode::kConfig);
}

TEST_F(DoctorTest, AKeyThatOnlyTheDaemonsUnitIsGivenIsNotCalledMissing) {
  options_.keys = {};
  options_.keys.kek_credential = "kek";
  const Diagnosis key = Of(DiagnoseKeys(options_), "key");
  EXPECT_EQ(key.state, State::kSkipped) << key.what;
  EXPECT_THAT(key.what, HasSubstr("the credential kek of the daemon's unit"));
}

TEST_F(DoctorTest, MoreConnectionsThanDescriptorsFail) {
  options_.sources.resize(1);
  options_.sources[0].connections.count = 2'000'000'000;
  const Diagnosis files = Of(DiagnoseMachine(options_, {}, absl::Now()), "files");
  EXPECT_EQ(files.state, State::kFailed);
  EXPECT_THAT(files.next, HasSubstr("LimitNOFILE=2000001024"));
}

TEST_F(DoctorTest, WhoAsksForFipsIsToldWhetherAModuleComputesIt) {
  EXPECT_EQ(Of(DiagnoseMachine(options_, {}, absl::Now()), "fips").state, State::kSkipped);
  options_.tls.fips = true;
  const Diagnosis fips = Of(DiagnoseMachine(options_, {}, absl::Now()), "fips");
  EXPECT_EQ(fips.state, tls::FipsModuleActive() ? State::kOk : State::kWarning);
  EXPECT_THAT(fips.what, HasSubstr("SP 800-52r2"));
}

TEST_F(DoctorTest, AClockThatIsFarOffFails) {
  EXPECT_EQ(Of(DiagnoseMachine(options_, {}, absl::UnixEpoch()), "clock").state, State::kFailed);
}

TEST_F(DoctorTest, APoolWithoutAnAddressFailsAndOneSourceOnlyWarns) {
  options_.sources.resize(2);
  for (engine::SourceOptions& source : options_.sources) source.family = AF_INET;
  options_.sources[0].name = "ip1";
  options_.sources[0].address = "127.0.0.1";
  options_.sources[1].name = "ip2";
  options_.sources[1].address = "203.0.113.10";
  options_.pools.resize(1);
  options_.pools[0].name = "main";
  options_.pools[0].source_indexes = {0, 1};
  options_.delivery = engine::Delivery::kLive;
  std::vector<Diagnosis> findings = DiagnoseSources(options_, {});
  ASSERT_EQ(findings.size(), 2u);
  EXPECT_EQ(findings[0].state, State::kOk);
  EXPECT_EQ(findings[1].state, State::kWarning);
  EXPECT_EQ(VerdictOf(findings), ExitCode::kOk);
  options_.pools[0].source_indexes = {1};
  findings = DiagnoseSources(options_, {});
  EXPECT_EQ(Of(findings, "pool").state, State::kFailed);
  EXPECT_EQ(VerdictOf(findings), ExitCode::kConfig);
  const Diagnosis late = DiagnoseSources(options_, {.unavailable = {"ip1"}}).front();
  EXPECT_EQ(late.state, State::kWarning) << "the daemon does not know of it";
  EXPECT_THAT(late.next, HasSubstr("sealift reload"));
  options_.delivery = engine::Delivery::kSink;
  EXPECT_EQ(VerdictOf(DiagnoseSources(options_, {})), ExitCode::kOk) << "nothing leaves from an address";
}

TEST_F(DoctorTest, RootsThatCannotBeReadFail) {
  EXPECT_EQ(Of(DiagnoseKeys(options_), "tls").state, State::kOk);
  options_.tls.ca_file = root_ + "/none";
  EXPECT_EQ(Of(DiagnoseKeys(options_), "tls").state, State::kFailed);
}

TEST_F(DoctorTest, InSinkModeNoNameIsAskedFor) {
  options_.delivery = engine::Delivery::kSink;
  const std::vector<Diagnosis> findings = DiagnoseNames(options_);
  ASSERT_EQ(findings.size(), 1u);
  EXPECT_EQ(findings[0].state, State::kSkipped);
}

// Says `greeting` to whoever connects, once, and closes.
class Greeter {
 public:
  explicit Greeter(std::string greeting) : fd_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in here{};
    here.sin_family = AF_INET;
    here.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof here;
    EXPECT_EQ(bind(fd_, reinterpret_cast<sockaddr*>(&here), size), 0);
    EXPECT_EQ(listen(fd_, 1), 0);
    EXPECT_EQ(getsockname(fd_, reinterpret_cast<sockaddr*>(&here), &size), 0);
    address_ = "127.0.0.1:" + std::to_string(ntohs(here.sin_port));
    thread_ = std::thread([this, greeting = std::move(greeting)] {
      const int peer = accept4(fd_, nullptr, nullptr, SOCK_CLOEXEC);
      EXPECT_EQ(send(peer, greeting.data(), greeting.size(), MSG_NOSIGNAL), static_cast<ssize_t>(greeting.size()));
      close(peer);
    });
  }
  ~Greeter() {
    thread_.join();
    close(fd_);
  }
  const std::string& address() const { return address_; }

 private:
  const int fd_;
  std::string address_;
  std::thread thread_;
};

TEST_F(DoctorTest, InSinkModeTheSinkIsAsked) {
  options_.delivery = engine::Delivery::kSink;
  const auto asked = [this](const std::string& greeting) {
    const Greeter greeter(greeting);
    options_.sink.address = greeter.address();
    return Of(DiagnoseEgress(options_, ""), "sink");
  };
  EXPECT_EQ(asked("220 hello\r\n").state, State::kOk);
  EXPECT_EQ(asked("554 not you\r\n").state, State::kWarning);
  EXPECT_EQ(asked("HTTP/1.1 400\r\n").state, State::kFailed);
  EXPECT_EQ(asked("").state, State::kFailed);
  EXPECT_EQ(VerdictOf({Of(DiagnoseEgress(options_, ""), "sink")}), ExitCode::kTryLater) << "nobody listens there now";
}

TEST_F(DoctorTest, WithoutADomainNobodyIsConnectedTo) {
  options_.delivery = engine::Delivery::kLive;
  const std::vector<Diagnosis> findings = DiagnoseEgress(options_, "");
  ASSERT_EQ(findings.size(), 1u);
  EXPECT_EQ(findings[0].check, "port_25");
  EXPECT_EQ(findings[0].state, State::kSkipped);
  EXPECT_THAT(findings[0].next, HasSubstr("--reach"));
}

TEST_F(DoctorTest, TheDaemonIsReadyOrSaysWhyNot) {
  DaemonAnswer daemon{.status = {}, .version = "1.0", .ready = true, .why = {}, .pid = 7};
  EXPECT_EQ(Of(DiagnoseDaemon(daemon, "1.0"), "daemon").state, State::kOk);
  EXPECT_EQ(Of(DiagnoseDaemon(daemon, "1.0"), "version").state, State::kOk);
  EXPECT_EQ(Of(DiagnoseDaemon(daemon, "1.1"), "version").state, State::kWarning);
  daemon.ready = false;
  daemon.why = "the disk is full";
  EXPECT_THAT(Of(DiagnoseDaemon(daemon, "1.0"), "daemon").what, HasSubstr("the disk is full"));
  EXPECT_EQ(VerdictOf(DiagnoseDaemon(daemon, "1.0")), ExitCode::kTryLater);
  daemon.audit = "the audit file has no room";
  EXPECT_THAT(Of(DiagnoseDaemon(daemon, "1.0"), "audit").what, HasSubstr("no room"));
  EXPECT_EQ(VerdictOf(DiagnoseDaemon(daemon, "1.0")), ExitCode::kIo);
  daemon.status = engine::WithExit(absl::UnavailableError("nobody listens"), ExitCode::kNotRunning);
  const std::vector<Diagnosis> absent = DiagnoseDaemon(daemon, "1.0");
  ASSERT_EQ(absent.size(), 1u);
  EXPECT_EQ(absent[0].state, State::kWarning);
  EXPECT_THAT(absent[0].next, HasSubstr("systemctl start sealiftd,")) << "as the other commands call it";
  EXPECT_EQ(VerdictOf(absent), ExitCode::kOk) << "the rest can be right without it";
}

}  // namespace
}  // namespace sealift::tools
