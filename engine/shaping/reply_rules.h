#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "engine/shaping/classification.h"

namespace sealift::engine {

// One line of knowledge about what servers say: a phrase of it in a reply means a class, and whom the reply is about.
struct ReplyRule {
  std::string_view name;
  ReasonClass reason_class;
  About about;
  std::span<const std::string_view> phrases;  // as Plain writes them; with a space at an end that must be a word's
  bool vague = false;                         // an enhanced code says more, when there is one
};

// A reply's text in the form that phrases are written in: lower case, addresses taken out (a local part may be "spam"
// or "blocked"), everything but letters and digits a single space, one at either end.
std::string Plain(std::string_view text);

// The first rule one of whose phrases is in `plain`; nullptr when none is. What is about the sender comes first in the
// table. `recipient_known`: the server has heard the recipient; before, no rule about the recipient or the content
// applies.
const ReplyRule* FindRule(std::string_view plain, bool recipient_known);

// What an enhanced code says by itself: RFC 3463 and its registry; nullptr when that is too little.
const ReplyRule* FindRule(const EnhancedCode& code, bool recipient_known);

}  // namespace sealift::engine
