#pragma once

#include <span>
#include <string>
#include <vector>

#include "absl/status/statusor.h"

namespace sealift::dns {

// More servers than anyone has; the system's file names at most three.
inline constexpr size_t kServersMax = 16;

// The servers to ask, each as "192.0.2.1:53" or "[2001:db8::1]:53", from what a configuration names: "192.0.2.1",
// "192.0.2.1:5353", "2001:db8::1", "[2001:db8::1]:5353". None named: the system's (resolv.conf). InvalidArgument says
// which entry is wrong and how to write it: c-ares would silently leave it out.
absl::StatusOr<std::vector<std::string>> Servers(std::span<const std::string> named);

}  // namespace sealift::dns
