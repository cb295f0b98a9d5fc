#pragma once

#include <span>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "dns/answer.h"

namespace sealift::dns {

// The TXT records of a name, each joined from its strings (RFC 7208 3.3, RFC 6376 3.6.2.2).
struct TxtAnswer {
  Verdict verdict = Verdict::kBadAnswer;  // kFound, kNoData, kNxDomain, or what went wrong
  std::vector<std::string> texts;
};

// Asks for the TXT records of a name and waits for the answer: for commands, which have nothing else to do. A shard
// asks its Resolver.
//
// `servers` as Servers takes them, none for the system's. c-ares asks them in turn, `tries` times each; an answer that
// was truncated is asked for again over TCP.
// Errors: as Servers'; what the DNS answers is a verdict.
absl::StatusOr<TxtAnswer> LookUpTxt(std::span<const std::string> servers, const std::string& name,
                                    absl::Duration timeout, int tries);

}  // namespace sealift::dns
