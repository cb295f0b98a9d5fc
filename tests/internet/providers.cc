#include "tests/internet/providers.h"

#include <fmt/format.h>

namespace sealift::scenario {

const std::vector<ProviderKind>& ProviderKinds() {
  static const std::vector<ProviderKind> kinds = {
      {.name = "open", .rows = 200},
      {.name = "grey", .rows = 30, .lines = "greylist = \"3m\"", .hours = 0.05, .counts = false},
      // So slow that two connections have rows left when a third is due.
      {.name = "crowd",
       .rows = 200,
       .lines = "latency = \"5ms\"\n[[provider.limit]]\nwhat = \"connections\"\ncount = 2\n"
                "reply = \"421 4.7.0 Too many concurrent connections from your address\"\nthen = \"close\"",
       .settings = "connections = 4"},
      // Any hour has twenty: the sixty-first comes two hours after the first at the earliest.
      {.name = "hourly", .rows = 60, .lines = "message_rate = \"20/h\"", .hours = 2},
      {.name = "blocks",
       .rows = 60,
       .lines = "[[provider.limit]]\nwhat = \"messages\"\nrate = \"20/h\"\nblock = \"1h\"\n"
                "reply = \"450 4.7.1 Too many messages from your address\"",
       .hours = 2},
      {.name = "daily", .rows = 60, .lines = "message_rate = \"40/d\"", .hours = 24},
      {.name = "storm",
       .rows = 30,
       .lines = "[[provider.rule]]\nat = \"mail\"\nuntil = \"3h\"\n"
                "reply = \"421 4.7.0 Messages from your address temporarily deferred due to unexpected volume\"\n"
                "then = \"close\"",
       .hours = 3,
       .from_sink_start = true},
      {.name = "trouble",
       .rows = 30,
       .lines = "[[provider.rule]]\nat = \"mail\"\nuntil = \"3h\"\n"
                "reply = \"421 4.3.2 Service not available, closing transmission channel\"\nthen = \"close\"",
       .hours = 3,
       .from_sink_start = true,
       .counts = false},
  };
  return kinds;
}

std::vector<const ProviderKind*> TestInternet::Kinds() const {
  std::vector<const ProviderKind*> kinds;
  for (const ProviderKind& kind : ProviderKinds()) {
    if (days || kind.hours < 24) kinds.push_back(&kind);
  }
  return kinds;
}

std::string TestInternet::ProviderName(const ProviderKind& kind, int provider) {
  return fmt::format("{}-{}", kind.name, provider);
}

std::vector<std::string> TestInternet::Domains(const ProviderKind& kind, int provider) const {
  std::vector<std::string> names;
  for (int i = 1; i <= domains; ++i) names.push_back(fmt::format("d{}.{}.test", i, ProviderName(kind, provider)));
  return names;
}

}  // namespace sealift::scenario
