#include "tools/sink/rule_reader.h"

#include <fmt/format.h>

#include <string>
#include <string_view>
#include <utility>

namespace sealift::tools::sink {
namespace {

constexpr int64_t kRateCountMax = 10'000'000;  // each admission is remembered for its window

// The code of the last line, 0 when it has none.
int CodeOf(std::string_view bytes) {
  while (bytes.ends_with('\n') || bytes.ends_with('\r')) bytes.remove_suffix(1);
  const std::string_view line = bytes.substr(bytes.rfind('\n') + 1);
  if (line.size() < 3 || line.find_first_not_of("0123456789") < 3) return 0;
  return (line[0] - '0') * 100 + (line[1] - '0') * 10 + (line[2] - '0');
}

void ReadAction(TomlTable& table, Action* action) {
  std::string reply;
  table.Read("reply", &reply);
  table.Read("raw", &action->bytes);
  if (!reply.empty() && !action->bytes.empty()) table.FailAt("raw", "reply and raw exclude each other; keep one");
  if (!reply.empty()) {
    for (const char c : reply) action->bytes += c == '\n' ? std::string("\r\n") : std::string(1, c);
    action->bytes += "\r\n";
    if (CodeOf(action->bytes) == 0) {
      table.FailAt("reply",
                   "reply begins with a code of three digits (\"550 5.1.1 no such user\"); use raw to send anything");
    }
  }
  action->code = CodeOf(action->bytes);
  table.Read("times", &action->times, 1, 1'000'000'000);
  table.Read("pause", &action->pause);
  table.Read("drip", &action->drip);
  table.ReadEnum("then", &action->then, Then::kHang);
}

Action PlainReply(std::string_view line, Then then) {
  Action action;
  action.bytes = std::string(line) + "\r\n";
  action.code = CodeOf(line);
  action.then = then;
  return action;
}

// What a limit answers unless the script says otherwise.
Action DefaultAnswer(Limit::What what) {
  switch (what) {
    case Limit::What::kMessages:
      return PlainReply("450 4.7.1 Too many messages, slow down", Then::kContinue);
    case Limit::What::kConnects:
      return PlainReply("421 4.7.0 Connecting too often, try again later", Then::kClose);
    case Limit::What::kConnections:
      return PlainReply("421 4.7.0 Too many connections, try again later", Then::kClose);
    case Limit::What::kMessagesPerConnection:
      return PlainReply("421 4.7.0 Too many messages in this connection", Then::kClose);
  }
  return {};
}

Limit ReadLimit(TomlTable& table, const Script& script) {
  Limit limit;
  table.ReadEnum("what", &limit.what, Limit::What::kMessagesPerConnection);
  const bool timed = limit.what == Limit::What::kMessages || limit.what == Limit::What::kConnects;
  if (timed) {
    engine::Rate rate;
    table.Read("rate", &rate, kRateCountMax);
    limit.count = rate.count;
    limit.window = rate.period / script.time_scale;
  } else {
    table.Read("count", &limit.count, 1, 1'000'000'000);
  }
  if (limit.count == 0) {
    table.FailAt(
        "what", fmt::format("a limit of {} needs {}", ToString(limit.what), timed ? "rate = \"100/m\"" : "count = 20"));
  }
  table.Read("block", &limit.block);
  limit.block /= script.time_scale;
  table.Read("per_source", &limit.per_source);
  ReadAction(table, &limit.action);
  if (limit.action.bytes.empty() && limit.action.then == Then::kContinue) {
    const absl::Duration pause = limit.action.pause;
    limit.action = DefaultAnswer(limit.what);
    limit.action.pause = pause;
  }
  table.RejectUnknown();
  return limit;
}

Rule ReadRule(TomlTable& table, const Script& script) {
  Rule rule;
  if (!table.Has("at")) table.FailAt("at", "a rule says where it applies; add at = \"rcpt\" or another phase");
  table.ReadEnum("at", &rule.phase, Phase::kQuit);
  table.Read("local", &rule.local);
  table.Read("share", &rule.share, 0, 1);
  table.Read("first", &rule.first, 0, 1'000'000'000);
  if (table.Has("tls")) {
    bool tls = false;
    table.Read("tls", &tls);
    rule.tls = tls ? 1 : 0;
  }
  table.Read("from", &rule.from);
  table.Read("until", &rule.until);
  rule.from /= script.time_scale;
  rule.until /= script.time_scale;  // infinite stays so
  ReadAction(table, &rule.action);
  table.RejectUnknown();
  return rule;
}

}  // namespace

void ReadLimits(TomlTable& provider, const Script& script, std::vector<Limit>* limits) {
  const auto add = [&](Limit::What what, int64_t count, absl::Duration window) {
    if (count == 0) return;
    limits->push_back(
        {.what = what, .count = count, .window = window / script.time_scale, .action = DefaultAnswer(what)});
  };
  int64_t connections = 0, per_connection = 0;
  engine::Rate connects, messages;
  provider.Read("connections", &connections, 1, 1'000'000);
  provider.Read("messages_per_connection", &per_connection, 1, 1'000'000'000);
  provider.Read("connection_rate", &connects, kRateCountMax);
  provider.Read("message_rate", &messages, kRateCountMax);
  add(Limit::What::kConnections, connections, absl::ZeroDuration());
  add(Limit::What::kMessagesPerConnection, per_connection, absl::ZeroDuration());
  add(Limit::What::kConnects, connects.count, connects.period);
  add(Limit::What::kMessages, messages.count, messages.period);
  for (const toml::table* node : provider.Tables("limit")) {
    TomlTable table = provider.Inner(*node, "[[provider.limit]]");
    limits->push_back(ReadLimit(table, script));
  }
}

void ReadRules(TomlTable& table, const Script& script, uint64_t* next_id, Provider* provider) {
  for (const toml::table* node : table.Tables("rule")) {
    TomlTable inner = table.Inner(*node, "[[provider.rule]]");
    Rule rule = ReadRule(inner, script);
    rule.id = (*next_id)++;
    provider->rules[static_cast<int>(rule.phase)].push_back(std::move(rule));
  }
}

}  // namespace sealift::tools::sink
