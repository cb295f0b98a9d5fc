#pragma once

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "tests/dns/packet.h"
#include "tests/dns/poll_reactor.h"

namespace sealift::dns {

// A server of names on loopback, by UDP and TCP, that answers whatever the test says: any number of packets to a
// question.
class FakeServer {
 public:
  using Answer = std::function<std::vector<Bytes>(const Question&)>;

  explicit FakeServer(PollReactor& reactor);
  ~FakeServer();
  FakeServer(const FakeServer&) = delete;
  FakeServer& operator=(const FakeServer&) = delete;

  std::string address() const;  // "127.0.0.1:port"

  Answer answer;
  std::vector<Question> questions;  // as they came

 private:
  void OnDatagram();
  void OnConnection();
  void OnStream(int fd);

  PollReactor& reactor_;
  int udp_ = -1, listener_ = -1;
  int port_ = 0;
  std::map<int, Bytes> streams_;
};

}  // namespace sealift::dns
