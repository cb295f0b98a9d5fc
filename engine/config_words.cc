#include "engine/config_words.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#include <algorithm>
#include <array>
#include <charconv>

#include "fmt/format.h"

namespace sealift::engine {
namespace {

// The edits between two words; small words, so the plain table.
size_t Distance(std::string_view a, std::string_view b) {
  std::vector<size_t> row(b.size() + 1);
  for (size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (size_t i = 1; i <= a.size(); ++i) {
    size_t diagonal = row[0];
    row[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      const size_t above = row[j];
      row[j] = std::min({above + 1, row[j - 1] + 1, diagonal + (a[i - 1] == b[j - 1] ? 0 : 1)});
      diagonal = above;
    }
  }
  return row[b.size()];
}

bool IsHostName(std::string_view name) {
  if (name.empty() || name.size() > 253) return false;
  size_t label = 0;
  for (size_t i = 0; i < name.size(); ++i) {
    const char c = name[i];
    if (c == '.') {
      if (label == 0 || name[i - 1] == '-') return false;
      label = 0;
      continue;
    }
    const bool good = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || (c == '-' && label > 0);
    if (!good || ++label > 63) return false;
  }
  return label > 0 && name.back() != '-';
}

// Names of hosts have no underscore (RFC 952), and an address is none.
bool IsStrict(std::string_view host) {
  return host.find('_') == std::string_view::npos &&
         host.find_first_not_of("0123456789", host.rfind('.') + 1) != std::string_view::npos;
}

std::string CanonicalAddress(const std::string& text) {
  std::array<char, INET6_ADDRSTRLEN> out{};
  in6_addr six{};
  in_addr four{};
  if (inet_pton(AF_INET, text.c_str(), &four) == 1) return inet_ntop(AF_INET, &four, out.data(), out.size());
  if (inet_pton(AF_INET6, text.c_str(), &six) == 1) return inet_ntop(AF_INET6, &six, out.data(), out.size());
  return "";
}

// "192.0.2.1", "192.0.2.0/24", "2001:db8::/32"
bool IsNetwork(const std::string& text) {
  const size_t slash = text.find('/');
  const std::string address = text.substr(0, slash);
  if (CanonicalAddress(address).empty()) return false;
  if (slash == std::string::npos) return true;
  const std::string_view digits = std::string_view(text).substr(slash + 1);
  unsigned bits = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), bits);
  return error == std::errc() && end == digits.data() + digits.size() &&
         bits <= (address.find(':') == std::string::npos ? 32u : 128u);
}

bool IsPort(std::string_view text) {
  unsigned port = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
  return error == std::errc() && end == text.data() + text.size() && port <= 65'535;
}

bool IsEndpoint(std::string_view text) {
  const size_t colon = text.rfind(':');
  if (colon == std::string_view::npos || !IsPort(text.substr(colon + 1))) return false;
  std::string_view host = text.substr(0, colon);
  if (host.starts_with('[') && host.ends_with(']')) {
    host = host.substr(1, host.size() - 2);
    in6_addr six{};
    return inet_pton(AF_INET6, std::string(host).c_str(), &six) == 1;
  }
  in_addr four{};
  return inet_pton(AF_INET, std::string(host).c_str(), &four) == 1;
}

}  // namespace

std::string DidYouMean(std::string_view word, const std::vector<std::string>& known) {
  if (word.size() > 64) return "";
  const std::string* best = nullptr;
  size_t best_distance = std::max<size_t>(2, word.size() / 3) + 1;
  for (const std::string& one : known) {
    const size_t distance = Distance(word, one);
    if (distance < best_distance) {
      best_distance = distance;
      best = &one;
    }
  }
  return best == nullptr ? "" : fmt::format("; did you mean `{}`?", *best);
}

std::string CheckText(Text kind, std::string& text) {
  const auto lower = [&] {
    for (char& c : text) c = (c >= 'A' && c <= 'Z') ? static_cast<char>(c - 'A' + 'a') : c;
    if (text.ends_with('.')) text.pop_back();
  };
  switch (kind) {
    case Text::kAny:
      return "";
    case Text::kName: {
      const bool good = !text.empty() && text.size() <= 64 && std::all_of(text.begin(), text.end(), [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_' ||
               c == '.';
      });
      return good ? "" : "is not a name (letters, digits, '-', '_' and '.', at most 64)";
    }
    case Text::kHost:
      lower();
      if (text.empty() || IsHostName(text)) return "";
      return "is not a host name; write it as in \"mta1.example.com\", one beyond ASCII in its xn-- form";
    case Text::kOwnHost:
      lower();
      if (text.empty() || (IsHostName(text) && IsStrict(text))) return "";
      return "is not a name that other servers take (letters, digits, hyphens and dots; RFC 5321 2.3.5); write it as "
             "in \"mta1.example.com\", one beyond ASCII in its xn-- form";
    case Text::kHostPattern: {
      lower();
      const std::string_view rest = text.starts_with("*.") ? std::string_view(text).substr(2) : std::string_view(text);
      if (text == "*" || IsHostName(rest)) return "";
      return "is not a host name or pattern; write \"mx.example.net\", \"*.example.net\" or \"*\"";
    }
    case Text::kAddress: {
      const std::string canonical = CanonicalAddress(text);
      if (canonical.empty()) return "is not an IP address; write it as in \"203.0.113.10\" or \"2001:db8::10\"";
      text = canonical;
      return "";
    }
    case Text::kEndpoint:
      if (text.empty() || IsEndpoint(text)) return "";
      return "is not an address and port; write \"127.0.0.1:9625\" or \"[::1]:9625\"";
    case Text::kServer:
      if (IsEndpoint(text) || !CanonicalAddress(text).empty()) return "";
      return "is not an IP address with or without a port; write \"127.0.0.1\", \"127.0.0.1:5353\" or \"[::1]:5353\"";
    case Text::kProxy: {
      const size_t scheme = text.starts_with("socks5://") ? 9 : text.starts_with("haproxy://") ? 10 : 0;
      if (text.empty() || (scheme > 0 && IsEndpoint(std::string_view(text).substr(scheme)))) return "";
      return "is not a proxy; write \"socks5://127.0.0.1:1080\" or \"haproxy://127.0.0.1:2525\"";
    }
    case Text::kHostOrNetwork: {
      lower();
      const std::string_view name = text.starts_with("*.") ? std::string_view(text).substr(2) : std::string_view(text);
      if (IsNetwork(text) || text == "*" || IsHostName(name)) return "";
      return "is neither a host nor a network; write \"mx.example.net\", \"*.example.net\" or \"192.0.2.0/24\"";
    }
    case Text::kPath:
      if (text.starts_with('/') || text.empty()) return "";
      return "is not an absolute path; begin it with a slash";
  }
  return "";
}

}  // namespace sealift::engine
