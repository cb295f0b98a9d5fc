// What a server may do to a client within TLS that has nothing to do with text.
#include "engine/tls_stream.h"

#include <gtest/gtest.h>
#include <openssl/bio.h>
#include <openssl/ssl.h>

#include <array>
#include <string>
#include <string_view>

#include "engine/runtime/check.h"
#include "engine/runtime/task_group.h"
#include "tests/engine/core/memory_stream.h"
#include "tests/engine/runtime/on_ring.h"
#include "tls/client_context.h"
#include "tls/self_signed.h"
#include "tls/server_context.h"

namespace sealift::engine {
namespace {

// A server that does with TLS what a test says.
class Puppet {
 public:
  explicit Puppet(std::unique_ptr<Stream> wire) : wire_(std::move(wire)) {
    const absl::StatusOr<tls::SelfSigned> made = tls::SelfSigned::Make({.names = {"mx.test"}});
    CHECK(made.ok(), "a certificate can be made");
    context_ = *tls::ServerContext::Create({.certificate = made->certificate, .key = made->key});
    ssl_.reset(SSL_new(context_->ssl_ctx()));
    SSL_set_bio(ssl_.get(), BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()));
    SSL_set_accept_state(ssl_.get());
  }

  Task<void> Handshake() {
    std::array<char, 16384> bytes{};
    while (SSL_do_handshake(ssl_.get()) != 1) {
      co_await Flush();
      const absl::StatusOr<size_t> count = co_await wire_->Read(bytes);
      if (!count.ok() || *count == 0) co_return;
      BIO_write(SSL_get_rbio(ssl_.get()), bytes.data(), static_cast<int>(*count));
    }
    co_await Flush();
  }
  // Other keys, so many times.
  Task<void> Rekey(int times) {
    for (int i = 0; i < times; ++i) {
      SSL_key_update(ssl_.get(), SSL_KEY_UPDATE_NOT_REQUESTED);
      SSL_do_handshake(ssl_.get());
    }
    co_await Flush();
  }
  Task<void> Say(std::string_view text) {
    SSL_write(ssl_.get(), text.data(), static_cast<int>(text.size()));
    co_await Flush();
  }

 private:
  Task<void> Flush() {
    char* bytes = nullptr;
    const auto size = static_cast<size_t>(BIO_get_mem_data(SSL_get_wbio(ssl_.get()), &bytes));
    const absl::Status written = co_await wire_->Write(std::span<const char>(bytes, size));
    EXPECT_TRUE(written.ok()) << written;
    (void)BIO_reset(SSL_get_wbio(ssl_.get()));
  }

  std::unique_ptr<Stream> wire_;
  std::shared_ptr<tls::ServerContext> context_;
  tls::SslPtr ssl_;
};

class TlsStreamTest : public OnRing {
 protected:
  static constexpr int kFew = 100, kFlood = 5000;  // a record of 27 bytes each

  Task<void> Connect() {
    auto [ours, theirs] = MemoryStream::Connect();
    server_ = std::make_unique<Puppet>(std::move(theirs));
    client_ = std::make_unique<TlsStream>(std::move(ours), *tls::Channel::Client(*tls::ClientContext::Create({}), {}));
    TaskGroup group(ring());
    group.Start(server_->Handshake());
    const absl::Status shaken = co_await client_->Handshake();
    EXPECT_TRUE(shaken.ok()) << shaken;
    co_await group.Join();
  }

  Task<void> ReadBetweenKeys() {
    co_await Connect();
    for (int i = 0; i < 50; ++i) {
      co_await server_->Rekey(kFew);
      const absl::StatusOr<std::optional<size_t>> nothing = client_->TryRead(buffer_);
      EXPECT_TRUE(nothing.ok() && !nothing->has_value());
      co_await server_->Say("250 ok\r\n");
      const absl::StatusOr<size_t> count = co_await client_->Read(buffer_);
      EXPECT_TRUE(count.ok()) << count.status();
    }
  }
  Task<void> ReadAFlood() {
    co_await Connect();
    co_await server_->Rekey(kFlood);
    co_await server_->Say("250 too late\r\n");
    const absl::StatusOr<size_t> count = co_await client_->Read(buffer_);
    EXPECT_TRUE(absl::IsInvalidArgument(count.status())) << count.status();
  }
  Task<void> TryAFlood() {
    co_await Connect();
    co_await server_->Rekey(kFlood);
    const absl::StatusOr<std::optional<size_t>> count = client_->TryRead(buffer_);
    EXPECT_TRUE(absl::IsInvalidArgument(count.status())) << count.status();
  }

  std::unique_ptr<Puppet> server_;
  std::unique_ptr<TlsStream> client_;
  std::array<char, 1000> buffer_{};
};

TEST_F(TlsStreamTest, KeysMayChangeBetweenTexts) { Run(ReadBetweenKeys()); }

TEST_F(TlsStreamTest, AFloodOfKeysEndsARead) { Run(ReadAFlood()); }

TEST_F(TlsStreamTest, AFloodOfKeysEndsALookAtWhatHasCome) { Run(TryAFlood()); }

}  // namespace
}  // namespace sealift::engine
