#pragma once

#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "engine/options.h"
#include "engine/smtp/mailbox.h"

namespace sealift::engine {

// node.test_recipients: whom a test may mail. A real message to somebody who did not agree to it is what a campaign's
// own checks are there to prevent, so the list names people and domains of one's own, and nothing is on it by default.

// An entry in the form that is compared: the local part in lower case, the domain as an A-label. InvalidArgument says
// what is wrong with it.
absl::StatusOr<std::string> TestRecipientForm(std::string_view entry);

bool IsTestRecipient(const NodeOptions& node, const Mailbox& mailbox);

}  // namespace sealift::engine
