#pragma once

#include <string>

namespace sealift::scenario {

// Moves the calling thread, and what it starts from now on, into a network namespace of its own, whose one interface is
// a loopback. Root makes it as it is, others as the root of a user namespace. Returns why there is none; empty: it has
// one.
std::string EnterOwnNetwork();

}  // namespace sealift::scenario
