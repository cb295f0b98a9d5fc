#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "tls/server_context.h"
#include "tools/sink/judge.h"
#include "tools/sink/script.h"

namespace sealift::tools::sink {

// Server is one mail host of the script as its connections see it: texts made once, and what it shares with others.
//
// Owned by:  Sink; outlives every connection.
// Threads:   any; read only, but for the Judge, which sees to itself.
struct Server {
  Server(const Script& script, uint32_t provider_index, const MxHost& mx_host, Judge& provider_judge,
         std::shared_ptr<tls::ServerContext> context);

  // Whether recipients of `domain` belong here.
  bool Serves(const std::string& domain) const;

  const Script& script;
  const Provider& provider;
  const uint32_t provider_index;
  const MxHost& host;
  Judge& judge;
  const std::shared_ptr<tls::ServerContext> tls;  // null: no STARTTLS
  const std::string greeting;                     // complete replies, CRLF included
  const std::string ehlo_clear, ehlo_tls;
};

}  // namespace sealift::tools::sink
