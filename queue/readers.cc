#include "queue/readers.h"

#include <utility>

#include "queue/rocks.h"

namespace sealift::queue {

Readers::Readers(KeyRing* ring, int threads) {
  for (int i = 0; i < threads; ++i) threads_.emplace_back([this, ring] { Run(ring); });
}

Readers::~Readers() {
  {
    const std::lock_guard lock(mutex_);
    stop_ = true;
  }
  wake_.notify_all();
  for (std::thread& thread : threads_) thread.join();
}

void Readers::Do(Work work, ReadTurn turn) {
  {
    const std::lock_guard lock(mutex_);
    (turn == ReadTurn::kFirst ? first_ : works_).push_back(std::move(work));
  }
  wake_.notify_one();
}

void Readers::Run(KeyRing* ring) {
  BeginThread("queue reader");
  Unsealer unsealer(ring);
  for (;;) {
    Work work;
    {
      std::unique_lock lock(mutex_);
      wake_.wait(lock, [this] { return stop_ || !first_.empty() || !works_.empty(); });
      std::deque<Work>& next = first_.empty() ? works_ : first_;
      if (next.empty()) return;
      work = std::move(next.front());
      next.pop_front();
    }
    work(unsealer);
  }
}

}  // namespace sealift::queue
