#pragma once

#include <functional>
#include <string_view>
#include <vector>

#include "tests/tidy/source_file.h"

namespace sealift::tidy {

// The dependency rule of docs/architecture.md, as read from #include lines:
//
//   tools -> engine -> queue, dns, tls
//
// queue, dns and tls know neither each other nor anything above them. Within engine, runtime knows only itself, and
// smtp, message and shaping are pure: they know only one another, no socket, no thread and no coroutine. Only tools,
// tests and perf have a main. The tests of a leaf know that leaf alone, and scenarios know only their harness, so that
// they see what an operator sees.
//
// `exists` tells whether a path from the root is a file; an include that leads nowhere, or that does not start at the
// root, is a finding too.
std::vector<Finding> CheckIncludes(const SourceFile& file, const std::function<bool(std::string_view)>& exists);

}  // namespace sealift::tidy
