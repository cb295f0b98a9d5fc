#include "tests/scenario/harness/settings.h"

#include <fmt/format.h>

namespace sealift::scenario {

std::string Settings::ToToml() const {
  std::string text = fmt::format("delivery = \"{}\"\n{}\n", delivery, top);
  text += fmt::format("[node]\nhostname = \"{}\"\ndata_dir = \"{}\"\n{}\n", hostname, data_dir, node);
  text += fmt::format("[http]\nlisten = \"{}\"\n[sink]\naddress = \"{}\"\n", http_listen, sink_address);
  text += fmt::format("[dns]\nallow_private_addresses = true\n{}\n", dns);
  if (!dns_server.empty()) text += fmt::format("servers = [\"{}\"]\n", dns_server);
  text += fmt::format("[smtp]\nport = {}\n{}\n[tls]\n{}\n", smtp_port, smtp, tls);
  text += "[keys]\n";
  text += kek_file.empty() ? keys + "\n" : fmt::format("kek_file = \"{}\"\naccept_local_kek = true\n", kek_file);
  text += fmt::format("[[source]]\nname = \"ip1\"\naddress = \"{}\"\n{}\n", source_address, source);
  text += "[[pool]]\nname = \"main\"\nsources = [\"ip1\"]\n";
  for (const Stream& stream : streams) {
    text += fmt::format("[[stream]]\nname = \"{}\"\npool = \"main\"\n{}\n", stream.name, stream.lines);
  }
  return text + tables;
}

}  // namespace sealift::scenario
