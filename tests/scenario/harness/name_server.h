#pragma once

#include <memory>
#include <string>
#include <vector>

#include "tests/scenario/harness/process.h"
#include "tests/scenario/harness/temp_dir.h"

namespace sealift::scenario {

// A real DNS server with the zone `test.`, answering on one loopback address, port 5353. The records are lines of a
// zone file with full names: "d1.test. 60 IN MX 10 mx1.test.".
class NameServer {
 public:
  static constexpr int kPort = 5353;

  // NLnet Labs' authoritative server.
  static std::unique_ptr<NameServer> Nsd(const TempDir& dir, const std::string& address,
                                         const std::vector<std::string>& records);
  // NLnet Labs' resolver, with the records as local data.
  static std::unique_ptr<NameServer> Unbound(const TempDir& dir, const std::string& address,
                                             const std::vector<std::string>& records);

 private:
  NameServer(const TempDir& dir, const std::string& name, const std::vector<std::string>& argv,
             const std::string& address);

  Process process_;
};

}  // namespace sealift::scenario
