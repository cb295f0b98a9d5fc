#pragma once

// The TCP side of the runtime, for those who need all of it: listener, network and stream.
#include "engine/runtime/network.h"       // IWYU pragma: export
#include "engine/runtime/tcp_listener.h"  // IWYU pragma: export
#include "engine/runtime/tcp_network.h"   // IWYU pragma: export
#include "engine/runtime/tcp_stream.h"    // IWYU pragma: export
