#pragma once

#include <map>
#include <string>
#include <vector>

#include "tests/scenario/harness/temp_dir.h"

namespace sealift::scenario {

// What other people's software says of DKIM signatures: opendkim, python3-dkim and Mail::DKIM, as Debian has them, each
// in one run over all messages. They take the keys from a file instead of the DNS.
//
// `keys` are record texts by name ("s1._domainkey.d1.test"), `messages` whole messages with CRLF. Each answers, by
// message, what became of its signatures in their order: "pass", or the verifier's word for why not.
using Verdicts = std::vector<std::vector<std::string>>;

Verdicts VerifyWithOpenDkim(const TempDir& dir, const std::map<std::string, std::string>& keys,
                            const std::vector<std::string>& messages);
Verdicts VerifyWithDkimPy(const TempDir& dir, const std::map<std::string, std::string>& keys,
                          const std::vector<std::string>& messages);
// Debian 12's knows no Ed25519: such a signature is "invalid" to it, as RFC 6376 6.1.1 has an unknown algorithm. What
// it can be asked for is what it says of the example of RFC 8463.
Verdicts VerifyWithMailDkim(const TempDir& dir, const std::map<std::string, std::string>& keys,
                            const std::vector<std::string>& messages);

// The example of RFC 8463 A.3, which nobody here has made: a good Ed25519 signature above a good RSA one, and its keys.
struct SignedExample {
  std::string message;
  std::map<std::string, std::string> keys;
};
SignedExample Rfc8463Example();

// The DKIM-Signature fields in front of a message, one each, with their line ends.
std::vector<std::string> SignaturesOf(const std::string& message);

}  // namespace sealift::scenario
