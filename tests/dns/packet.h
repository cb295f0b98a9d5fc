#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace sealift::dns {

using Bytes = std::vector<uint8_t>;

// A question as a server receives it.
struct Question {
  uint16_t id = 0;
  uint16_t flags = 0;
  std::string name;
  uint16_t type = 0;
  bool over_tcp = false;

  static Question Parse(std::span<const uint8_t> bytes);
};

// Builds an answer, right or wrong. Names are written without compression; "" is the root.
class Packet {
 public:
  explicit Packet(const Question& question);  // with the question repeated

  Packet& Rcode(int rcode);
  Packet& Flag(uint16_t flag);  // sets a bit of the header's flags
  Packet& Id(uint16_t id);

  Packet& Mx(std::string_view owner, uint16_t preference, std::string_view host, uint32_t ttl = 300);
  Packet& A(std::string_view owner, std::string_view address, uint32_t ttl = 300);
  Packet& Aaaa(std::string_view owner, std::string_view address, uint32_t ttl = 300);
  Packet& Cname(std::string_view owner, std::string_view target, uint32_t ttl = 300);
  Packet& Tlsa(std::string_view owner, uint8_t usage, uint8_t selector, uint8_t matching, const Bytes& data,
               uint32_t ttl = 300);
  Packet& Txt(std::string_view owner, const std::vector<std::string>& strings, uint32_t ttl = 300);
  Packet& Record(std::string_view owner, uint16_t type, uint32_t ttl, const Bytes& data);
  Packet& Soa(std::string_view zone, uint32_t ttl, uint32_t minimum);  // into the authority section: last

  Bytes Build() const;

  static Bytes Name(std::string_view name);

 private:
  Bytes bytes_;
  uint16_t flags_ = 0x8180;  // an answer of a recursive server
  uint16_t answers_ = 0, authorities_ = 0;
};

inline constexpr uint16_t kTruncated = 0x0200;
inline constexpr uint16_t kAuthenticated = 0x0020;

}  // namespace sealift::dns
