#pragma once

#include <cstdint>
#include <string_view>

#include "tools/sink/script.h"

namespace sealift::tools::sink {

// What MAIL says about the message to come: SIZE (RFC 1870), BODY (RFC 6152), SMTPUTF8 (RFC 6531), REQUIRETLS (RFC
// 8689), and what else a script's extensions add.
struct MailParameters {
  uint64_t size_bytes = 0;
  bool eight_bit = false;
  bool smtp_utf8 = false;
  bool require_tls = false;
  bool offered = true;  // false: one of them is none that this provider's EHLO reply offers, or has no sense
};

MailParameters ReadMailParameters(std::string_view parameters, const Provider& provider, bool in_tls);

}  // namespace sealift::tools::sink
