#include "engine/message/suggestion.h"

#include <algorithm>
#include <numeric>
#include <vector>

#include "engine/smtp/utf8.h"

namespace sealift::engine {
namespace {

constexpr size_t kNameBytesMax = 100;  // nobody mistypes more; keeps the product below small

bool SameLetter(char a, char b) {
  const auto folded = [](char c) { return c == ' ' || c == '-' ? '_' : LowerCase(c); };
  return folded(a) == folded(b);
}

// Letters to insert, remove or change.
size_t Distance(std::string_view a, std::string_view b) {
  std::vector<size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), size_t{0});
  for (size_t i = 1; i <= a.size(); ++i) {
    size_t diagonal = row[0];
    row[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      const size_t changed = diagonal + (SameLetter(a[i - 1], b[j - 1]) ? 0 : 1);
      diagonal = row[j];
      row[j] = std::min({row[j] + 1, row[j - 1] + 1, changed});
    }
  }
  return row[b.size()];
}

}  // namespace

std::string Suggestion(std::string_view name, std::span<const std::string> known) {
  if (name.empty() || name.size() > kNameBytesMax) return {};
  std::string best;
  size_t best_distance = name.size() / 3 + 1;
  for (const std::string& candidate : known) {
    if (candidate.size() > kNameBytesMax) continue;
    const size_t distance = Distance(name, candidate);
    if (distance < best_distance) {
      best_distance = distance;
      best = candidate;
    }
  }
  return best;
}

}  // namespace sealift::engine
