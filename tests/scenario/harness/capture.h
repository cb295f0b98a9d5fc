#pragma once

#include <atomic>
#include <cstdint>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

namespace sealift::scenario {

// Capture moves the test into a network namespace of its own, whose one interface is a loopback, and keeps every packet
// that crosses it: what was on the wire, whatever the programs at its ends say. Programs that are started after it run
// in that network.
//
// Threads:   one, beside its own.
// Needs:     the right to make a namespace; trouble() tells.
class Capture {
 public:
  Capture();
  ~Capture();
  Capture(const Capture&) = delete;
  Capture& operator=(const Capture&) = delete;

  // Empty, or why there is no such network.
  const std::string& trouble() const { return trouble_; }

  // Reads what is still waiting, and no more. What follows is about what was read.
  void Finish();

  // What one end of a TCP connection has sent, in its order, each byte once.
  struct Stream {
    std::string from, to;  // "ADDRESS:PORT"
    std::string bytes;
  };
  // Those to this port, by clients.
  std::vector<Stream> SentTo(uint16_t port) const;
  // Whether this stands in any packet of any kind.
  bool Saw(std::string_view text) const;
  size_t packets() const { return packets_.size(); }
  // Packets that the kernel had to drop before they were read.
  size_t lost() const { return lost_; }

 private:
  void Run();

  std::string trouble_;
  int socket_ = -1;
  std::atomic<bool> stopping_ = false;
  std::vector<std::string> packets_;  // from the IP header on
  size_t lost_ = 0;
  std::thread thread_;
};

}  // namespace sealift::scenario
