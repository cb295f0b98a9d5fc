#include "engine/start_parts.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <utility>

#include "engine/config_place.h"
#include "engine/source_address.h"

namespace sealift::engine {
namespace {

absl::StatusOr<std::vector<std::string>> DropUnavailableSources(Options& options) {
  std::vector<std::string> unavailable;
  if (options.delivery == Delivery::kSink) return unavailable;
  std::vector<bool> ours;
  for (const SourceOptions& source : options.sources) {
    ours.push_back(HasAddressOf(source));
    if (!ours.back()) unavailable.push_back(source.name);
  }
  for (PoolOptions& pool : options.pools) {
    std::erase_if(pool.source_indexes, [&](int i) { return !ours[static_cast<size_t>(i)]; });
    if (!pool.source_indexes.empty()) continue;
    return WithExit(
        absl::FailedPreconditionError(fmt::format(
            "{}: pool '{}' has no source whose address this machine has ({}); add the address to an interface, or "
            "correct [[source]]",
            PlaceOf(options, fmt::format("pool[{}]", pool.name)), pool.name, fmt::join(pool.sources, ", "))),
        ExitCode::kConfig);
  }
  return unavailable;
}

}  // namespace

absl::StatusOr<std::shared_ptr<tls::ClientContext>> MakeTlsContext(const Options& options) {
  absl::StatusOr<std::shared_ptr<tls::ClientContext>> tls =
      tls::ClientContext::Create({.min_version = std::string(ToString(options.tls.min_version)),
                                  .ca_file = options.tls.ca_file,
                                  .fips = options.tls.fips});
  if (!tls.ok()) return WithExit(SetAt(options, "tls.ca_file", tls.status()), ExitCode::kConfig);
  return tls;
}

absl::StatusOr<StartParts> StartParts::Of(const Options& options) {
  StartParts parts;
  auto usable = std::make_shared<Options>(options);
  absl::StatusOr<std::vector<std::string>> unavailable = DropUnavailableSources(*usable);
  if (!unavailable.ok()) return unavailable.status();
  parts.unavailable = *std::move(unavailable);
  parts.options = std::move(usable);
  absl::StatusOr<std::shared_ptr<const SigningKeys>> keys = SigningKeys::Load(options);
  if (!keys.ok()) return WithExit(keys.status(), ExitCode::kConfig);
  parts.signing_keys = *std::move(keys);
  absl::StatusOr<std::shared_ptr<tls::ClientContext>> tls = MakeTlsContext(options);
  if (!tls.ok()) return tls.status();
  parts.tls = *std::move(tls);
  return parts;
}

}  // namespace sealift::engine
