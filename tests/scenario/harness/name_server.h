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

  // NLnet Labs' authoritative server, with these records or with the zone of a file.
  static std::unique_ptr<NameServer> Nsd(const TempDir& dir, const std::string& address,
                                         const std::vector<std::string>& records);
  static std::unique_ptr<NameServer> NsdWith(const TempDir& dir, const std::string& address,
                                             const std::string& zone_file);
  // NLnet Labs' resolver, with the records as local data.
  static std::unique_ptr<NameServer> Unbound(const TempDir& dir, const std::string& address,
                                             const std::vector<std::string>& records);
  // The same resolver, which validates what the server at `authority` says under what `anchor_file` trusts.
  static std::unique_ptr<NameServer> Validating(const TempDir& dir, const std::string& address,
                                                const std::string& authority, const std::string& anchor_file);

  // The text of the zone, `address` being its name server.
  static std::string ZoneOf(const std::string& address, const std::vector<std::string>& records);

 private:
  NameServer(const TempDir& dir, const std::string& name, const std::vector<std::string>& argv,
             const std::string& address);
  // With further lines of its `server:` clause, and clauses.
  static std::unique_ptr<NameServer> StartUnbound(const TempDir& dir, const std::string& address,
                                                  const std::string& lines);

  Process process_;
};

}  // namespace sealift::scenario
