#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace sealift::crash {

// A row of a campaign, as its mailbox names it.
struct Place {
  uint32_t campaign = 0, row = 0;  // both from 1
};

// Plan is a campaign as the submitter makes it and the judge expects it: both know it from the seed and its number.
//
// Sizes are drawn so that each way into the queue is met: few rows go through the write-ahead log, many are ingested as
// files, and a wide campaign is more than one chunk, so that a kill can hit between two.
struct Plan {
  // The domains of the rows; row N is at domain N % 8. The last three: slow, defers before and after the final dot.
  static constexpr int kDomains = 8;

  uint32_t number = 0;
  uint32_t rows = 0;
  uint32_t width = 0;  // bytes of a column that no message shows

  static Plan Of(uint64_t seed, uint32_t number);

  // Every third campaign is of a stream that holds what is in doubt; the others resend it.
  bool holds() const { return number % 3 == 0; }

  std::string name() const;
  std::string Recipients() const;  // the CSV
  std::string MailboxOf(uint32_t row) const;

  // One row in so many is unknown to its server and bounces. With those below, half of what makes a provider's refusals
  // doubtful (then they would wait, an hour).
  static constexpr uint32_t kBounceEvery = 50;
  static bool Bounces(uint32_t row) { return row % kBounceEvery == 0; }
  // One row in so many is refused the first time for a policy: it bounces, and is delivered once it is replayed.
  static constexpr uint32_t kReplayEvery = 40;
  static bool IsReplayed(uint32_t row) { return row % kReplayEvery == 7 && !Bounces(row); }
  uint32_t replayed() const { return rows / kReplayEvery + 1; }  // at most
  static std::optional<Place> PlaceOf(std::string_view mailbox);
};

}  // namespace sealift::crash
