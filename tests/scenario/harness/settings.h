#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace sealift::scenario {

// What a story's daemon is told; ToToml writes the file. Lines are TOML of the table they are named after.
struct Settings {
  std::string delivery = "live";
  std::string hostname = "mta1.sender.test";
  std::string data_dir, kek_file;
  std::string http_listen;
  std::string sink_address = "127.0.0.1:2525";
  std::string dns_server;      // "address:port"
  std::string source_address;  // of the one source, "ip1"
  int smtp_port = 2525;
  std::string top;                   // keys before the first table
  std::string node, dns, smtp, tls;  // further lines of [node], [dns], [smtp], [tls]
  std::string keys;                  // [keys], when kek_file is empty
  std::string source;                // further lines of the source
  // A stream each: its name and its further lines.
  struct Stream {
    std::string name, lines;
  };
  std::vector<Stream> streams = {{"news", "tls = \"opportunistic\""}};
  std::string tables;  // further tables

  std::string ToToml() const;
};

}  // namespace sealift::scenario
