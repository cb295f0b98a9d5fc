#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "engine/shaping/classification.h"

namespace sealift::engine {

// As of when the built-in rules are, these and those of the replies.
constexpr std::string_view kRulesDate = "2026-11-30";

// What a rule acts on.
enum class ResponseScope : uint8_t {
  kSource,          // the source, wherever it sends
  kSourceProvider,  // the source at the provider that said it
  kProvider,        // every source at that provider
  kPool,            // every source of the pool that sent (the stream's, unless the row left by another), there
  kStream,
  kCampaign,
  kSigners,  // the source, and every one that signs for a domain of the stream, there; built-in rules only
};
// The words of [[rule]]: "source_provider".
std::string_view ToString(ResponseScope scope);
std::optional<ResponseScope> ParseResponseScope(std::string_view text);

struct ResponseActions {
  bool defer = false, bounce = false, suppress = false;  // the row
  bool backoff = false, suspend = false, alert = false;  // the scope, once the rule is triggered
};
// False: no such action.
bool AddResponseAction(std::string_view text, ResponseActions& actions);

// A reply, as rules see it.
struct HeardReply {
  Verdict verdict;
  int code = 0;
  std::string_view enhanced;  // "4.7.28"
  std::string_view text;      // joined to one line, codes removed, addresses redacted
  std::string_view provider;
};

// ResponseRule says what follows from replies beyond their row. Whatever of its conditions is set must hold.
struct ResponseRule {
  std::string name;    // its own, or "rule.1a2b3c4d" after what it says: never its place in the file
  std::string origin;  // "/etc/sealift/sealift.toml:34", "built in, 2026-11-29"
  // What its trigger has counted is kept under this: a built-in's name; of a [[rule]] when it is met and triggered.
  std::string counted_as;

  std::string provider;               // empty: any
  std::string match;                  // a regular expression (RE2) on "421 4.7.28 text"
  std::vector<std::string> classes;   // any of these
  std::vector<std::string> enhanced;  // any of these
  std::string reply_rule;             // what gave the class, by name
  std::optional<Remedy> remedy;       //
  std::optional<About> about;         //

  ResponseScope scope = ResponseScope::kSourceProvider;
  int trigger_count = 1;  // acts on the scope when it was met so often within trigger_period
  absl::Duration trigger_period = absl::Hours(1);
  ResponseActions actions;
  double factor = 0.5;            // of a backoff
  double floor_per_second = 0.1;  // what it never goes under: six a minute, enough to hear that it is over
  absl::Duration duration = absl::Minutes(30);  // of a suspension; until a backoff is over
  std::string_view why;                         // of the built-in ones: what the reply means; static storage
  bool spares_siblings = false;                 // other sources of the pool do not take over its load at once
  bool asks_another_row = false;                // where one alone is not to be believed: see Restraints
};

// ResponseRules are the rules in force: those of the configuration in their order, then the built-in ones
// (response_rules.def). The first that is met decides alone.
//
// Owned by:  shared; immutable.
// Threads:   any.
// Errors:    Compile: InvalidArgument, with what RE2 says.
class ResponseRules {
 public:
  static absl::StatusOr<std::shared_ptr<const ResponseRules>> Compile(std::vector<ResponseRule> configured);
  ~ResponseRules();

  // Null: none is met.
  const ResponseRule* Find(const HeardReply& reply) const;

  const std::vector<ResponseRule>& rules() const { return rules_; }

 private:
  struct Patterns;
  ResponseRules();

  std::vector<ResponseRule> rules_;
  std::unique_ptr<const Patterns> patterns_;
};

}  // namespace sealift::engine
