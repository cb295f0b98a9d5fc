#pragma once

#include <openssl/ossl_typ.h>

#include <cstddef>
#include <span>
#include <vector>

namespace sealift::tls {

// Wire is the two buffers between OpenSSL and whoever moves bytes: what the peer sent, and what it is to be sent.
//
// OpenSSL reads and writes it through a BIO of our own, so that a byte is copied once each way. What is being sent is
// kept apart from what is being written: a span given to the kernel stays where it is while OpenSSL writes on.
//
// Owned by:  one Channel.
// Threads:   one at a time.
// Memory:    what was fed and not taken (bounded by Channel::Feed), and what was written and not consumed; little when
// idle. Errors:    Append fails where the peer makes this side write without end.
class Wire {
 public:
  // While nobody but the peer causes writes (its handshake, key updates, our alerts), this much may wait to be sent.
  static constexpr size_t kUnaskedMax = size_t{64} << 10;

  Wire() = default;
  Wire(const Wire&) = delete;
  Wire& operator=(const Wire&) = delete;

  // A BIO that takes what was fed and appends what is outgoing. It must not outlive the Wire. Null when memory is out.
  BIO* NewBio();

  void Feed(std::span<const char> bytes);
  size_t Take(std::span<char> into);  // from what was fed; 0 when nothing is left
  size_t incoming() const { return incoming_.size() - taken_; }

  bool Append(std::span<const char> bytes);

  // The next bytes to send. The span stays valid, whatever is appended meanwhile, until Consume.
  std::span<const char> Outgoing();
  void Consume(size_t bytes);

  // Whether what is appended next is what the caller asked to have written.
  void set_asked(bool asked) { asked_ = asked; }

 private:
  std::vector<char> incoming_;  // the first `taken_` bytes are used up
  size_t taken_ = 0;
  std::vector<char> sending_;  // the first `sent_` bytes are gone
  size_t sent_ = 0;
  std::vector<char> written_;  // follows `sending_`
  bool asked_ = false;
  size_t unasked_ = 0;  // bytes of both that the caller did not ask for
};

}  // namespace sealift::tls
