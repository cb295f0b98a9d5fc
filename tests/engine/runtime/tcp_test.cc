#include "engine/runtime/tcp.h"

#include <gmock/gmock.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "engine/runtime/deadline.h"
#include "engine/runtime/task_group.h"
#include "tests/engine/runtime/on_ring.h"

namespace sealift::engine {
namespace {

using TcpTest = OnRing;

Endpoint At(const char* text) { return *Endpoint::Parse(text); }

TcpListener ListenAt(Ring& ring, const char* text) {
  absl::StatusOr<TcpListener> listener = TcpListener::Listen(ring, At(text));
  CHECK(listener.ok(), "the tests listen on loopback");
  return *std::move(listener);
}

Task<void> EchoOne(TcpListener& listener) {
  absl::StatusOr<std::unique_ptr<TcpStream>> stream = co_await listener.Accept();
  EXPECT_TRUE(stream.ok()) << stream.status();
  char buffer[4096];
  while (true) {
    const absl::StatusOr<size_t> count = co_await (*stream)->Read(buffer);
    if (!count.ok() || *count == 0) co_return;
    const absl::Status written = co_await (*stream)->Write(std::span(buffer, *count));
    EXPECT_TRUE(written.ok()) << written;
  }
}

Task<std::string> ReadExactly(Stream& stream, size_t size) {
  std::string text(size, '\0');
  size_t have = 0;
  while (have < size) {
    const absl::StatusOr<size_t> count = co_await stream.Read(std::span(text).subspan(have));
    if (!count.ok() || *count == 0) break;
    have += *count;
  }
  text.resize(have);
  co_return text;
}

Task<void> EchoOver(Ring& ring, const char* address) {
  TcpListener listener = ListenAt(ring, address);
  TcpNetwork network(ring);
  TaskGroup group(ring);
  group.Start(EchoOne(listener));
  absl::StatusOr<std::unique_ptr<Stream>> stream = co_await network.Connect(listener.local(), std::nullopt);
  EXPECT_TRUE(stream.ok()) << stream.status();
  EXPECT_TRUE((co_await (*stream)->Write(std::string_view("220 hello"))).ok());
  EXPECT_EQ(co_await ReadExactly(**stream, 9), "220 hello");
  stream->reset();
  co_await group.Join();
}
TEST_F(TcpTest, CarriesBytesOverIpv4) { Run(EchoOver(ring(), "127.0.0.1:0")); }
TEST_F(TcpTest, CarriesBytesOverIpv6) { Run(EchoOver(ring(), "[::1]:0")); }

Task<void> FromSource(Ring& ring) {
  TcpListener listener = ListenAt(ring, "127.0.0.1:0");
  TcpNetwork network(ring);
  absl::StatusOr<std::unique_ptr<Stream>> stream = co_await network.Connect(listener.local(), At("127.0.0.42:0"));
  EXPECT_TRUE(stream.ok()) << stream.status();
  const absl::StatusOr<std::unique_ptr<TcpStream>> accepted = co_await listener.Accept();
  EXPECT_TRUE(accepted.ok());
  EXPECT_THAT((*accepted)->remote().ToString(), testing::StartsWith("127.0.0.42:"));
  EXPECT_EQ((*accepted)->local(), listener.local());
}
TEST_F(TcpTest, ConnectsFromTheGivenSource) { Run(FromSource(ring())); }

Task<void> Refused(Ring& ring) {
  Endpoint nobody;
  {
    const TcpListener listener = ListenAt(ring, "127.0.0.1:0");
    nobody = listener.local();
  }
  EXPECT_TRUE((co_await ring.Yield()).ok());  // a descriptor is closed with the requests of its turn
  TcpNetwork network(ring);
  const absl::StatusOr<std::unique_ptr<Stream>> refused = co_await network.Connect(nobody, At("127.0.0.9:0"));
  EXPECT_EQ(refused.status().code(), absl::StatusCode::kUnavailable) << refused.status();
  EXPECT_THAT(std::string(refused.status().message()), testing::HasSubstr(nobody.ToString()));
  EXPECT_THAT(std::string(refused.status().message()), testing::HasSubstr("127.0.0.9"));
  const absl::StatusOr<std::unique_ptr<Stream>> foreign = co_await network.Connect(nobody, At("192.0.2.1:0"));
  EXPECT_EQ(foreign.status().code(), absl::StatusCode::kFailedPrecondition) << foreign.status();
  EXPECT_THAT(std::string(foreign.status().message()), testing::HasSubstr("add the address"));
  const absl::StatusOr<std::unique_ptr<Stream>> mixed = co_await network.Connect(nobody, At("[::1]:0"));
  EXPECT_EQ(mixed.status().code(), absl::StatusCode::kInvalidArgument) << mixed.status();
}
TEST_F(TcpTest, AConnectionThatCannotBeSaysWhichAndWhy) { Run(Refused(ring())); }

Task<absl::Status> ConnectTo(Network& network, Endpoint to) {
  const absl::StatusOr<std::unique_ptr<Stream>> stream = co_await network.Connect(to, std::nullopt);
  co_return stream.status();
}
Task<void> SilentConnect(Ring& ring) {
  // A listener whose queue is full answers no SYN.
  const absl::StatusOr<TcpListener> listener = TcpListener::Listen(ring, At("127.0.0.1:0"), 1);
  EXPECT_TRUE(listener.ok());
  TcpNetwork network(ring);
  std::vector<std::unique_ptr<Stream>> filling;
  absl::Status status;
  for (int i = 0; i < 8 && status.ok(); ++i) {
    status = co_await WithDeadline(ring, absl::Milliseconds(20), ConnectTo(network, listener->local()));
  }
  EXPECT_EQ(status.code(), absl::StatusCode::kDeadlineExceeded) << status;
}
TEST_F(TcpTest, ADeadlineEndsAConnectThatNobodyAnswers) { Run(SilentConnect(ring())); }

struct Connection {
  std::unique_ptr<Stream> client;
  std::unique_ptr<TcpStream> server;
};
Task<Connection> Connected(Ring& ring) {
  TcpListener listener = ListenAt(ring, "127.0.0.1:0");
  TcpNetwork network(ring);
  absl::StatusOr<std::unique_ptr<Stream>> client = co_await network.Connect(listener.local(), std::nullopt);
  absl::StatusOr<std::unique_ptr<TcpStream>> server = co_await listener.Accept();
  EXPECT_TRUE(client.ok() && server.ok());
  Connection connection;
  connection.client = *std::move(client);
  connection.server = *std::move(server);
  co_return connection;
}

Task<void> WriteAll(Stream& stream, std::string_view bytes) {
  const absl::Status written = co_await stream.Write(bytes);
  EXPECT_TRUE(written.ok()) << written;
}
Task<void> LargeWrite(Ring& ring) {
  Connection connection = co_await Connected(ring);
  std::string bytes(8 << 20, '\0');
  for (size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<char>(i * 2654435761u >> 24);
  TaskGroup group(ring);
  const uint64_t before = ring.stats().completions;
  group.Start(WriteAll(*connection.client, bytes));
  EXPECT_TRUE((co_await ring.Sleep(absl::Milliseconds(2))).ok());
  EXPECT_EQ(group.size(), 1u);  // more than the socket holds: the first send was short
  EXPECT_GE(ring.stats().completions, before + 1);
  EXPECT_TRUE(co_await ReadExactly(*connection.server, bytes.size()) == bytes);
  co_await group.Join();
}
TEST_F(TcpTest, WriteCompletesWhatTheKernelTookInPieces) { Run(LargeWrite(ring())); }

Task<absl::Status> ReadSome(Stream& stream) {
  char buffer[64];
  const absl::StatusOr<size_t> count = co_await stream.Read(buffer);
  co_return count.status();
}
Task<absl::Status> WriteTo(Stream& stream, std::string_view bytes) { co_return co_await stream.Write(bytes); }
Task<void> SilentPeer(Ring& ring) {
  Connection connection = co_await Connected(ring);
  const absl::Status read = co_await WithDeadline(ring, absl::Milliseconds(5), ReadSome(*connection.client));
  EXPECT_EQ(read.code(), absl::StatusCode::kDeadlineExceeded) << read;
  // A peer that reads nothing: the write, too, ends.
  const std::string bytes(16 << 20, 'x');
  const absl::Status written = co_await WithDeadline(ring, absl::Milliseconds(20), WriteTo(*connection.client, bytes));
  EXPECT_EQ(written.code(), absl::StatusCode::kDeadlineExceeded) << written;
}
TEST_F(TcpTest, DeadlinesEndReadsAndWritesWithASilentPeer) { Run(SilentPeer(ring())); }

Task<void> StoreRead(Stream& stream, absl::Status* status) { *status = co_await ReadSome(stream); }
Task<void> CloseUnderRead(Ring& ring) {
  Connection connection = co_await Connected(ring);
  absl::Status status;
  TaskGroup group(ring);
  group.Start(StoreRead(*connection.client, &status));
  EXPECT_TRUE((co_await ring.Sleep(absl::Milliseconds(1))).ok());
  connection.client->Close();
  co_await group.Join();
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition) << status;
  EXPECT_EQ((co_await ReadSome(*connection.client)).code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ((co_await WriteTo(*connection.client, "x")).code(), absl::StatusCode::kFailedPrecondition);
  connection.client->Close();
  char buffer[8];
  const absl::StatusOr<size_t> end = co_await connection.server->Read(buffer);
  EXPECT_TRUE(end.ok() && *end == 0);
}
TEST_F(TcpTest, CloseEndsAPendingReadAndTellsThePeer) { Run(CloseUnderRead(ring())); }

Task<void> Reset(Ring& ring) {
  Connection connection = co_await Connected(ring);
  // Closing with unread bytes sends a reset.
  EXPECT_TRUE((co_await connection.client->Write(std::string_view("unread"))).ok());
  EXPECT_TRUE((co_await ring.Sleep(absl::Milliseconds(1))).ok());
  connection.server->Close();
  EXPECT_EQ((co_await ReadSome(*connection.client)).code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ((co_await WriteTo(*connection.client, "x")).code(), absl::StatusCode::kUnavailable);
}
TEST_F(TcpTest, AResetIsUnavailable) { Run(Reset(ring())); }

Task<void> AcceptInto(TcpListener& listener, absl::Status* status) {
  const absl::StatusOr<std::unique_ptr<TcpStream>> stream = co_await listener.Accept();
  *status = stream.status();
}
Task<void> CloseUnderAccept(Ring& ring) {
  TcpListener listener = ListenAt(ring, "127.0.0.1:0");
  absl::Status status;
  TaskGroup group(ring);
  group.Start(AcceptInto(listener, &status));
  EXPECT_TRUE((co_await ring.Sleep(absl::Milliseconds(1))).ok());
  listener.Close();
  co_await group.Join();
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition) << status;
}
TEST_F(TcpTest, ClosingAListenerEndsItsAccept) { Run(CloseUnderAccept(ring())); }

TEST_F(TcpTest, AListenerThatCannotBeNamesTheAddressAndTheRemedy) {
  const TcpListener first = ListenAt(ring(), "127.0.0.1:0");
  const absl::StatusOr<TcpListener> second = TcpListener::Listen(ring(), first.local());
  EXPECT_THAT(std::string(second.status().message()), testing::HasSubstr(first.local().ToString()));
  EXPECT_THAT(std::string(second.status().message()), testing::HasSubstr("another process"));
  const absl::StatusOr<TcpListener> foreign = TcpListener::Listen(ring(), At("192.0.2.1:0"));
  EXPECT_THAT(std::string(foreign.status().message()), testing::HasSubstr("not one of this machine"));
}

TEST_F(TcpTest, SeveralRingsShareAPort) {
  const absl::StatusOr<TcpListener> first = TcpListener::Listen(ring(), At("127.0.0.1:0"), 16, true);
  ASSERT_TRUE(first.ok());
  const absl::StatusOr<TcpListener> second = TcpListener::Listen(ring(), first->local(), 16, true);
  EXPECT_TRUE(second.ok()) << second.status();
}

}  // namespace
}  // namespace sealift::engine
