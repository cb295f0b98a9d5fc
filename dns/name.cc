#include "dns/name.h"

#include <algorithm>

namespace sealift::dns {
namespace {

constexpr size_t kNameMax = 253;  // 255 in wire form
constexpr size_t kLabelMax = 63;

bool IsDigit(char c) { return c >= '0' && c <= '9'; }

bool IsHostCharacter(char c) { return (c >= 'a' && c <= 'z') || IsDigit(c) || c == '-' || c == '_'; }

}  // namespace

std::optional<std::string> HostName(std::string_view name) {
  if (name.ends_with('.')) name.remove_suffix(1);
  if (name.empty() || name.size() > kNameMax) return std::nullopt;
  std::string host(name);
  size_t label = 0;  // where the current one begins
  for (size_t i = 0; i <= host.size(); ++i) {
    if (i == host.size() || host[i] == '.') {
      if (i == label || i - label > kLabelMax) return std::nullopt;
      if (i < host.size()) label = i + 1;
      continue;
    }
    if (host[i] >= 'A' && host[i] <= 'Z') host[i] = static_cast<char>(host[i] - 'A' + 'a');
    if (!IsHostCharacter(host[i])) return std::nullopt;
  }
  if (std::all_of(host.begin() + static_cast<std::ptrdiff_t>(label), host.end(), IsDigit)) return std::nullopt;
  return host;
}

}  // namespace sealift::dns
