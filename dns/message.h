#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "dns/address.h"
#include "dns/answer.h"

namespace sealift::dns {

// Record types (RFC 1035 3.2.2, RFC 3596, RFC 6698), those of a question and those that its answer may hold.
inline constexpr uint16_t kTypeA = 1;
inline constexpr uint16_t kTypeCname = 5;
inline constexpr uint16_t kTypeSoa = 6;
inline constexpr uint16_t kTypeMx = 15;
inline constexpr uint16_t kTypeTxt = 16;
inline constexpr uint16_t kTypeAaaa = 28;
inline constexpr uint16_t kTypeTlsa = 52;

// One record of an answer. Names are lower case, without a trailing dot, the root empty; a byte that is none of a
// host's name (a dot or NUL within a label) stands as `\ddd`, so that no two names are written alike and HostName
// accepts none of them.
struct Record {
  std::string owner;
  uint16_t type = 0;
  absl::Duration ttl;
  uint16_t preference = 0;  // MX
  std::string target;       // MX and CNAME
  Address address;          // A and AAAA
  Tlsa tlsa;                // TLSA
  std::string text;         // TXT, joined from its strings
};

// Message is what a server answered, as far as it concerns A, AAAA, MX, TXT, TLSA and CNAME.
struct Message {
  int rcode = 0;
  bool authenticated = false;  // AD
  std::string question;
  uint16_t type = 0;
  std::vector<Record> answers;  // of the answer section, of these types
  // From the authority section's SOA: how long what is missing may be taken to be missing (RFC 2308 5). Infinite: it
  // has none.
  absl::Duration negative_ttl = absl::InfiniteDuration();
};

// Decodes a server's answer (RFC 1035 4.1). Nothing when it is no well-formed response to one question, or still
// truncated.
//
// The bytes are hostile: every length is checked, compression pointers may only point backwards and a name has its 255
// bytes, so that the work is bounded by the message's size.
std::optional<Message> DecodeMessage(std::span<const uint8_t> bytes);

}  // namespace sealift::dns
