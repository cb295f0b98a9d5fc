#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "engine/message/dkim_key.h"

namespace sealift::engine {

// The TXT record that publishes a key (RFC 6376 3.6).

// "s1._domainkey.example.com"
std::string DkimRecordName(std::string_view selector, std::string_view domain);

// "v=DKIM1; k=rsa; p=..."
std::string DkimRecordText(const DkimKey& key);

// A record's text as a zone file has it: character strings of at most 255 bytes (RFC 1035 3.3), to be joined by whoever
// asks.
std::vector<std::string> DkimRecordStrings(std::string_view text);

// What the DNS says of a key.
enum class DkimRecordState : uint8_t {
  kMatches,
  kDiffers,  // another key, or a record that forbids what the key is for
  kRevoked,  // an empty p=
  kUnclear,  // more than one record, or text that is none
};
std::string_view ToString(DkimRecordState state);

struct DkimRecordFinding {
  DkimRecordState state = DkimRecordState::kUnclear;
  std::string why;       // a clause: "another RSA key is published"; empty when it matches
  bool testing = false;  // t=y: receivers are asked to act as if there were no signature
};

// Compares a key with the texts of the TXT records under its name, each joined from its strings. At least one. What the
// DNS says is hostile input: none of it is in `why`.
DkimRecordFinding CompareDkimRecord(const DkimKey& key, const std::vector<std::string>& texts);

}  // namespace sealift::engine
