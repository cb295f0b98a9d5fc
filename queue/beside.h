#pragma once

#include <future>
#include <type_traits>
#include <utility>

namespace sealift::queue {

// Runs `work` on a thread of its own; in the caller, once it asks for the result, where there is none to be had.
template <typename Work>
std::future<std::invoke_result_t<Work&>> Beside(Work work) {
  return std::async(std::launch::async | std::launch::deferred, std::move(work));
}

}  // namespace sealift::queue
