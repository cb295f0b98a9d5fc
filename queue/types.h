#pragma once

#include <compare>
#include <cstdint>
#include <utility>

namespace sealift::queue {

// A campaign: random and never zero, so that ids of two nodes do not meet.
enum class CampaignId : uint32_t {};

// A recipient domain: a keyed hash of its lower-case A-label form. The key stays on the node, so that the id says
// nothing.
enum class DestinationId : uint64_t {};

// A data row of a campaign's input, counted from 1.
enum class RowId : uint32_t {};

// A finished message of a campaign, counted from 1 in the order of its input. Zero: none.
enum class BodyId : uint32_t {};

// The rows of one campaign for one destination: what the scheduler moves forward as one.
struct LaneId {
  CampaignId campaign{};
  DestinationId destination{};

  friend auto operator<=>(const LaneId&, const LaneId&) = default;

  template <typename H>
  friend H AbslHashValue(H state, const LaneId& lane) {
    return H::combine(std::move(state), static_cast<uint32_t>(lane.campaign), static_cast<uint64_t>(lane.destination));
  }
};

// Where a queued row stands: never tried, to be tried again, or held because nobody knows whether it arrived.
enum class RowState : uint8_t { kFresh = 0, kRetrying, kInDoubt };

// Where a question stands among those that wait for the store's readers.
enum class ReadTurn : uint8_t {
  kInOrder,
  kFirst,  // before all that are in order: for what must go out now
};
constexpr ReadTurn TurnOf(bool transactional) { return transactional ? ReadTurn::kFirst : ReadTurn::kInOrder; }

// What a token of a message is given out for; see MessageTokens.
enum class TokenPurpose : uint8_t {
  kReturnPath = 0,  // stands in the envelope sender: a bounce to it comes from whoever got the message
  kUnsubscribe,     // stands in List-Unsubscribe: whoever has it may unsubscribe the recipient
};

// One message for as long as anybody remembers it: what its Message-ID carries.
struct MessageKey {
  LaneId lane;
  RowId row{};

  friend auto operator<=>(const MessageKey&, const MessageKey&) = default;

  template <typename H>
  friend H AbslHashValue(H state, const MessageKey& message) {
    return H::combine(std::move(state), message.lane, static_cast<uint32_t>(message.row));
  }
};

}  // namespace sealift::queue
