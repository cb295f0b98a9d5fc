#include "engine/message_identity.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <optional>
#include <vector>

#include "engine/exit_code.h"
#include "engine/message/date.h"
#include "engine/message/list_fields.h"
#include "queue/message_token.h"

namespace sealift::engine {
namespace {

constexpr std::string_view kSenderPrefix = "b+";
constexpr size_t kNamedMax = 20;  // rows of one Message-ID that are listed

// Nothing: the row is of no form that is known.
std::optional<OwnListFields> OwnFields(const ActiveCampaign& campaign, std::span<const std::string_view> fields) {
  if (campaign.content.has_value()) return campaign.content->fields().own;
  const absl::StatusOr<FinishedMessage> finished =
      FinishedMessage::Decode(fields.size() == 1 ? fields[0] : std::string_view());
  return finished.ok() ? std::optional(finished->own) : std::nullopt;
}

absl::Status SeveralRows(const queue::Store& store, const std::vector<queue::MessageKey>& rows) {
  std::vector<std::string> ids;
  ids.reserve(rows.size());
  for (const queue::MessageKey& row : rows) ids.push_back(store.EncodeMessageId(row));
  const bool more = ids.size() > kNamedMax;
  if (more) ids.pop_back();
  return WithExit(
      absl::InvalidArgumentError(fmt::format("messages to several recipients came with that Message-ID; name "
                                             "one of them by its own id: {}{}",
                                             fmt::join(ids, ", "), more ? " and more" : "")),
      ExitCode::kBadData);
}

bool IsSenderPrefix(std::string_view text) { return text == kSenderPrefix || text == "B+"; }

}  // namespace

void Identify(const queue::Store& store, const Options& options, const ActiveCampaign& campaign,
              const queue::MessageKey& message, std::span<const std::string_view> fields, MessageIdentity& identity) {
  identity.message_id.assign(1, '<');
  store.AppendMessageId(message, &identity.message_id);
  identity.message_id += '@';
  identity.message_id += options.node.hostname;
  identity.message_id += '>';
  identity.fields.clear();
  const StreamOptions* const stream = options.FindStream(campaign.stream);
  if (stream == nullptr) return;  // a reload took it away; what is queued of it still goes out
  const std::optional<OwnListFields> own = OwnFields(campaign, fields);
  if (!own.has_value()) return;
  std::string token;
  if (!stream->unsubscribe_url.empty() || !stream->unsubscribe_mailto.empty()) {
    store.AppendToken(queue::TokenPurpose::kUnsubscribe, message, &token);
  }
  AppendListFields({.unsubscribe_url = stream->unsubscribe_url,
                    .unsubscribe_mailto = stream->unsubscribe_mailto,
                    .list_id = stream->list_id,
                    .feedback_id = stream->feedback_id},
                   *own, campaign.name, token, identity.fields);
}

MessageIdentity Identify(const queue::Store& store, const Options& options, const ActiveCampaign& campaign,
                         const queue::MessageKey& message, std::span<const std::string_view> fields) {
  MessageIdentity identity;
  Identify(store, options, campaign, message, fields, identity);
  return identity;
}

void AppendEnvelopeSender(const queue::Store& store, const Options& options, std::string_view stream,
                          const queue::MessageKey& message, std::string& out) {
  const StreamOptions* const configured = options.FindStream(stream);
  const std::string& domain =
      configured != nullptr && !configured->return_path.empty() ? configured->return_path : options.node.hostname;
  out += kSenderPrefix;
  store.AppendToken(queue::TokenPurpose::kReturnPath, message, &out);
  out += '@';
  out += domain;
}

std::string_view TokenOfSender(std::string_view sender) {
  return sender.substr(kSenderPrefix.size(), sender.find('@') - kSenderPrefix.size());
}

absl::StatusOr<queue::MessageKey> ParseMessageName(const queue::Store& store, std::string_view name) {
  if (name.starts_with('<')) name.remove_prefix(1);
  if (name.ends_with('>')) name.remove_suffix(1);
  if (name.find('@') != std::string_view::npos) {
    const absl::StatusOr<std::vector<queue::MessageKey>> named = store.FindNamed(name, kNamedMax + 1);
    if (!named.ok()) return named.status();
    if (named->size() > 1) return SeveralRows(store, *named);
    if (named->size() == 1) return named->front();
  }
  name = name.substr(0, name.find('@'));
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
