// What a token of List-Unsubscribe asks for; the rest of Suppressions is in suppressions.cc.
#include <fmt/format.h>

#include <utility>

#include "engine/exit_code.h"
#include "engine/suppressions.h"

namespace sealift::engine {

absl::StatusOr<Suppressions::Unsubscribed> Suppressions::Unsubscribe(std::string_view token, const Given& given) {
  if (absl::Status fits = CheckSuppressionReason(given.reason); !fits.ok()) return fits;
  const std::optional<queue::MessageKey> message = store_.DecodeToken(queue::TokenPurpose::kUnsubscribe, token);
  if (!message) {
    return WithExit(
        absl::InvalidArgumentError("this is not an unsubscribe token of this node: it was forged, or changed "
                                   "or cut on its way; nothing was changed"),
        ExitCode::kBadData);
  }
  const absl::StatusOr<queue::Trace> trace = store_.TraceMessage(*message);
  if (!trace.ok()) return WithExit(trace.status(), ExitCode::kIo);
  const absl::StatusOr<queue::Campaign> campaign = store_.GetCampaign(message->lane.campaign);
  if (absl::IsNotFound(campaign.status()) && store_.restored().has_value()) {
    return WithExit(absl::FailedPreconditionError(
                        "the token is genuine and of a campaign that is not in the backup which this node was restored "
                        "from: who it was sent to is known once `sealift backup reconcile` has been given the events "
                        "since. Ask again then; nothing was changed"),
                    ExitCode::kTryLater);
  }
  if (!campaign.ok()) return WithExit(campaign.status(), ExitCode::kNoInput);
  const std::string address = trace->row.has_value()   ? trace->row->recipient
                              : !trace->events.empty() ? trace->events.back().recipient
                                                       : std::string();
  if (address.empty()) {
    return WithExit(
        absl::NotFoundError(fmt::format(
            "the token is genuine, but who it was sent to is not known any more: {}; nothing was changed. If whoever "
            "asks says the address, `sealift suppression add ADDR --kind opt_out --stream {}` does it",
            campaign->erased ? fmt::format("campaign '{}' was erased", campaign->spec.name)
                             : fmt::format("what campaign '{}' did is past retention.events", campaign->spec.name),
            campaign->spec.stream)),
        ExitCode::kNoInput);
  }
  // Not by Entry: whatever the configuration says of the stream today, who got its mail has opted out of it.
  queue::SuppressionEntry entry;
  entry.what.kind = queue::SuppressionKind::kOptOut;
  entry.what.scope = {queue::SuppressionScope::Of::kStream, campaign->spec.stream};
  entry.what.sink = campaign->spec.mode == "sink";
  entry.time = absl::Now();
  entry.reason = given.reason;
  entry.by = given.by;
  entry.reply = fmt::format("List-Unsubscribe of message {} of campaign {}", store_.EncodeMessageId(*message),
                            campaign->spec.name);
  absl::StatusOr<Change> change = AddEntry(address, std::move(entry));
  if (!change.ok()) return change.status();
  return Unsubscribed{*std::move(change), campaign->spec.stream, campaign->spec.name};
}

}  // namespace sealift::engine
