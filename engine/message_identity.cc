#include "engine/message_identity.h"

#include <fmt/format.h>

#include <optional>

#include "engine/exit_code.h"
#include "engine/message/date.h"
#include "engine/message/list_fields.h"
#include "queue/message_token.h"

namespace sealift::engine {
namespace {

constexpr std::string_view kSenderPrefix = "b+";

bool IsSenderPrefix(std::string_view text) { return text == kSenderPrefix || text == "B+"; }

}  // namespace

MessageIdentity Identify(const queue::Store& store, const Options& options, const ActiveCampaign& campaign,
                         const queue::MessageKey& message) {
  MessageIdentity identity;
  identity.message_id = FormatMessageId(store.EncodeMessageId(message), options.node.hostname);
  if (!campaign.content.has_value()) return identity;  // a finished message has the fields that it came with
  const StreamOptions* const stream = options.FindStream(campaign.stream);
  if (stream == nullptr) return identity;  // a reload took it away; what is queued of it still goes out
  std::string token;
  if (!stream->unsubscribe_url.empty() || !stream->unsubscribe_mailto.empty()) {
    token = store.EncodeToken(queue::TokenPurpose::kUnsubscribe, message);
  }
  AppendListFields({.unsubscribe_url = stream->unsubscribe_url,
                    .unsubscribe_mailto = stream->unsubscribe_mailto,
                    .list_id = stream->list_id,
                    .feedback_id = stream->feedback_id},
                   campaign.content->fields().own, campaign.name, token, identity.fields);
  return identity;
}

std::string EnvelopeSender(const queue::Store& store, const Options& options, std::string_view stream,
                           const queue::MessageKey& message) {
  const StreamOptions* const configured = options.FindStream(stream);
  const std::string& domain =
      configured != nullptr && !configured->return_path.empty() ? configured->return_path : options.node.hostname;
  return fmt::format("{}{}@{}", kSenderPrefix, store.EncodeToken(queue::TokenPurpose::kReturnPath, message), domain);
}

absl::StatusOr<queue::MessageKey> ParseMessageName(const queue::Store& store, std::string_view name) {
  if (name.starts_with('<')) name.remove_prefix(1);
  name = name.substr(0, name.find_first_of("@>"));
  const bool sender = IsSenderPrefix(name.substr(0, kSenderPrefix.size()));
  if (sender) name.remove_prefix(kSenderPrefix.size());
  std::optional<queue::MessageKey> message;
  if (sender || name.size() == queue::MessageTokens::kSize) {
    message = store.DecodeToken(queue::TokenPurpose::kReturnPath, name);
    if (!message && !sender) message = store.DecodeToken(queue::TokenPurpose::kUnsubscribe, name);
    if (message) return *message;
    return WithExit(
        absl::InvalidArgumentError(fmt::format("this {} was not made by this node: it was forged or changed on its "
                                               "way, or it is another node's",
                                               sender ? "envelope sender" : "token")),
        ExitCode::kBadData);
  }
  message = store.DecodeMessageId(name);
  if (message) return *message;
  return WithExit(absl::NotFoundError("no message of this node has that id; it is the part before the @ of its "
                                      "Message-ID, or a whole envelope sender"),
                  ExitCode::kNoInput);
}

}  // namespace sealift::engine
