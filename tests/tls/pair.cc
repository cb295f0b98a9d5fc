#include "tests/tls/pair.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <utility>

namespace sealift::tls {

const SelfSigned& ServerCertificate() {
  static const SelfSigned certificate = *SelfSigned::Make({.names = {kServerName}});
  return certificate;
}

TempFile::TempFile(std::string_view content) : path_(testing::TempDir() + "sealift_tls_XXXXXX") {
  const int fd = mkstemp(path_.data());
  EXPECT_GE(fd, 0);
  EXPECT_EQ(write(fd, content.data(), content.size()), static_cast<ssize_t>(content.size()));
  close(fd);
}

TempFile::~TempFile() { unlink(path_.c_str()); }

std::shared_ptr<ServerContext> MakeServer(ServerContext::Options options) {
  if (options.certificate.empty()) {
    options.certificate = ServerCertificate().certificate;
    options.key = ServerCertificate().key;
  }
  return ServerContext::Create(options).value();
}

std::shared_ptr<ClientContext> MakeClient(const std::string& ca_file, const std::string& min_version) {
  return ClientContext::Create({.min_version = min_version, .ca_file = ca_file}).value();
}

Pair::Pair(std::shared_ptr<ClientContext> client_context, const Channel::ClientOptions& options,
           std::shared_ptr<ServerContext> server_context)
    : client(Channel::Client(std::move(client_context), options).value()),
      server(Channel::Server(std::move(server_context)).value()) {}

void Pair::Handshake(size_t step) {
  for (bool moved = true; moved && !done();) {
    if (client_status.ok()) client_status = client->Handshake().status();
    moved = Move(*client, *server, step) > 0;
    if (server_status.ok()) server_status = server->Handshake().status();
    moved |= Move(*server, *client, step) > 0;
  }
}

size_t Move(Channel& from, Channel& to, size_t max) {
  const std::span<const char> outgoing = from.Outgoing();
  const std::span<const char> moved = outgoing.first(std::min(max, outgoing.size()));
  (void)to.Feed(moved);
  from.ConsumeOutgoing(moved.size());
  return moved.size();
}

std::string ReadAll(Channel& channel) {
  std::string text;
  char buffer[4096];
  while (true) {
    const absl::StatusOr<size_t> size = channel.Read(buffer);
    if (!size.ok() || *size == 0) return text;
    text.append(buffer, *size);
  }
}

std::string Send(Channel& from, Channel& to, std::string_view text) {
  EXPECT_TRUE(from.Write(text).ok());
  std::string read;
  while (Move(from, to, Channel::kIncomingMax / 2) > 0) read += ReadAll(to);
  return read;
}

}  // namespace sealift::tls
