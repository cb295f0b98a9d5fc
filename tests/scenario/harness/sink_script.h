#pragma once

#include <string>
#include <string_view>

namespace sealift::scenario {

// A provider of sealift-sink's script with one domain, NAME.test, and one host, mx.NAME.test. `lines` are further ones
// of its table; a rule ends it.
std::string ProviderOf(const std::string& name, const std::string& address, const std::string& lines = "");

// A rule that answers with these very bytes. `more` are further lines of it.
std::string RawRule(const std::string& at, std::string_view bytes, const std::string& more = "");

}  // namespace sealift::scenario
