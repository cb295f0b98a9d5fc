#pragma once

#include <string>

#include "dns/lookup.h"
#include "engine/message/dkim_key.h"

namespace sealift::engine {

// What the DNS publishes of a DKIM key: a state in one word, and a clause that says why it is not good.
struct DkimPublication {
  std::string state;  // matches, differs, revoked, unclear, missing, dns_failed
  std::string why;    // empty when it matches; with t=y it says what that asks of receivers
};

// Asks for the record of this key under `name` (DkimRecordName) and compares it.
DkimPublication AskDkimPublication(dns::Lookup& lookup, const DkimKey& key, const std::string& name);

}  // namespace sealift::engine
