// What a server says: read in any pieces it is the same, it is judged in every phase, and nothing of it leaks an
// address.
#include <string>
#include <vector>

#include "engine/shaping/classification.h"
#include "engine/smtp/capabilities.h"
#include "engine/smtp/redact.h"
#include "engine/smtp/reply_parser.h"
#include "tests/fuzz/property.h"

namespace sealift::fuzz {
namespace {

using engine::Phase;
using engine::Reply;

// Every reply as it would be shown, and "error" at the end when there is one.
std::vector<std::string> Replies(const std::vector<std::string>& pieces) {
  engine::ReplyParser parser;
  std::vector<std::string> replies;
  for (const std::string& piece : pieces) {
    parser.Feed(piece);
    while (true) {
      const absl::StatusOr<const Reply*> reply = parser.Next();
      if (!reply.ok()) {
        replies.emplace_back("error");
        return replies;
      }
      if (*reply == nullptr) break;
      replies.push_back((*reply)->ToString());
    }
  }
  return replies;
}

void Judge(const Reply& reply) {
  Holds(reply.code >= 200 && reply.code <= 599, "a reply's code is one of SMTP");
  Holds(!reply.enhanced.has_value() || reply.enhanced->cls == reply.code / 100,
        "the enhanced code's class is the code's");
  for (int phase = 0; phase <= static_cast<int>(Phase::kReset); ++phase) {
    const engine::Verdict verdict = Classify(static_cast<Phase>(phase), reply);
    Holds(!verdict.rule.empty(), "a verdict says which rule gave it");
    Holds(verdict.action != engine::Action::kDeliver ||
              (reply.IsPositive() && static_cast<Phase>(phase) == Phase::kContent),
          "only 2xx to the final dot delivers");
    Holds(verdict.action != engine::Action::kBounce || reply.IsPermanent(), "only 5xx bounces");
  }
  const std::string redacted = engine::RedactReply(reply.Text(), "jane.doe@d1.test");
  Holds(redacted.size() <= engine::kRedactedBytesMax, "a redacted reply is bounded");
  Holds(redacted.find('@') == std::string::npos, "a redacted reply has no address");
  Holds(redacted.find("jane.doe") == std::string::npos, "a redacted reply does not name the recipient");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
  FuzzedDataProvider input(bytes, size);
  const size_t piece_max = input.ConsumeIntegralInRange<size_t>(1, 64);
  const std::string text = input.ConsumeRemainingBytesAsString();
  std::vector<std::string> pieces;
  for (size_t at = 0; at < text.size(); at += piece_max) pieces.push_back(text.substr(at, piece_max));
  Holds(Replies({text}) == Replies(pieces), "replies do not depend on how they arrive");

  engine::ReplyParser parser;
  parser.Feed(text);
  while (true) {
    const absl::StatusOr<const Reply*> reply = parser.Next();
    if (!reply.ok() || *reply == nullptr) break;
    Judge(**reply);
    (void)engine::Capabilities::FromEhlo(**reply);
  }
  return 0;
}

}  // namespace sealift::fuzz
