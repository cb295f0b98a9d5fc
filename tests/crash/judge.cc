#include "tests/crash/judge.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "tests/crash/plan.h"

namespace sealift::crash {
namespace {

constexpr size_t kFindingsMax = 50;

}  // namespace

void Judge::Find(std::string finding) {
  if (findings_.size() < kFindingsMax) findings_.push_back(std::move(finding));
}

void Judge::Acknowledged(uint32_t campaign, uint32_t rows, int64_t accepted) {
  Campaign& known = campaigns_[campaign];
  known.acknowledged = true;
  known.rows = rows;
  acknowledged_rows_ += rows;
  if (accepted != rows) {
    Find(fmt::format("campaign {}: the load of {} rows was acknowledged with {} accepted", campaign, rows, accepted));
  }
}

Judge::Message* Judge::MessageAt(std::string_view mailbox) {
  const std::optional<Place> place = Plan::PlaceOf(mailbox);
  if (!place) {
    Find(fmt::format("{}: no campaign has this mailbox", mailbox));
    return nullptr;
  }
  std::vector<Message>& messages = campaigns_[place->campaign].messages;
  if (messages.size() < place->row) messages.resize(place->row);
  return &messages[place->row - 1];
}

void Judge::Arrived(std::string_view mailbox, const std::string& message_id, uint32_t life) {
  ++arrivals_;
  Message* const message = MessageAt(mailbox);
  if (message == nullptr) return;
  if (message->arrivals++ == 0) {
    message->id = message_id;
  } else {
    ++duplicates_;
    if (Plan{.number = Plan::PlaceOf(mailbox)->campaign}.holds()) {
      Find(fmt::format("{}: arrived again, and its stream holds what is in doubt", mailbox));
    }
    ++again_[message->last_life];
    if (message->id != message_id) {
      Find(fmt::format("{}: arrived again under another Message-ID: {}, then {}", mailbox, message->id, message_id));
    }
    if (message->last_life >= life) {
      Find(fmt::format("{}: arrived in life {} and again in life {}: no kill explains it", mailbox, message->last_life,
                       life));
    }
  }
  message->last_life = life;
}

void Judge::Settled(std::string_view mailbox, std::string_view outcome, uint32_t life) {
  if (outcome == "deferred") return;
  Message* const message = MessageAt(mailbox);
  if (message == nullptr) return;
  message->settled_life = life;
  if (outcome == "delivered") {
    ++message->delivered;
  } else if (outcome == "bounced") {
    ++message->bounced;
  } else {
    Find(fmt::format("{}: is {}, which nobody asked for", mailbox, outcome));
  }
}

void Judge::InDoubt(std::string_view mailbox) {
  Message* const message = MessageAt(mailbox);
  if (message == nullptr) return;
  ++in_doubt_;
  message->in_doubt = true;
}

void Judge::JudgeRow(uint32_t campaign, uint32_t row, const Message& message) {
  const Plan plan{.number = campaign};
  const std::string mailbox = plan.MailboxOf(row);
  if (Plan::Bounces(row)) {
    if (message.bounced != 1 || message.delivered != 0 || message.arrivals != 0) {
      ++lost_;
      Find(fmt::format("{}: should have bounced once: {} bounces, {} deliveries, {} arrivals", mailbox, message.bounced,
                       message.delivered, message.arrivals));
    }
    return;
  }
  const uint16_t refusals = Plan::IsReplayed(row) ? 1 : 0;  // at most, before it was replayed
  if (message.in_doubt) {
    if (!plan.holds()) Find(fmt::format("{}: is held as in doubt, and its stream resends", mailbox));
    if (message.delivered != 0 || message.bounced > refusals)
      Find(fmt::format("{}: is in doubt and has an outcome", mailbox));
    return;
  }
  if (message.arrivals == 0) {
    ++lost_;
    Find(fmt::format("{}: was acknowledged and never arrived ({} deliveries shown)", mailbox, message.delivered));
    return;
  }
  if (message.delivered != 1 || message.bounced > refusals) {
    Find(fmt::format("{}: {} arrivals, but {} deliveries and {} bounces are shown", mailbox, message.arrivals,
                     message.delivered, message.bounced));
  } else if (message.settled_life != message.last_life) {
    Find(fmt::format("{}: was settled in life {} and sent again in life {}", mailbox, message.settled_life,
                     message.last_life));
  }
}

std::vector<std::string> Judge::Finish() {
  for (auto& [number, campaign] : campaigns_) {
    if (!campaign.acknowledged) {
      Find(fmt::format("campaign {}: rows of it were sent and it was never acknowledged", number));
      continue;
    }
    if (campaign.messages.size() > campaign.rows) {
      Find(fmt::format("campaign {}: row {} was sent and only {} were loaded", number, campaign.messages.size(),
                       campaign.rows));
    }
    campaign.messages.resize(campaign.rows);
    for (uint32_t row = 1; row <= campaign.rows; ++row) JudgeRow(number, row, campaign.messages[row - 1]);
  }
  for (const auto& [life, rows] : again_) {
    if (rows > unsettled_max_) {
      Find(fmt::format("{} rows of life {} were sent again; unsettled_max is {}", rows, life, unsettled_max_));
    }
  }
  if (lost_ > 0) Find(fmt::format("{} acknowledged rows were lost", lost_));
  return findings_;
}

uint64_t Judge::duplicates_a_life_max() const {
  uint64_t most = 0;
  for (const auto& [life, rows] : again_) most = std::max(most, rows);
  return most;
}

}  // namespace sealift::crash
