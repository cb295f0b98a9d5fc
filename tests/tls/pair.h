#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "tls/channel.h"
#include "tls/self_signed.h"

namespace sealift::tls {

// The name that the test's servers go by.
inline constexpr char kServerName[] = "mx1.clinic.test";

// A certificate for kServerName, made once.
const SelfSigned& ServerCertificate();

// A file that is gone at the end of the test.
class TempFile {
 public:
  explicit TempFile(std::string_view content);
  ~TempFile();
  TempFile(const TempFile&) = delete;
  TempFile& operator=(const TempFile&) = delete;
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

std::shared_ptr<ServerContext> MakeServer(ServerContext::Options options = {});  // ServerCertificate() unless given
std::shared_ptr<ClientContext> MakeClient(const std::string& ca_file = "", const std::string& min_version = "1.2");

// Both ends of one connection, and the bytes between them.
struct Pair {
  Pair(std::shared_ptr<ClientContext> client_context, const Channel::ClientOptions& options,
       std::shared_ptr<ServerContext> server_context);

  // Handshakes until both are done or one failed, moving at most `step` bytes at a time.
  void Handshake(size_t step = SIZE_MAX);
  bool done() const { return client->handshake_done() && server->handshake_done(); }

  std::unique_ptr<Channel> client, server;
  absl::Status client_status, server_status;  // the first failure of each
};

// Moves what `from` has to send into `to`; at most `max` bytes. How many they were.
size_t Move(Channel& from, Channel& to, size_t max = SIZE_MAX);

// Writes at one end, moves and reads at the other.
std::string Send(Channel& from, Channel& to, std::string_view text);

// Everything that `channel` can read now.
std::string ReadAll(Channel& channel);

}  // namespace sealift::tls
