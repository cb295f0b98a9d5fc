#pragma once

#include <vector>

#include "dns/lookup.h"
#include "engine/options.h"
#include "engine/preflight/report.h"
#include "engine/signing_keys.h"

namespace sealift::engine {

// What the world can know of the sender of a stream: whether its keys, its addresses and its names are published as
// receivers look for them. Each answers with a finding an identity or address. They block; what the DNS does not answer
// in time is a warning.

// The key of each identity that signs for the stream, and of those that stand by (dkim_publication.h).
std::vector<PreflightFinding> CheckDkim(const StreamOptions& stream, const SigningKeys& keys, dns::Lookup& lookup);

// Whether the domain of the envelope sender lets each address of the pool send (spf.h).
std::vector<PreflightFinding> CheckSpf(const Options& options, const StreamOptions& stream, dns::Lookup& lookup);

// Whether each address of the pool has a name that leads back to it, and whether EHLO says that name.
std::vector<PreflightFinding> CheckPtr(const Options& options, const StreamOptions& stream, dns::Lookup& lookup);

// Whether this machine has each address of the pool.
std::vector<PreflightFinding> CheckSources(const Options& options, const StreamOptions& stream);

// Whether the unsubscribe URL of a marketing stream answers: by HTTPS under tls.ca_file, with anything but a failure of
// the server. A redirect and a page that is not there are warned of: receivers follow none and find nobody (RFC 8058).
// It is asked with HEAD, or GET where HEAD fails: one unsubscribes by POST, so neither does. `own`: the template has a
// List-Unsubscribe, and the stream writes none.
PreflightFinding AskUnsubscribeUrl(const Options& options, const StreamOptions& stream, bool own, dns::Lookup& lookup);

}  // namespace sealift::engine
