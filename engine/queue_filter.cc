#include "engine/queue_filter.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <utility>

#include "engine/exit_code.h"
#include "engine/message_identity.h"
#include "engine/smtp/mailbox.h"
#include "engine/units.h"

namespace sealift::engine {
namespace {

absl::Status Usage(const std::string& why) { return WithExit(absl::InvalidArgumentError(why), ExitCode::kUsage); }

}  // namespace

const std::vector<FilterTerm>& FilterTerms() {
  static const std::vector<FilterTerm> terms = {
      {"domain", &QueueFilter::domain}, {"provider", &QueueFilter::provider},   {"campaign", &QueueFilter::campaign},
      {"stream", &QueueFilter::stream}, {"source", &QueueFilter::source},       {"class", &QueueFilter::reason_class},
      {"state", &QueueFilter::state},   {"recipient", &QueueFilter::recipient}, {"id", &QueueFilter::id}};
  return terms;
}

int QueueFilter::terms() const {
  int count = older_than.has_value() ? 1 : 0;
  for (const FilterTerm& term : FilterTerms()) count += (this->*term.value).has_value() ? 1 : 0;
  return count;
}

bool QueueFilter::Covers(const QueueFilter& other) const {
  for (const FilterTerm& term : FilterTerms()) {
    if ((this->*term.value).has_value() && this->*term.value != other.*term.value) return false;
  }
  return !older_than.has_value() || (other.older_than.has_value() && *other.older_than >= *older_than);
}

std::string QueueFilter::Describe() const {
  std::string text;
  const auto add = [&](std::string_view name, std::string_view value) {
    text += fmt::format("{}{}={}", text.empty() ? "" : " ", name, value);
  };
  for (const FilterTerm& term : FilterTerms()) {
    if (!(this->*term.value).has_value()) continue;
    const std::string& value = *(this->*term.value);
    if (term.value == &QueueFilter::recipient) {
      add(term.name, "(one)");
    } else {
      add(term.name, term.value == &QueueFilter::id ? value.substr(0, value.find('@')) : value);
    }
  }
  if (older_than.has_value()) add("older-than", ToText(*older_than));
  return text.empty() && everything ? "everything" : text;
}

std::string FilterToText(const QueueFilter& filter) {
  nlohmann::json text = nlohmann::json::object();
  for (const FilterTerm& term : FilterTerms()) {
    if ((filter.*term.value).has_value()) text[term.name] = *(filter.*term.value);
  }
  if (filter.older_than.has_value()) text["older_than_ms"] = absl::ToInt64Milliseconds(*filter.older_than);
  if (filter.everything) text["everything"] = true;
  return text.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

absl::StatusOr<QueueFilter> ParseFilter(std::string_view text) {
  const nlohmann::json read = nlohmann::json::parse(text, nullptr, false);
  QueueFilter filter;
  if (!read.is_object()) return absl::DataLossError("a filter was written in a form that this version does not know");
  for (const FilterTerm& term : FilterTerms()) {
    const auto found = read.find(term.name);
    if (found != read.end() && found->is_string()) filter.*term.value = found->get<std::string>();
  }
  if (read.contains("older_than_ms")) filter.older_than = absl::Milliseconds(read.value("older_than_ms", int64_t{0}));
  filter.everything = read.value("everything", false);
  if (filter.empty()) return absl::DataLossError("a filter was written in a form that this version does not know");
  return filter;
}

absl::StatusOr<RowMatcher> RowMatcher::Of(const QueueFilter& filter, const queue::Store& store) {
  if (filter.empty()) {
    return Usage("no filter: say which rows are meant, or --everything");
  }
  RowMatcher matcher;
  matcher.filter_ = filter;
  matcher.store_ = &store;
  if (filter.domain.has_value()) {
    absl::StatusOr<std::string> domain = ParseDomain(*filter.domain);
    if (!domain.ok()) return WithExit(domain.status(), ExitCode::kUsage);
    matcher.filter_.domain = *std::move(domain);
    matcher.destination_ = store.DestinationOf(*matcher.filter_.domain);
  }
  if (filter.recipient.has_value()) {
    const absl::StatusOr<Mailbox> mailbox = ParseMailbox(*filter.recipient);
    if (!mailbox.ok()) return WithExit(mailbox.status(), ExitCode::kUsage);
    matcher.filter_.recipient = mailbox->ToString();
    matcher.recipient_ = store.AddressOf(*matcher.filter_.recipient);
    const queue::DestinationId there = store.DestinationOf(mailbox->domain);
    if (matcher.destination_.value_or(there) != there) return Usage("--recipient is of another domain than --domain");
    matcher.destination_ = there;
  }
  if (filter.id.has_value()) {
    absl::StatusOr<queue::MessageKey> message = ParseMessageName(store, *filter.id);
    if (!message.ok()) return WithExit(message.status(), ExitCode::kUsage);
    matcher.filter_.id = store.EncodeMessageId(*message);
    matcher.message_ = *message;
    if (matcher.destination_.value_or(message->lane.destination) != message->lane.destination) {
      return Usage("--id is of a message to another domain");
    }
    matcher.destination_ = message->lane.destination;
  }
  if (filter.state.has_value() && *filter.state != "fresh" && *filter.state != "retrying" &&
      *filter.state != kInDoubtState && *filter.state != kHeldState) {
    return Usage("--state is fresh (never tried), retrying, in_doubt (may have arrived), or held (by an order)");
  }
  return matcher;
}

bool RowMatcher::MayMean(const LaneFacts& lane) const {
  if (destination_.has_value() && lane.id.destination != *destination_) return false;
  if (message_.has_value() && lane.id != message_->lane) return false;
  if (filter_.campaign.has_value() && lane.campaign != *filter_.campaign) return false;
  if (filter_.stream.has_value() && lane.stream != *filter_.stream) return false;
  return !filter_.provider.has_value() || (lane.provider != nullptr && *lane.provider == *filter_.provider);
}

bool RowMatcher::Means(const RowFacts& row, absl::Time now) const {
  if (message_.has_value() && row.id != message_->row) return false;
  if (filter_.state == kHeldState) {
    if (!row.held || row.in_doubt) return false;
  } else if (filter_.state.has_value()) {
    const std::string_view untold = row.attempts > 0 ? "retrying" : "fresh";
    if (*filter_.state != (row.in_doubt ? kInDoubtState : untold)) return false;
  }
  if (filter_.reason_class.has_value() && row.reason_class != *filter_.reason_class) return false;
  if (filter_.older_than.has_value() && row.accepted > now - *filter_.older_than) return false;
  return !recipient_.has_value() || store_->AddressOf(row.recipient) == *recipient_;
}

}  // namespace sealift::engine
