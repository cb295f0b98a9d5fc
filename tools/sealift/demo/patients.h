#pragma once

#include <cstdint>
#include <string>

namespace sealift::tools {

// The demonstration's recipients: made up, the same on every run, spread over d1.test to d60.test.
inline constexpr int kDemoDomains = 60;

// A recipient file with a header row and `count` rows.
std::string DemoRecipients(int count);

// The letter that they get: a multipart message, text and HTML, with a tag in a header and several in each part.
std::string DemoTemplate();

}  // namespace sealift::tools
