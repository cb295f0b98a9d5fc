#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "engine/runtime/endpoint.h"
#include "tls/channel.h"
#include "tools/sink/socket.h"

namespace sealift::tools::sink {

// TestClient is a blocking SMTP client that a test drives word by word.
//
// Errors:  what does not come within ten seconds, or at all, reads as "".
class TestClient {
 public:
  explicit TestClient(const std::string& address, uint16_t port);

  bool connected() const { return connected_; }
  void Send(std::string_view bytes);
  // A whole reply, continuation lines included; "" when the connection ended instead.
  std::string Reply();
  std::string Ask(std::string_view line) {
    Send(line);
    return Reply();
  }
  // Whether the server closed, without a further byte. Resets count.
  bool Closed();

  // After STARTTLS got its 220. The session is kept in `sessions` and resumed from there.
  absl::Status StartTls(const std::shared_ptr<tls::ClientContext>& context, tls::SessionCache* sessions);
  tls::Channel::Details tls() const { return channel_->details(); }

  void Close() { socket_ = Socket(); }

 private:
  bool Receive();  // more into received_
  void SendRaw(std::string_view bytes);

  Socket socket_;
  bool connected_ = false;
  std::unique_ptr<tls::Channel> channel_;
  std::string received_;
};

}  // namespace sealift::tools::sink
