#include "engine/admin/unix_listener.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <future>
#include <memory>
#include <string>
#include <thread>

#include "tests/engine/admin/raw_client.h"

namespace sealift::engine {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::StartsWith;

class UnixListenerTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string name = (std::filesystem::temp_directory_path() / "sealift-unix-XXXXXX").string();
    ASSERT_NE(mkdtemp(name.data()), nullptr);
    folder_ = name;
    path_ = folder_ + "/control.sock";
    listener_ = std::make_unique<UnixListener>(UnixListener::Options{.path = path_});
  }
  void TearDown() override {
    listener_.reset();
    std::filesystem::remove_all(folder_);
  }
  void Start() {
    const absl::Status status = listener_->Start();
    ASSERT_TRUE(status.ok()) << std::string(status.message());
  }
  std::string Ask(const std::string& request) {
    RawClient client = RawClient::ToSocket(path_);
    client.Send(request);
    return client.ReadAll();
  }
  std::string Get(const std::string& path) { return Ask("GET " + path + " HTTP/1.1\r\nConnection: close\r\n\r\n"); }
  static std::string Post(const std::string& path, const std::string& body) {
    return "POST " + path + " HTTP/1.1\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
  }

  std::string folder_, path_;
  std::unique_ptr<UnixListener> listener_;
};

TEST_F(UnixListenerTest, RoutesCarryParametersAndTheCallersIdentity) {
  Caller caller;
  listener_->Route("GET", "/api/v1/campaigns/:name/rows/:row", [&](AdminRequest& request, AdminResponse& response) {
    caller = request.caller;
    response.body = request.Param("name") + "|" + request.Param("row") + "|" + request.Query("q") + "|" +
                    request.Query("none") + "|" + request.Header("X-Test");
  });
  Start();
  EXPECT_THAT(
      Ask("GET /api/v1/campaigns/march%202026/rows/7?q=a%26b&q=c HTTP/1.1\r\nX-Test: t\r\nConnection: close\r\n\r\n"),
      AllOf(StartsWith("HTTP/1.1 200"), HasSubstr("march 2026|7|a&b||t")));
  EXPECT_EQ(caller.uid, getuid());
  EXPECT_EQ(caller.pid, getpid());
  EXPECT_FALSE(caller.user.empty());
}

TEST_F(UnixListenerTest, UnknownPathsAndMethodsAreRefusedInJson) {
  listener_->Route("GET", "/a", [](AdminRequest&, AdminResponse&) {});
  listener_->Route("POST", "/c/:name", [](AdminRequest&, AdminResponse&) {});
  Start();
  EXPECT_THAT(Get("/b"), AllOf(StartsWith("HTTP/1.1 404"), HasSubstr("{\"error\":")));
  EXPECT_THAT(Get("/a/"), StartsWith("HTTP/1.1 404"));
  EXPECT_THAT(Get("/c/x"), StartsWith("HTTP/1.1 405"));
  EXPECT_THAT(Ask(Post("/a", "xyz")), StartsWith("HTTP/1.1 405"));
  EXPECT_THAT(Ask(Post("/c/", "")), StartsWith("HTTP/1.1 404"));
  EXPECT_THAT(Get("/" + std::string(2000, 'a')), StartsWith("HTTP/1.1 414"));
  EXPECT_THAT(Ask("nonsense\r\n\r\n"), StartsWith("HTTP/1.1 400"));
}

TEST_F(UnixListenerTest, TheSocketIsOursAloneWhateverTheUmask) {
  const mode_t before = umask(0);
  Start();
  umask(before);
  struct stat about{};
  ASSERT_EQ(lstat(path_.c_str(), &about), 0);
  EXPECT_TRUE(S_ISSOCK(about.st_mode));
  EXPECT_EQ(about.st_mode & 07777, 0600u);
  listener_->Stop();
  EXPECT_NE(lstat(path_.c_str(), &about), 0) << "a stop removes the socket";
}

TEST_F(UnixListenerTest, AStaleSocketIsReplacedAndALivingOneIsNot) {
  const int fd = ::socket(AF_UNIX, SOCK_STREAM, 0);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  path_.copy(address.sun_path, sizeof address.sun_path - 1);
  ASSERT_EQ(::bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  ::close(fd);  // as a daemon that was killed leaves it
  Start();
  UnixListener second({.path = path_});
  const absl::Status status = second.Start();
  EXPECT_THAT(std::string(status.message()), HasSubstr("another daemon answers"));
  second.Stop();
  EXPECT_TRUE(RawClient::ToSocket(path_).connected()) << "the first one's socket was taken away";
}

TEST_F(UnixListenerTest, WhatIsNotASocketIsLeftAlone) {
  std::ofstream(path_) << "precious";
  EXPECT_THAT(std::string(listener_->Start().message()), HasSubstr("not a socket"));
  EXPECT_EQ(std::filesystem::file_size(path_), 8u);
  UnixListener too_long({.path = "/tmp/" + std::string(200, 'x')});
  EXPECT_THAT(std::string(too_long.Start().message()), HasSubstr("shorter data_dir"));
}

TEST_F(UnixListenerTest, ALargeBodyStreamsAndTheSenderWaitsForTheReader) {
  constexpr size_t kBytes = 64u << 20;
  std::promise<void> go;
  std::shared_future<void> gone = go.get_future().share();
  std::atomic<size_t> largest = 0;
  listener_->Route("POST", "/load", [&](AdminRequest& request, AdminResponse& response) {
    gone.wait();
    size_t seen = 0;
    const absl::Status status = request.ReadBody([&](std::string_view piece) {
      seen += piece.size();
      largest = std::max<size_t>(largest, piece.size());
      return true;
    });
    response.body = std::to_string(seen) + (status.ok() ? " ok" : " failed");
  });
  Start();
  RawClient client = RawClient::ToSocket(path_);
  client.Send("POST /load HTTP/1.1\r\nConnection: close\r\nContent-Length: " + std::to_string(kBytes) + "\r\n\r\n");
  const std::string block(1 << 20, 'x');
  size_t sent = 0;
  // Nobody reads yet: what the sockets and one buffer hold is taken, no more.
  for (size_t n = 1; n > 0; sent += n) n = client.SendSome(block);
  EXPECT_LT(sent, 8u << 20);
  go.set_value();
  while (sent < kBytes) {
    const size_t n = std::min(block.size(), kBytes - sent);
    ASSERT_TRUE(client.Send(std::string_view(block).substr(0, n)));
    sent += n;
  }
  EXPECT_THAT(client.ReadAll(), HasSubstr(std::to_string(kBytes) + " ok"));
  EXPECT_LE(largest, 1u << 20);
}

TEST_F(UnixListenerTest, AChunkedBodyIsReadAndATruncatedOneIsAnError) {
  std::promise<absl::Status> truncated;
  listener_->Route("POST", "/load", [&](AdminRequest& request, AdminResponse& response) {
    const auto body = request.Body(100);
    response.body = body.ok() ? "got " + *body : "failed";
    if (!body.ok()) truncated.set_value(body.status());
  });
  Start();
  EXPECT_THAT(Ask("POST /load HTTP/1.1\r\nTransfer-Encoding: chunked\r\nConnection: "
                  "close\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"),
              HasSubstr("got abcde"));
  RawClient client = RawClient::ToSocket(path_);
  client.Send("POST /load HTTP/1.1\r\nContent-Length: 50\r\n\r\nabc");
  client.Close();
  EXPECT_EQ(truncated.get_future().get().code(), absl::StatusCode::kUnavailable);
}

TEST_F(UnixListenerTest, ABodyThatIsTakenWholeHasToComeInTime) {
  listener_ =
      std::make_unique<UnixListener>(UnixListener::Options{.path = path_, .body_timeout = absl::Milliseconds(50)});
  listener_->Route("POST", "/start", [](AdminRequest& request, AdminResponse& response) {
    response.status = absl::IsUnavailable(request.Body(100).status()) ? 408 : 200;
  });
  Start();
  RawClient client = RawClient::ToSocket(path_);
  ASSERT_TRUE(client.Send("POST /start HTTP/1.1\r\nContent-Length: 100\r\n\r\nx"));
  EXPECT_THAT(client.ReadUntil("\r\n\r\n"), StartsWith("HTTP/1.1 408")) << "sooner than the next byte has to come";
  EXPECT_TRUE(client.WaitClosed());
}

TEST_F(UnixListenerTest, WhoHasGoneIsKnownToHave) {
  std::promise<void> closed;
  std::promise<bool> before, after;
  listener_->Route("POST", "/start", [&](AdminRequest& request, AdminResponse&) {
    before.set_value(request.gone());
    closed.get_future().wait();
    after.set_value(request.gone());
  });
  Start();
  RawClient client = RawClient::ToSocket(path_);
  ASSERT_TRUE(client.Send("POST /start HTTP/1.1\r\nContent-Length: 0\r\n\r\n"));
  EXPECT_FALSE(before.get_future().get());
  client.Close();
  closed.set_value();
  EXPECT_TRUE(after.get_future().get());
}

TEST_F(UnixListenerTest, AnAnswerBeforeTheBodysEndArrivesAndTheConnectionGoesOn) {
  listener_->Route("POST", "/no", [](AdminRequest&, AdminResponse& response) { response.status = 409; });
  listener_->Route("POST", "/some", [](AdminRequest& request, AdminResponse& response) {
    response.status = request.Body(10).status().code() == absl::StatusCode::kResourceExhausted ? 413 : 200;
  });
  Start();
  RawClient client = RawClient::ToSocket(path_);
  const std::string body(3 << 20, 'x');
  ASSERT_TRUE(client.Send(Post("/no", body)));
  EXPECT_THAT(client.ReadUntil("\r\n\r\n"), StartsWith("HTTP/1.1 409"));
  ASSERT_TRUE(client.Send(Post("/some", body)));
  EXPECT_THAT(client.ReadUntil("HTTP/1.1 413"), HasSubstr("HTTP/1.1 413"));
}

TEST_F(UnixListenerTest, AStreamedAnswerArrivesAsItIsWritten) {
  std::promise<void> more;
  std::promise<bool> gone;
  listener_->Route("GET", "/events", [&](AdminRequest&, AdminResponse& response) {
    response.content_type = "application/x-ndjson";
    response.stream = [&](AdminWriter& out) {
      out.Write("");  // ends nothing
      out.Write("{\"n\":1}\n");
      more.get_future().wait();
      out.Write("{\"n\":2}\n");
      while (!out.ended()) std::this_thread::yield();
      gone.set_value(out.Write(std::string(10 << 20, 'x')));
    };
  });
  Start();
  RawClient client = RawClient::ToSocket(path_);
  client.Send("GET /events HTTP/1.1\r\n\r\n");
  EXPECT_THAT(client.ReadUntil("{\"n\":1}"), AllOf(StartsWith("HTTP/1.1 200"), HasSubstr("chunked")));
  more.set_value();
  EXPECT_THAT(client.ReadUntil("{\"n\":2}"), HasSubstr("{\"n\":2}"));
  client.Close();
  EXPECT_FALSE(gone.get_future().get()) << "a peer that went away is noticed";
}

TEST_F(UnixListenerTest, StoppingEndsAStreamedAnswer) {
  std::promise<void> begun;
  listener_->Route("GET", "/events", [&](AdminRequest&, AdminResponse& response) {
    response.stream = [&](AdminWriter& out) {
      out.Write("x");
      begun.set_value();
      while (!out.ended()) std::this_thread::yield();
    };
  });
  Start();
  RawClient client = RawClient::ToSocket(path_);
  client.Send("GET /events HTTP/1.1\r\n\r\n");
  begun.get_future().wait();
  listener_->Stop();
  EXPECT_TRUE(client.WaitClosed());
}

TEST_F(UnixListenerTest, AnAnswerThatThrowsSaysNothingOfWhatItThrew) {
  listener_->Route("GET", "/throw", [](AdminRequest&, AdminResponse&) { throw std::runtime_error("pat@d1.test"); });
  Start();
  const std::string answer = Get("/throw");
  EXPECT_THAT(answer, StartsWith("HTTP/1.1 500"));
  EXPECT_THAT(answer, testing::Not(HasSubstr("d1.test")));
}

}  // namespace
}  // namespace sealift::engine
