#pragma once

#include <string>

namespace sealift::scenario {

// A /24 of 127.0.0.0/8 that no other running test has, so that servers of tests that run side by side can use the same
// ports. It is held by an abstract Unix socket, which the kernel gives back however the test ends.
class Loopback {
 public:
  Loopback();
  ~Loopback();
  Loopback(const Loopback&) = delete;
  Loopback& operator=(const Loopback&) = delete;

  // The address with this last number, 1 to 254.
  std::string Address(int last) const;

  // "ADDRESS:PORT".
  std::string Address(int last, int port) const;

 private:
  int holder_ = -1;
  std::string prefix_;  // "127.120.7."
};

// Whether something accepts connections there.
bool Accepts(const std::string& address, int port);

}  // namespace sealift::scenario
