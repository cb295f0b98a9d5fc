#include <benchmark/benchmark.h>
#include <openssl/bio.h>
#include <openssl/ssl.h>

#include <cstdlib>
#include <ctime>
#include <memory>
#include <string>
#include <utility>

#include "tls/channel.h"
#include "tls/self_signed.h"

namespace sealift::tls {
namespace {

const SelfSigned& Certificate() {
  static const SelfSigned certificate = *SelfSigned::Make({.names = {"mx1.d1.example"}});
  return certificate;
}

std::shared_ptr<ServerContext> MakeServer() {
  return ServerContext::Create({.certificate = Certificate().certificate, .key = Certificate().key}).value();
}

size_t Move(Channel& from, Channel& to) {
  const std::span<const char> outgoing = from.Outgoing();
  if (!to.Feed(outgoing).ok()) std::abort();
  const size_t size = outgoing.size();
  from.ConsumeOutgoing(size);
  return size;
}

struct Pair {
  Pair(const std::shared_ptr<ClientContext>& client_context, const std::shared_ptr<ServerContext>& server_context,
       SessionCache* sessions)
      : client(Channel::Client(client_context, {.sni = "mx1.d1.example",
                                                .policy = Policy::kRequire,
                                                .sessions = sessions,
                                                .session_key = "mx1.d1.example:25"})
                   .value()),
        server(Channel::Server(server_context).value()) {}

  void Handshake() {
    while (!*client->Handshake() || !*server->Handshake()) {
      Move(*client, *server);
      if (!server->Handshake().ok()) std::abort();
      Move(*server, *client);
    }
    // The tickets come behind the handshake.
    char none[64];
    Move(*server, *client);
    if (!client->Read(none).ok()) std::abort();
  }

  std::unique_ptr<Channel> client, server;
};

// A message of 10 KB, encrypted for the wire.
void RecordsOfAMessage(benchmark::State& state) {
  Pair pair(ClientContext::Create({}).value(), MakeServer(), nullptr);
  pair.Handshake();
  const std::string message(10 << 10, 'x');
  for (auto _ : state) {
    if (!pair.client->Write(message).ok()) std::abort();
    while (!pair.client->Outgoing().empty()) pair.client->ConsumeOutgoing(pair.client->Outgoing().size());
  }
  state.SetBytesProcessed(state.iterations() * static_cast<int64_t>(message.size()));
}
BENCHMARK(RecordsOfAMessage);

// The server's reply, decrypted: what a client does is what it takes less the server's part, RecordOfAReply.
void ReplyRead(benchmark::State& state) {
  Pair pair(ClientContext::Create({}).value(), MakeServer(), nullptr);
  pair.Handshake();
  char buffer[4096];
  for (auto _ : state) {
    if (!pair.server->Write(std::string_view("250 2.0.0 Ok: queued as 4Zx1Ab2Cd3Ef\r\n")).ok()) std::abort();
    Move(*pair.server, *pair.client);
    if (!pair.client->Read(buffer).ok()) std::abort();
  }
}
BENCHMARK(ReplyRead);

void RecordOfAReply(benchmark::State& state) {
  Pair pair(ClientContext::Create({}).value(), MakeServer(), nullptr);
  pair.Handshake();
  for (auto _ : state) {
    if (!pair.server->Write(std::string_view("250 2.0.0 Ok: queued as 4Zx1Ab2Cd3Ef\r\n")).ok()) std::abort();
    pair.server->ConsumeOutgoing(pair.server->Outgoing().size());
  }
}
BENCHMARK(RecordOfAReply);

// A new connection to a host that is known: both ends, its tickets and its end included.
void ResumedHandshake(benchmark::State& state) {
  const std::shared_ptr<ClientContext> client = ClientContext::Create({}).value();
  const std::shared_ptr<ServerContext> server = MakeServer();
  SessionCache sessions(SessionCache::Options{});
  Pair(client, server, &sessions).Handshake();
  for (auto _ : state) {
    Pair pair(client, server, &sessions);
    pair.Handshake();
    if (!pair.client->details().resumed) std::abort();
  }
}
BENCHMARK(ResumedHandshake);

// The same by OpenSSL alone, over its own memory BIOs: what it is measured by.
void ResumedHandshakeOfOpenSsl(benchmark::State& state) {
  SSL_CTX* const client_context = SSL_CTX_new(TLS_client_method());
  const std::shared_ptr<ServerContext> server_context = MakeServer();
  SSL_SESSION* session = nullptr;
  const auto connect = [&] {
    SSL* const client = SSL_new(client_context);
    SSL* const server = SSL_new(server_context->ssl_ctx());
    BIO *near = nullptr, *far = nullptr;
    BIO_new_bio_pair(&near, 0, &far, 0);
    SSL_set_bio(client, near, near);
    SSL_set_bio(server, far, far);
    SSL_set_connect_state(client);
    SSL_set_accept_state(server);
    SSL_set_verify(client, SSL_VERIFY_NONE, nullptr);
    SSL_set_tlsext_host_name(client, "mx1.d1.example");
    if (session != nullptr) SSL_set_session(client, session);
    while (SSL_do_handshake(client) != 1 || SSL_do_handshake(server) != 1) SSL_do_handshake(server);
    char none[64];
    SSL_read(client, none, sizeof(none));  // the tickets
    SSL_SESSION* const next = SSL_get1_session(client);
    if (session != nullptr) {
      if (SSL_session_reused(client) != 1) std::abort();
      SSL_SESSION_free(session);
    }
    session = next;
    // As Channel does: a session whose connection was not shut down is declared dead.
    SSL_set_shutdown(client, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
    SSL_set_shutdown(server, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
    SSL_free(client);
    SSL_free(server);
  };
  connect();
  for (auto _ : state) connect();
  SSL_SESSION_free(session);
  SSL_CTX_free(client_context);
}
BENCHMARK(ResumedHandshakeOfOpenSsl);

}  // namespace
}  // namespace sealift::tls
