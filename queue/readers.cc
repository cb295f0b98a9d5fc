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

void Readers::Do(std::move_only_function<void(Unsealer&)> work) {
  {
    const std::lock_guard lock(mutex_);
    works_.push_back(std::move(work));
  }
  wake_.notify_one();
}

void Readers::Run(KeyRing* ring) {
  BeginThread("queue reader");
  Unsealer unsealer(ring);
  for (;;) {
    std::move_only_function<void(Unsealer&)> work;
    {
      std::unique_lock lock(mutex_);
      wake_.wait(lock, [this] { return stop_ || !works_.empty(); });
      if (works_.empty()) return;
      work = std::move(works_.front());
      works_.pop_front();
    }
    work(unsealer);
  }
}

}  // namespace sealift::queue
