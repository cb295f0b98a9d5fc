#include "engine/tls_stream.h"

#include <utility>

namespace sealift::engine {
namespace {

constexpr size_t kIncomingBytes = size_t{16} * 1024;  // about one TLS record
// A record that is not complete yet, and what a server has to say about its keys and tickets.
constexpr size_t kTextlessMax = size_t{64} * 1024;

}  // namespace

TlsStream::TlsStream(std::unique_ptr<Stream> lower, std::unique_ptr<tls::Channel> channel)
    : lower_(std::move(lower)), channel_(std::move(channel)), incoming_(kIncomingBytes) {}

TlsStream::~TlsStream() { channel_->Shutdown(); }

Task<absl::Status> TlsStream::Flush() {
  while (!channel_->Outgoing().empty()) {
    const std::span<const char> bytes = channel_->Outgoing();
    const absl::Status written = co_await lower_->Write(bytes);
    if (!written.ok()) co_return written;
    channel_->ConsumeOutgoing(bytes.size());
  }
  co_return absl::OkStatus();
}

Task<absl::StatusOr<bool>> TlsStream::Fill() {
  const absl::StatusOr<size_t> received = co_await lower_->Read(incoming_);
  if (!received.ok()) co_return received.status();
  if (*received == 0) co_return false;
  const absl::Status fed = Feed(*received);
  if (!fed.ok()) co_return fed;
  co_return true;
}

absl::Status TlsStream::Feed(size_t received) {
  if (channel_->handshake_done()) textless_ += received;
  if (textless_ > kTextlessMax) return absl::InvalidArgumentError("the server sends TLS records with nothing to read");
  return channel_->Feed(std::span<const char>(incoming_.data(), received));
}

Task<absl::Status> TlsStream::Handshake() {
  while (true) {
    const absl::StatusOr<bool> done = channel_->Handshake();
    // An alert of ours is sent also when the handshake failed: the peer's log then says why.
    const absl::Status flushed = co_await Flush();
    if (!done.ok()) co_return done.status();
    if (!flushed.ok()) co_return flushed;
    if (*done) co_return absl::OkStatus();
    const absl::StatusOr<bool> filled = co_await Fill();
    if (!filled.ok()) co_return filled.status();
    if (!*filled) co_return absl::UnavailableError("the server closed the connection during the TLS handshake");
  }
}

Task<absl::StatusOr<size_t>> TlsStream::Read(std::span<char> into) {
  while (true) {
    const absl::StatusOr<size_t> plain = channel_->Read(into);
    if (!plain.ok() || *plain > 0) {
      textless_ = 0;
      co_return plain;
    }
    if (channel_->closed()) co_return size_t{0};
    const absl::Status flushed = co_await Flush();
    if (!flushed.ok()) co_return flushed;
    const absl::StatusOr<bool> filled = co_await Fill();
    if (!filled.ok()) co_return filled.status();
    if (!*filled) co_return size_t{0};
  }
}

absl::StatusOr<std::optional<size_t>> TlsStream::TryRead(std::span<char> into) {
  while (true) {
    const absl::StatusOr<size_t> plain = channel_->Read(into);
    if (!plain.ok()) return plain.status();
    if (*plain > 0 || channel_->closed()) {
      textless_ = 0;
      return *plain;
    }
    const absl::StatusOr<std::optional<size_t>> received = lower_->TryRead(incoming_);
    if (!received.ok() || !received->has_value() || **received == 0) return received;
    const absl::Status fed = Feed(**received);
    if (!fed.ok()) return fed;
  }
}

Task<absl::Status> TlsStream::Write(std::span<const char> bytes) {
  const absl::Status sealed = channel_->Write(bytes);
  if (!sealed.ok()) co_return sealed;
  const absl::Status flushed = co_await Flush();
  co_return flushed;
}

Task<absl::Status> TlsStream::End() {
  channel_->Shutdown();
  co_return co_await Flush();
}

void TlsStream::Close() {
  channel_->Shutdown();
  lower_->Close();
}

}  // namespace sealift::engine
