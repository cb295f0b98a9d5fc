#pragma once

#include <cstddef>
#include <utility>
#include <vector>

#include "engine/claim.h"

namespace sealift::engine {

// RowWindow is the rows of a lane that are next, in the order in which they go: retries before fresh rows.
//
// Most lanes of a big campaign have a row or two, and while they wait none: an empty window takes no memory.
//
// Owned by:  a lane.
// Threads:   its shard's.
class RowWindow {
 public:
  bool empty() const { return rows_.empty(); }
  size_t size() const { return rows_.size(); }
  auto begin() const { return rows_.rbegin(); }
  auto end() const { return rows_.rend(); }

  Claim& front() { return rows_.back(); }
  const Claim& front() const { return rows_.back(); }
  void pop_front() {
    rows_.pop_back();
    if (rows_.empty()) clear();
  }
  void push_front(Claim claim) { rows_.push_back(std::move(claim)); }
  void clear() { rows_ = {}; }

  // Retries go behind the retries that are here and before the fresh rows, which go last. The memory of
  // both stays theirs.
  void Add(std::vector<Claim>&& retries, std::vector<Claim>&& fresh);

 private:
  std::vector<Claim> rows_;  // the next one last
};

}  // namespace sealift::engine
