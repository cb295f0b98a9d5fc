#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "tls/client_context.h"
#include "tls/dane.h"
#include "tls/openssl.h"
#include "tls/policy.h"
#include "tls/server_context.h"
#include "tls/session_cache.h"
#include "tls/wire.h"

namespace sealift::tls {

// What is wrong with a certificate, whether or not the policy asks for it to be right.
struct CertificateFault {
  enum class Kind : uint8_t { kName, kExpired, kNotTrusted, kOther };
  Kind kind = Kind::kOther;
  std::string_view words;  // OpenSSL's; static storage
};

// A certificate, for people. Its names and its issuer are the peer's words.
struct PeerCertificate {
  std::vector<std::string> names;  // DNS names among the alternatives
  std::string issuer;              // its common name, or organisation
  absl::Time not_after = absl::InfinitePast();
};

// Channel is one TLS connection: ciphertext in and out on one side, plaintext on the other. It never sees a socket.
//
// The caller moves bytes: it feeds what the peer sent, and after every call here (failed ones too: an alert tells the
// peer why) it sends Outgoing() and consumes it. In a session that reads like this:
//
//   while (true) {
//     absl::StatusOr<bool> done = channel->Handshake();
//     co_await Flush(channel->Outgoing());           // also when it failed
//     if (!done.ok()) co_return done.status();
//     if (*done) break;
//     channel->Feed(co_await stream->Read(buffer));
//   }
//
// Owned by:  one session, of a client or of the sink.
// Threads:   one at a time.
// Memory:    at most `kIncomingMax` fed and unread bytes; outgoing bytes grow only with what the caller writes. An idle
// channel
//            keeps no record buffers.
// Errors:    Unauthenticated: the certificate is not acceptable. Unavailable: the peer failed, refused or spoke no TLS.
//            ResourceExhausted: fed without being read. Each is one sentence for a person, with nothing in it that the
//            peer wrote. The first failure stays: every later call returns it.
class Channel {
 public:
  static constexpr size_t kIncomingMax = size_t{256} << 10;

  struct ClientOptions {
    std::string sni = {};  // the MX host's name; empty, or an address, sends none
    Policy policy = Policy::kOpportunistic;
    // With kVerify: the DNS name that the certificate must carry. With kDane: the TLSA base domain.
    std::string verify_name = {};
    std::string other_name = {};        // with kDane: another that does; empty: none
    std::vector<TlsaRecord> tlsa = {};  // with kDane: usable ones (dane.h), at least one; one of them must match
    SessionCache* sessions = nullptr;   // of this shard; null never resumes
    std::string session_key = {};       // who is at the other end: "host:port". Policy, name and trust are added here
  };

  struct Details {
    std::string version;        // "TLSv1.3"
    std::string cipher;         // "TLS_AES_256_GCM_SHA384"
    std::string verified_name;  // empty unless the certificate was verified, now or when the resumed session was made
    bool resumed = false;
    std::string server_name;  // the SNI; of a server, what its client asked for
  };

  static absl::StatusOr<std::unique_ptr<Channel>> Client(std::shared_ptr<ClientContext> context,
                                                         const ClientOptions& options);
  static absl::StatusOr<std::unique_ptr<Channel>> Server(std::shared_ptr<ServerContext> context);

  ~Channel();
  Channel(const Channel&) = delete;
  Channel& operator=(const Channel&) = delete;

  // True: done, and stays so. False: more of the peer's bytes are needed. A client's first call makes its hello.
  absl::StatusOr<bool> Handshake();

  // What the peer sent. Copied; read on until Read returns 0 before the next Feed.
  absl::Status Feed(std::span<const char> ciphertext);

  // As much plaintext as there is and fits. 0: more bytes are needed, or, where closed() says so, none will come.
  // Only after the handshake.
  absl::StatusOr<size_t> Read(std::span<char> plaintext);

  // Encrypts all of it into the outgoing bytes, in records as large as TLS allows: one call for a whole message costs
  // the least. Only after the handshake and before Shutdown.
  absl::Status Write(std::span<const char> plaintext);

  // What to send. The span stays valid until ConsumeOutgoing, whatever is written meanwhile; a later call may have
  // more.
  std::span<const char> Outgoing();
  void ConsumeOutgoing(size_t bytes);

  // Tells the peer that nothing more will be written (close_notify). Reading goes on.
  void Shutdown();

  // The peer said that it will write nothing more. A connection that ends without this was cut.
  bool closed() const { return closed_; }

  bool handshake_done() const { return handshake_done_; }

  // TLS itself has failed. Where it has not, what ended the conversation is the connection's.
  bool failed() const { return !failure_.ok(); }

  // What the peer has shown; nothing before the handshake is done, or where it showed none.
  std::optional<PeerCertificate> peer_certificate() const;

  // Of a client: what is wrong with the certificate that it was shown, in this handshake or in that of the session that
  // it resumed; under kVerify and kDane the handshake has failed for it. Nothing also where none was shown.
  std::optional<CertificateFault> certificate_fault() const;

  // What was agreed; empty before the handshake is done.
  Details details() const;

 private:
  Channel() = default;

  static int KeepSession(SSL* ssl, SSL_SESSION* session);
  friend class ClientContext;

  absl::Status Open(SSL_CTX* ctx);
  absl::Status Prepare(const ClientOptions& options);
  absl::Status PrepareDane(const ClientOptions& options);
  absl::Status Fail(int ssl_result);

  std::shared_ptr<ClientContext> client_;  // one of the two
  std::shared_ptr<ServerContext> server_;
  Wire wire_;  // before ssl_, which writes to it until it is freed
  SslPtr ssl_;
  absl::Status failure_;
  Policy policy_ = Policy::kOpportunistic;
  std::string verify_name_;
  SessionCache* sessions_ = nullptr;
  std::string session_key_;  // complete
  int sessions_kept_ = 0;
  bool handshake_done_ = false;
  bool shut_down_ = false;
  bool closed_ = false;
};

}  // namespace sealift::tls
