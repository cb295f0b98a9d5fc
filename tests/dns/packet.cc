#include "tests/dns/packet.h"

#include <arpa/inet.h>

namespace sealift::dns {
namespace {

void Put16(Bytes& bytes, size_t value) {
  bytes.push_back(static_cast<uint8_t>(value >> 8));
  bytes.push_back(static_cast<uint8_t>(value));
}

void Put32(Bytes& bytes, uint32_t value) {
  Put16(bytes, value >> 16);
  Put16(bytes, value & 0xffff);
}

void Append(Bytes& bytes, const Bytes& more) { bytes.insert(bytes.end(), more.begin(), more.end()); }

void Set16(Bytes& bytes, size_t place, uint16_t value) {
  bytes[place] = static_cast<uint8_t>(value >> 8);
  bytes[place + 1] = static_cast<uint8_t>(value);
}

Bytes AddressBytes(int family, std::string_view text) {
  Bytes bytes(family == AF_INET ? 4 : 16);
  inet_pton(family, std::string(text).c_str(), bytes.data());
  return bytes;
}

}  // namespace

Question Question::Parse(std::span<const uint8_t> bytes) {
  Question question;
  if (bytes.size() < 12) return question;
  question.id = static_cast<uint16_t>(bytes[0] << 8 | bytes[1]);
  question.flags = static_cast<uint16_t>(bytes[2] << 8 | bytes[3]);
  size_t place = 12;
  while (place < bytes.size() && bytes[place] != 0) {
    const size_t length = bytes[place++];
    if (!question.name.empty()) question.name += '.';
    for (size_t i = 0; i < length && place < bytes.size(); ++i) question.name += static_cast<char>(bytes[place++]);
  }
  if (place + 2 < bytes.size()) question.type = static_cast<uint16_t>(bytes[place + 1] << 8 | bytes[place + 2]);
  return question;
}

Packet::Packet(const Question& question) {
  Put16(bytes_, question.id);
  Put16(bytes_, 0);  // flags
  Put16(bytes_, 1);  // questions
  Put16(bytes_, 0);  // answers
  Put16(bytes_, 0);  // authorities
  Put16(bytes_, 0);  // additional
  Append(bytes_, Name(question.name));
  Put16(bytes_, question.type);
  Put16(bytes_, 1);  // IN
}

Packet& Packet::Rcode(int rcode) {
  flags_ = static_cast<uint16_t>(flags_ | rcode);
  return *this;
}

Packet& Packet::Flag(uint16_t flag) {
  flags_ |= flag;
  return *this;
}

Packet& Packet::Id(uint16_t id) {
  Set16(bytes_, 0, id);
  return *this;
}

Packet& Packet::Mx(std::string_view owner, uint16_t preference, std::string_view host, uint32_t ttl) {
  Bytes data;
  Put16(data, preference);
  Append(data, Name(host));
  return Record(owner, 15, ttl, data);
}

Packet& Packet::A(std::string_view owner, std::string_view address, uint32_t ttl) {
  return Record(owner, 1, ttl, AddressBytes(AF_INET, address));
}

Packet& Packet::Aaaa(std::string_view owner, std::string_view address, uint32_t ttl) {
  return Record(owner, 28, ttl, AddressBytes(AF_INET6, address));
}

Packet& Packet::Cname(std::string_view owner, std::string_view target, uint32_t ttl) {
  return Record(owner, 5, ttl, Name(target));
}

Packet& Packet::Tlsa(std::string_view owner, uint8_t usage, uint8_t selector, uint8_t matching, const Bytes& data,
                     uint32_t ttl) {
  Bytes whole = {usage, selector, matching};
  Append(whole, data);
  return Record(owner, 52, ttl, whole);
}

Packet& Packet::Txt(std::string_view owner, const std::vector<std::string>& strings, uint32_t ttl) {
  Bytes data;
  for (const std::string& string : strings) {
    data.push_back(static_cast<uint8_t>(string.size()));
    data.insert(data.end(), string.begin(), string.end());
  }
  return Record(owner, 16, ttl, data);
}

Packet& Packet::Record(std::string_view owner, uint16_t type, uint32_t ttl, const Bytes& data) {
  ++answers_;
  Append(bytes_, Name(owner));
  Put16(bytes_, type);
  Put16(bytes_, 1);
  Put32(bytes_, ttl);
  Put16(bytes_, data.size());
  Append(bytes_, data);
  return *this;
}

Packet& Packet::Soa(std::string_view zone, uint32_t ttl, uint32_t minimum) {
  Bytes data = Name("ns.test");
  Append(data, Name("hostmaster.test"));
  for (int i = 0; i < 4; ++i) Put32(data, 1);
  Put32(data, minimum);
  Record(zone, 6, ttl, data);
  --answers_;
  ++authorities_;
  return *this;
}

Bytes Packet::Build() const {
  Bytes built = bytes_;
  Set16(built, 2, flags_);
  Set16(built, 6, answers_);
  Set16(built, 8, authorities_);
  return built;
}

Bytes Packet::Name(std::string_view name) {
  Bytes bytes;
  while (!name.empty()) {
    const std::string_view label = name.substr(0, name.find('.'));
    bytes.push_back(static_cast<uint8_t>(label.size()));
    bytes.insert(bytes.end(), label.begin(), label.end());
    name.remove_prefix(std::min(name.size(), label.size() + 1));
  }
  bytes.push_back(0);
  return bytes;
}

}  // namespace sealift::dns
