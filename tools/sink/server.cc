#include "tools/sink/server.h"

#include <fmt/format.h>

#include <vector>

namespace sealift::tools::sink {
namespace {

std::string EhloReply(const Provider& provider, const MxHost& host, bool in_tls) {
  std::vector<std::string> lines = {host.name};
  if (provider.pipelining) lines.emplace_back("PIPELINING");
  lines.push_back(fmt::format("SIZE {}", provider.size_bytes));
  if (!in_tls && provider.tls != TlsMode::kOff) lines.emplace_back("STARTTLS");
  if (provider.chunking) lines.emplace_back("CHUNKING");
  if (provider.eight_bit) lines.emplace_back("8BITMIME");
  lines.emplace_back("ENHANCEDSTATUSCODES");
  if (provider.requiretls && in_tls) lines.emplace_back("REQUIRETLS");  // RFC 8689 2: never in clear
  lines.insert(lines.end(), provider.extensions.begin(), provider.extensions.end());
  std::string reply;
  for (size_t i = 0; i < lines.size(); ++i)
    reply += fmt::format("250{}{}\r\n", i + 1 < lines.size() ? '-' : ' ', lines[i]);
  return reply;
}

}  // namespace

Server::Server(const Script& the_script, uint32_t index, const MxHost& mx_host, Judge& provider_judge,
               std::shared_ptr<tls::ServerContext> context)
    : script(the_script),
      provider(the_script.providers[index]),
      provider_index(index),
      host(mx_host),
      judge(provider_judge),
      tls(std::move(context)),
      greeting(fmt::format("220 {} ESMTP sealift-sink\r\n", mx_host.name)),
      ehlo_clear(EhloReply(provider, mx_host, false)),
      ehlo_tls(EhloReply(provider, mx_host, true)) {}

bool Server::Serves(const std::string& domain) const {
  if (provider.catch_all) return true;
  const auto found = script.domains.find(domain);
  return found != script.domains.end() && found->second == provider_index;
}

}  // namespace sealift::tools::sink
