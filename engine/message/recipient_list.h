#pragma once

#include <absl/status/status.h>

#include <string_view>
#include <vector>

#include "engine/smtp/mailbox.h"

namespace sealift::engine {

// Appends the addresses of a To, Cc or Bcc field of a message that arrived finished (RFC 5322 3.4): names, comments and
// groups are passed over, and only what is a mailbox counts. `value` may be folded. A group without members, such as
// `undisclosed-recipients:;`, has none.
//
// Errors: InvalidArgument without a byte of the field: what is not closed or misplaced, or why the n-th address cannot
// be used (ParseMailbox). Source routes (RFC 5322 4.4) are refused.
absl::Status ParseRecipientList(std::string_view value, std::vector<Mailbox>& recipients);

}  // namespace sealift::engine
