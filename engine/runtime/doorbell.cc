#include "engine/runtime/doorbell.h"

#include "engine/runtime/ring.h"

namespace sealift::engine {

void Doorbell::Press() {
  // Whoever presses one that is pressed already is ordered before the answer by this exchange and Ring's.
  if (pressed_.exchange(true, std::memory_order_seq_cst)) return;
  ring_.OnPress(*this);
}

Doorbell::~Doorbell() {
  if (pressed_.load(std::memory_order_seq_cst)) ring_.Forget(*this);
}

}  // namespace sealift::engine
