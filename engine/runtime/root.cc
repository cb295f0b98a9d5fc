#include "engine/runtime/root.h"

#include <utility>

#include "engine/runtime/ring.h"

namespace sealift::engine {

void Root::Start(Ring& ring, Scope& parent, Task<void> task, OnEnd on_end, void* context) {
  ++ring.roots_;
  ring.MakeReady(Run(ring, parent, std::move(task), on_end, context).frame_);
}

Root Root::Run(Ring& ring, Scope& parent, Task<void> task, OnEnd on_end, void* context) {
  {
    Scope scope(ring, &parent);
    Task<void> owned = std::move(task);  // freed here, before the end is reported
    co_await std::move(owned).In(scope);
  }
  --ring.roots_;
  on_end(context);
}

}  // namespace sealift::engine
