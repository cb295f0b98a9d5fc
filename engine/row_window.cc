#include "engine/row_window.h"

#include <algorithm>
#include <iterator>

namespace sealift::engine {

void RowWindow::Add(std::vector<Claim>&& retries, std::vector<Claim>&& fresh) {
  const auto place = std::ranges::find_if_not(rows_.rbegin(), rows_.rend(), &Claim::waited).base();
  rows_.insert(place, std::make_move_iterator(retries.rbegin()), std::make_move_iterator(retries.rend()));
  rows_.insert(rows_.begin(), std::make_move_iterator(fresh.rbegin()), std::make_move_iterator(fresh.rend()));
  retries.clear();
  fresh.clear();
}

}  // namespace sealift::engine
