#include "tools/sealift/demo/demo_summary.h"

#include <fmt/format.h>

namespace sealift::tools {
namespace {

using nlohmann::json;

uint64_t Count(const DemoEnding& ending, const char* member) { return ending.campaign.value(member, uint64_t{0}); }

}  // namespace

std::string Thousands(uint64_t number) {
  std::string text = std::to_string(number);
  for (size_t at = text.size(); at > 3; at -= 3) text.insert(at - 3, ",");
  return text;
}

std::vector<std::string> WhatIsWrong(const DemoEnding& ending) {
  std::vector<std::string> wrong;
  const auto check = [&wrong](bool holds, std::string sentence) {
    if (!holds) wrong.push_back(std::move(sentence));
  };
  const SinkReport& sink = ending.sink;
  const uint64_t loaded = Count(ending, "loaded"), delivered = Count(ending, "delivered");
  const uint64_t settled = delivered + Count(ending, "bounced") + Count(ending, "expired") +
                           Count(ending, "suppressed") + Count(ending, "cancelled");
  check(loaded == ending.recipients,
        fmt::format("{} rows were in the file and {} were accepted", ending.recipients, loaded));
  check(loaded == settled + ending.in_queue,
        fmt::format("{} settled rows and {} in the queue do not add up to {}", settled, ending.in_queue, loaded));
  check(sink.distinct == delivered,
        fmt::format("the daemon says {} delivered, the sink received {}", delivered, sink.distinct));
  check(sink.messages == sink.distinct,
        fmt::format("the sink received {} messages a second time", sink.messages - sink.distinct));
  check(sink.in_clear == 0, fmt::format("{} messages were offered without TLS", sink.in_clear));
  check(sink.faults == 0, fmt::format("the sink counted {} breaches of SMTP", sink.faults));
  check(ending.settled, "rows that should have gone out were still waiting when the time was up");
  return wrong;
}

std::string SummaryText(const DemoEnding& ending, const std::vector<std::string>& wrong) {
  std::string text = "\nWhat became of them\n";
  const auto line = [&text](const char* label, uint64_t number, const char* explained) {
    text += fmt::format("  {:<11}{:>9}   {}", label, Thousands(number), explained);
    text.erase(text.find_last_not_of(' ') + 1);
    text += "\n";
  };
  line("delivered", Count(ending, "delivered"), "accepted by the receiving server, over TLS");
  line("deferred", Count(ending, "deferred"),
       "the receiver said \"later\" (full mailboxes at d55.test); tried again until it works or expires");
  line("bounced", Count(ending, "bounced"), "the receiver said \"never\": no such user");
  line("held", Count(ending, "held"), "d56.test offers no TLS and this stream requires it: kept, never sent in clear");
  const uint64_t others = Count(ending, "expired") + Count(ending, "suppressed") + Count(ending, "cancelled");
  if (others > 0) line("others", others, "expired, suppressed or cancelled");
  text += "             ---------\n";
  line("loaded", Count(ending, "loaded"), wrong.empty() ? "every one accounted for" : "");
  text +=
      fmt::format("\n  {} messages a second until nine in ten were delivered: each over TLS, each outcome on disk.\n",
                  Thousands(static_cast<uint64_t>(ending.per_second)));
  text += fmt::format(
      "  The sink counted for itself: {} messages, {} in clear, {} breaches of SMTP, over {} connections.\n",
      Thousands(ending.sink.messages), ending.sink.in_clear, ending.sink.faults, Thousands(ending.sink.connections));
  for (const std::string& sentence : wrong) text += "  WRONG: " + sentence + ".\n";
  return text;
}

json SummaryJson(const DemoEnding& ending, const std::vector<std::string>& wrong) {
  json answer = ending.campaign;
  answer["messages_per_second"] = ending.per_second;
  answer["in_queue"] = ending.in_queue;
  answer["sink"] = {{"messages", ending.sink.messages},       {"distinct", ending.sink.distinct},
                    {"in_clear", ending.sink.in_clear},       {"faults", ending.sink.faults},
                    {"connections", ending.sink.connections}, {"tls_handshakes", ending.sink.tls_handshakes},
                    {"tls_resumed", ending.sink.tls_resumed}, {"over_limits", ending.sink.over_limits}};
  answer["conserved"] = wrong.empty();
  answer["wrong"] = wrong;
  return answer;
}

}  // namespace sealift::tools
