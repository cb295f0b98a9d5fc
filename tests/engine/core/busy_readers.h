#pragma once

#include <array>
#include <functional>
#include <future>
#include <utility>

#include "absl/time/time.h"
#include "queue/store.h"

namespace sealift::engine {

// BusyReaders keeps the two readers of a store at work until GoOn, and from then on with what came in order: what is
// answered all the same goes first.
//
// Owned by:  the test; goes before the store does.
class BusyReaders {
 public:
  explicit BusyReaders(queue::Store& store) : store_(store) {
    std::array<std::promise<void>, 2> begun;
    for (std::promise<void>& one : begun) {
      Read([&one, go_on = go_on_] {
        one.set_value();
        go_on.wait();
      });
    }
    for (std::promise<void>& one : begun) one.get_future().wait();
    for (size_t i = 0; i < begun.size(); ++i) Read([end = end_] { end.wait(); });
  }
  ~BusyReaders() { ended_.set_value(); }

  void GoOn() { gone_on_.set_value(); }

 private:
  void Read(std::function<void()> work) {
    store_.ReadReceived("bulk", "a1@d1.test", absl::InfinitePast(), 1,
                        [work = std::move(work)](const auto&) { work(); });
  }

  queue::Store& store_;
  std::promise<void> gone_on_, ended_;
  const std::shared_future<void> go_on_ = gone_on_.get_future().share(), end_ = ended_.get_future().share();
};

}  // namespace sealift::engine
