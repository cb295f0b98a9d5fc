#pragma once

#include <chrono>
#include <functional>

namespace sealift::scenario {

// Asks `condition` again and again until it holds or `deadline` has passed, and returns whether it held. It is the one
// place where a scenario waits for something that only another process knows; between two questions it yields for 20
// ms.
bool Eventually(std::chrono::milliseconds deadline, const std::function<bool()>& condition);

}  // namespace sealift::scenario
