#include "engine/filter_names.h"

#include <fmt/format.h>

#include <algorithm>
#include <string>

#include "engine/exit_code.h"
#include "engine/providers.h"
#include "engine/recipient_cap.h"
#include "engine/shaping/classification.h"
#include "queue/outcome.h"

namespace sealift::engine {
namespace {

absl::Status Usage(const std::string& why) { return WithExit(absl::InvalidArgumentError(why), ExitCode::kUsage); }

}  // namespace

absl::Status CheckNames(const QueueFilter& filter, const Options& options,
                        const std::vector<queue::Campaign>& campaigns) {
  if (filter.source.has_value() && options.FindSource(*filter.source) == nullptr) {
    return Usage(fmt::format("the configuration has no source '{}'", *filter.source));
  }
  if (filter.stream.has_value() && options.FindStream(*filter.stream) == nullptr &&
      std::ranges::none_of(campaigns, [&](const queue::Campaign& of) { return of.spec.stream == *filter.stream; })) {
    return Usage(fmt::format("the configuration has no stream '{}'", *filter.stream));
  }
  if (filter.provider.has_value()) {
    if (absl::Status known = CheckProvider(*filter.provider, options); !known.ok()) return known;
  }
  return filter.reason_class.has_value() ? CheckClass(*filter.reason_class) : absl::OkStatus();
}

absl::Status CheckClass(std::string_view reason_class) {
  // What is no verdict on a reply, and has a class all the same.
  std::vector<std::string_view> names = {kRecipientCapClass, queue::kInDoubtClass, "expired", "suppressed", "operator"};
  for (int i = 0; i <= static_cast<int>(ReasonClass::kOther); ++i) {
    names.push_back(ToString(static_cast<ReasonClass>(i)));
  }
  if (std::ranges::find(names, reason_class) != names.end()) return absl::OkStatus();
  std::ranges::sort(names);
  return Usage(fmt::format("there is no class '{}'; there are: {}", reason_class, fmt::join(names, ", ")));
}

absl::Status CheckProvider(std::string_view provider, const Options& options) {
  const std::vector<std::string_view> names = ProviderNames(options);
  if (std::ranges::find(names, provider) != names.end()) return absl::OkStatus();
  return Usage(fmt::format("there is no provider '{}'; there are: {}", provider, fmt::join(names, ", ")));
}

}  // namespace sealift::engine
