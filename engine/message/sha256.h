#pragma once

#include <array>
#include <cstdint>

namespace sealift::engine {

using Sha256 = std::array<uint8_t, 32>;

}  // namespace sealift::engine
