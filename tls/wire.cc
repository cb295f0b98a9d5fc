#include "tls/wire.h"

#include <openssl/bio.h>

#include <algorithm>
#include <cassert>
#include <cstring>

namespace sealift::tls {
namespace {

// An idle connection must not hold on to the memory of its largest message.
constexpr size_t kIdleBytesMax = 32 * 1024;

void Clear(std::vector<char>& bytes) {
  if (bytes.capacity() > kIdleBytesMax) {
    std::vector<char>().swap(bytes);
  } else {
    bytes.clear();
  }
}

int BioRead(BIO* bio, char* into, size_t size, size_t* read) {
  BIO_clear_retry_flags(bio);
  *read = static_cast<Wire*>(BIO_get_data(bio))->Take({into, size});
  if (*read > 0) return 1;
  BIO_set_retry_read(bio);
  return 0;
}

int BioWrite(BIO* bio, const char* bytes, size_t size, size_t* written) {
  BIO_clear_retry_flags(bio);
  *written = 0;
  if (!static_cast<Wire*>(BIO_get_data(bio))->Append({bytes, size})) return 0;
  *written = size;
  return 1;
}

// Everything else that OpenSSL may ask of a BIO (end of file, kernel TLS) is answered with no.
long BioControl(BIO* bio, int command, long, void*) {  // NOLINT(google-runtime-int): OpenSSL's signature
  switch (command) {
    case BIO_CTRL_FLUSH:
      return 1;
    case BIO_CTRL_PENDING:
      return static_cast<long>(static_cast<Wire*>(BIO_get_data(bio))->incoming());  // NOLINT(google-runtime-int)
    default:
      return 0;
  }
}

BIO_METHOD* NewMethod() {
  BIO_METHOD* method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "sealift wire");
  if (method == nullptr) return nullptr;
  BIO_meth_set_read_ex(method, BioRead);
  BIO_meth_set_write_ex(method, BioWrite);
  BIO_meth_set_ctrl(method, BioControl);
  return method;
}

}  // namespace

BIO* Wire::NewBio() {
  static BIO_METHOD* const method = NewMethod();  // lives as long as the process: OpenSSL points to it
  if (method == nullptr) return nullptr;
  BIO* bio = BIO_new(method);
  if (bio == nullptr) return nullptr;
  BIO_set_data(bio, this);
  BIO_set_init(bio, 1);
  return bio;
}

void Wire::Feed(std::span<const char> bytes) {
  if (incoming() == 0) {
    Clear(incoming_);
    taken_ = 0;
  } else if (taken_ >= incoming_.size() / 2) {
    incoming_.erase(incoming_.begin(), incoming_.begin() + static_cast<std::ptrdiff_t>(taken_));
    taken_ = 0;
  }
  incoming_.insert(incoming_.end(), bytes.begin(), bytes.end());
}

size_t Wire::Take(std::span<char> into) {
  const size_t size = std::min(into.size(), incoming());
  if (size == 0) return 0;
  std::memcpy(into.data(), incoming_.data() + taken_, size);
  taken_ += size;
  if (incoming() == 0) {
    Clear(incoming_);
    taken_ = 0;
  }
  return size;
}

bool Wire::Append(std::span<const char> bytes) {
  if (!asked_) {
    if (bytes.size() > kUnaskedMax - unasked_) return false;
    unasked_ += bytes.size();
  }
  written_.insert(written_.end(), bytes.begin(), bytes.end());
  return true;
}

std::span<const char> Wire::Outgoing() {
  if (sent_ == sending_.size()) {
    Clear(sending_);
    sent_ = 0;
    sending_.swap(written_);
  }
  return std::span<const char>(sending_).subspan(sent_);
}

void Wire::Consume(size_t bytes) {
  assert(bytes <= sending_.size() - sent_);
  sent_ += bytes;
  if (sent_ < sending_.size()) return;
  Clear(sending_);
  sent_ = 0;
  if (written_.empty()) unasked_ = 0;
}

}  // namespace sealift::tls
