#pragma once

#include <map>
#include <string>
#include <vector>

#include "tests/scenario/harness/json.h"
#include "tests/scenario/harness/process.h"
#include "tests/scenario/harness/temp_dir.h"

namespace sealift::scenario {

// sealift-sink with a script: mail servers on port 2525 of the story's addresses, the DNS that leads to them, and a
// ledger of what arrived.
class Sink {
 public:
  static constexpr int kPort = 2525;

  // `dns` is "address:port", or empty for none. `arguments` are further ones of its command line.
  Sink(const TempDir& dir, const std::string& script, const std::string& dns,
       const std::vector<std::string>& arguments = {});

  // A line of the ledger.
  struct Arrival {
    double time = 0;  // seconds since 1970
    std::string provider, mailbox, message_id;
    bool tls = false;
    std::string source;
    std::string file;  // in the folder of --store, or "-"
  };
  std::vector<Arrival> Ledger() const;
  size_t arrivals() const;

  // The Message-IDs that arrived, by mailbox.
  std::map<std::string, std::vector<std::string>> ByMailbox() const;

  // The counters, from a signal to the running sink.
  Json Status() const;

  // Certificates of all its hosts, as roots for a client.
  const std::string& certificates_file() const { return certificates_; }

 private:
  std::string ledger_, status_, certificates_;
  Process process_;
};

}  // namespace sealift::scenario
