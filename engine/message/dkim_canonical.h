#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "engine/message/dkim_key.h"

struct evp_md_ctx_st;

namespace sealift::engine {

// The two "relaxed" forms that DKIM hashes (RFC 6376 3.4.2 and 3.4.4). What comes in has CRLF line ends only; messages
// that are rendered have by construction.

// The SHA-256 of a message's body, relaxed: a run of white space is one space, none ends a line, no empty line ends the
// body.
Sha256 HashRelaxedBody(std::string_view body);

// The same of a body that comes in pieces of any size, for messages that are never held whole.
//
// Threads: one. Used once: Finish is the last call.
class RelaxedBodyHasher {
 public:
  RelaxedBodyHasher();

  void Add(std::string_view piece);
  Sha256 Finish();

 private:
  struct Free {
    void operator()(evp_md_ctx_st* context) const;
  };

  std::unique_ptr<evp_md_ctx_st, Free> context_;
  std::string relaxed_;     // not yet hashed
  uint64_t line_ends_ = 0;  // that count once something follows
  bool blank_ = false;      // white space, that counts once something follows in its line
  bool any_ = false;
};

// Appends one header field, relaxed, with its line end: the name in lower case, unfolded, a run of white space one
// space, none around the colon or at the end. `field` is "Name: value" with its folds, with or without the last CRLF.
void AppendRelaxedField(std::string_view field, std::string& out);

Sha256 HashOf(std::string_view bytes);

}  // namespace sealift::engine
