// A client that says exactly what a test tells it to, and hears everything.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace sealift::engine {

// One connection. Every wait ends after ten seconds, so that a broken listener fails a test instead of holding it.
class RawClient {
 public:
  static RawClient ToPort(uint16_t port);  // of 127.0.0.1
  static RawClient ToSocket(const std::string& path);
  explicit RawClient(int fd);
  RawClient(RawClient&& other) noexcept : fd_(other.fd_) { other.fd_ = -1; }
  RawClient(const RawClient&) = delete;
  ~RawClient();

  bool connected() const { return fd_ >= 0; }
  // False when the peer no longer reads.
  bool Send(std::string_view bytes);
  // Sends what fits now, without waiting; the number of bytes.
  size_t SendSome(std::string_view bytes);
  // Until the text has been heard (answers everything so far) or the peer closed.
  std::string ReadUntil(std::string_view text);
  std::string ReadAll();  // until the peer closes
  bool WaitClosed();
  void Close();

 private:
  int fd_;
  std::string heard_;
};

}  // namespace sealift::engine
