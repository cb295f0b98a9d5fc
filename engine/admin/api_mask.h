#pragma once

#include <string>
#include <string_view>

namespace sealift::engine {

// An address as it is shown to whoever did not ask to see it whole: "j***@d1.test". A local part of one character shows
// none of itself. What has no @ is "***".
std::string MaskAddress(std::string_view address);

}  // namespace sealift::engine
