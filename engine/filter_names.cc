#include "engine/filter_names.h"

#include <fmt/format.h>

#include <algorithm>
#include <string>

#include "engine/exit_code.h"
#include "engine/providers.h"

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
  return filter.provider.has_value() ? CheckProvider(*filter.provider, options) : absl::OkStatus();
}

absl::Status CheckProvider(std::string_view provider, const Options& options) {
  const std::vector<std::string_view> names = ProviderNames(options);
  if (std::ranges::find(names, provider) != names.end()) return absl::OkStatus();
  return Usage(fmt::format("there is no provider '{}'; there are: {}", provider, fmt::join(names, ", ")));
}

}  // namespace sealift::engine
