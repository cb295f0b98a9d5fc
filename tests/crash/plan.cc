#include "tests/crash/plan.h"

#include <fmt/format.h>

#include <charconv>
#include <random>

namespace sealift::crash {

Plan Plan::Of(uint64_t seed, uint32_t number) {
  std::mt19937_64 random(seed * 1'000'003 + number);
  Plan plan{.number = number, .rows = static_cast<uint32_t>(20 + random() % 600)};
  if (number % 5 == 2) plan.rows = static_cast<uint32_t>(4'000 + random() % 1'500);  // ingested
  if (number % 40 == 4) {                                                            // more than a chunk of 64 MiB
    plan.rows = 1'500;
    plan.width = 60'000;
  }
  return plan;
}

std::string Plan::name() const { return fmt::format("c{}", number); }

std::string Plan::MailboxOf(uint32_t row) const {
  return fmt::format("{}{}r{}@d{}.test",
                     Bounces(row)      ? "gone"
                     : IsReplayed(row) ? "again"
                                       : "c",
                     number, row, row % kDomains + 1);
}

std::string Plan::Recipients() const {
  std::string text = "email,name,note\r\n";
  const std::string note(width, 'n');
  for (uint32_t row = 1; row <= rows; ++row) text += fmt::format("{},Person {},{}\r\n", MailboxOf(row), row, note);
  return text;
}

std::optional<Place> Plan::PlaceOf(std::string_view mailbox) {
  const size_t digit = mailbox.find_first_of("0123456789");
  const size_t r = mailbox.find('r');
  if (digit == std::string_view::npos || r == std::string_view::npos || r < digit) return std::nullopt;
  Place place;
  const char* const end = mailbox.data() + mailbox.size();
  if (std::from_chars(mailbox.data() + digit, end, place.campaign).ptr != mailbox.data() + r) return std::nullopt;
  if (*std::from_chars(mailbox.data() + r + 1, end, place.row).ptr != '@') return std::nullopt;
  return place;
}

}  // namespace sealift::crash
