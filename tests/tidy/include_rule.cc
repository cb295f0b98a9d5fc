#include "tests/tidy/include_rule.h"

#include <fmt/format.h>
#include <re2/re2.h>

#include <array>
#include <string>

namespace sealift::tidy {
namespace {

// What the files below `folder` may include, as path prefixes; the sentence says why. The first match of `folder`
// counts.
struct Rule {
  std::string_view folder;
  std::vector<std::string_view> knows;
  std::string_view sentence;
};

const std::vector<Rule>& Rules() {
  static const std::vector<Rule> rules = {
      {"queue/", {"queue/"}, "queue is a leaf: it knows neither dns, tls, engine nor tools"},
      {"dns/", {"dns/"}, "dns is a leaf: it knows neither queue, tls, engine nor tools"},
      {"tls/", {"tls/"}, "tls is a leaf: it knows neither queue, dns, engine nor tools"},
      {"engine/runtime/", {"engine/runtime/"}, "engine/runtime is code that waits: it knows only itself"},
      {"engine/smtp/",
       {"engine/smtp/", "engine/message/", "engine/shaping/"},
       "engine/smtp is pure: it knows only smtp, message and shaping"},
      {"engine/message/",
       {"engine/smtp/", "engine/message/", "engine/shaping/"},
       "engine/message is pure: it knows only smtp, message and shaping"},
      {"engine/shaping/",
       {"engine/smtp/", "engine/message/", "engine/shaping/"},
       "engine/shaping is pure: it knows only smtp, message and shaping"},
      {"engine/", {"engine/", "queue/", "dns/", "tls/"}, "engine knows queue, dns and tls; only tools knows engine"},
      {"tools/", {"tools/", "engine/", "queue/", "dns/", "tls/"}, "what is shipped never includes tests or perf"},
      {"tests/queue/", {"tests/queue/", "queue/"}, "the tests of a leaf know that leaf alone"},
      {"tests/dns/", {"tests/dns/", "dns/"}, "the tests of a leaf know that leaf alone"},
      {"tests/tls/", {"tests/tls/", "tls/"}, "the tests of a leaf know that leaf alone"},
      {"tests/tidy/", {"tests/tidy/"}, "tests/tidy reads files: it knows none of the code"},
      {"tests/scenario/", {"tests/scenario/"}, "a scenario knows only its harness: it sees what an operator sees"},
      {"tests/", {"tests/", "tools/", "engine/", "queue/", "dns/", "tls/"}, "tests know everything but perf"},
      {"perf/", {"perf/", "tools/", "engine/", "queue/", "dns/", "tls/"}, "perf knows everything but tests"},
  };
  return rules;
}

// System headers that would break a promise of the folder.
struct SystemRule {
  std::vector<std::string_view> folders;
  std::vector<std::string_view> headers;
  std::string_view sentence;
};

const std::vector<SystemRule>& SystemRules() {
  static const std::vector<SystemRule> rules = {
      {{"queue/", "dns/", "tls/"},
       {"coroutine", "liburing.h"},
       "only engine turns what the leaves report into co_await"},
      {{"tls/"},
       {"sys/socket.h", "netinet/in.h", "poll.h", "sys/epoll.h"},
       "tls is bytes in, bytes out: it sees no socket"},
      {{"engine/smtp/", "engine/message/", "engine/shaping/"},
       {"coroutine", "liburing.h", "sys/socket.h", "poll.h", "thread", "mutex", "fstream", "rocksdb/db.h", "ares.h"},
       "smtp, message and shaping are pure: no socket, thread, file or coroutine"},
      {{"engine/", "tools/", "dns/", "tls/", "perf/"},
       {"rocksdb/db.h", "rocksdb/options.h"},
       "RocksDB is spoken to by queue alone"},
      {{"engine/", "tools/", "queue/", "tls/"}, {"ares.h"}, "c-ares is spoken to by dns alone"},
  };
  return rules;
}

const Rule* RuleOf(std::string_view path) {
  for (const Rule& rule : Rules()) {
    if (path.starts_with(rule.folder)) return &rule;
  }
  return nullptr;
}

bool StartsWithAny(std::string_view path, const std::vector<std::string_view>& prefixes) {
  for (const std::string_view prefix : prefixes) {
    if (path.starts_with(prefix)) return true;
  }
  return false;
}

}  // namespace

std::vector<Finding> CheckIncludes(const SourceFile& file, const std::function<bool(std::string_view)>& exists) {
  static const RE2 kInclude(R"re(^\s*#\s*include\s+["<]([^">]+)[">])re");
  static const RE2 kQuoted(R"re(^\s*#\s*include\s+")re");
  static const RE2 kOurs(R"re(^(dns|engine|perf|queue|tests|tls|tools)/)re");
  static const RE2 kMain(R"re(^int main\()re");

  std::vector<Finding> findings;
  const Rule* const rule = RuleOf(file.path);
  for (size_t i = 0; i < file.lines.size(); ++i) {
    const std::string where = fmt::format("{}:{}", file.path, i + 1);
    std::string name;
    if (RE2::PartialMatch(file.lines[i], kInclude, &name)) {
      const bool ours = RE2::PartialMatch(name, kOurs);
      const bool quoted = RE2::PartialMatch(file.lines[i], kQuoted);
      if (quoted && (ours ? !exists(name) : name.starts_with(".") || !name.contains('/'))) {
        findings.push_back(
            {where, fmt::format("\"{}\" is no file of ours: includes start at the repository's root", name)});
      } else if (ours && rule != nullptr && !StartsWithAny(name, rule->knows)) {
        findings.push_back(
            {where, fmt::format("it includes {}, but {} (tools -> engine -> queue, dns, tls)", name, rule->sentence)});
      }
      for (const SystemRule& system : SystemRules()) {
        if (!StartsWithAny(file.path, system.folders)) continue;
        for (const std::string_view header : system.headers) {
          if (name == header)
            findings.push_back({where, fmt::format("it includes <{}>, but {}", name, system.sentence)});
        }
      }
    } else if (RE2::PartialMatch(file.lines[i], kMain) && !StartsWithAny(file.path, {"tools/", "tests/", "perf/"})) {
      findings.push_back({where, "only tools has a main"});
    }
  }
  return findings;
}

}  // namespace sealift::tidy
