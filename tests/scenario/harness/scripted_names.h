#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "tests/scenario/harness/process.h"
#include "tests/scenario/harness/temp_dir.h"

namespace sealift::scenario {

// A name server that answers whatever the story says, right or wrong; name_server.h has those that know better. What it
// was not told of does not exist.
class ScriptedNames {
 public:
  static constexpr int kPort = 5353;

  struct Record {
    std::string owner;  // "\0" in a name is a byte of its label
    std::string type;   // "A", "MX" or "CNAME"
    std::string value;  // "192.0.2.1", "10 mx.test" or "other.test"
    uint32_t ttl = 60;
  };
  // One datagram, or one message over TCP. What is too large for a datagram is truncated there, as the standard says.
  struct Packet {
    int code = 0;
    std::vector<Record> records = {};
    bool truncated = false;  // over TCP too
    bool wrong_id = false;   // another one than the question's
  };
  // What a question for this name and type gets. Several of one name and type are for the first question, the second,
  // and so on; the last stays.
  struct Reply {
    std::string name, type;
    std::vector<Packet> packets;
  };

  ScriptedNames(const TempDir& dir, const std::string& address, const std::vector<Reply>& replies);

  // How often this was asked, over "udp" or "tcp".
  size_t Asked(std::string_view transport, std::string_view name, std::string_view type) const;

 private:
  Process process_;
};

}  // namespace sealift::scenario
