#include "tests/scenario/harness/sink_script.h"

#include <fmt/format.h>

namespace sealift::scenario {
namespace {

// A TOML string of any bytes that are UTF-8.
std::string Quoted(std::string_view bytes) {
  std::string text = "\"";
  for (const char c : bytes) {
    const bool plain = c != '\r' && c != '\n' && c != '\0' && c != '"' && c != '\\';
    text += plain ? std::string(1, c) : fmt::format("\\u{:04x}", static_cast<int>(c));
  }
  return text + "\"";
}

}  // namespace

std::string ProviderOf(const std::string& name, const std::string& address, const std::string& lines) {
  return fmt::format(
      "[[provider]]\nname = \"{0}\"\ndomains = [\"{0}.test\"]\nmx = [{{ host = \"mx.{0}.test\", address = \"{1}\" "
      "}}]\n{2}\n",
      name, address, lines);
}

std::string RawRule(const std::string& at, std::string_view bytes, const std::string& more) {
  return fmt::format("[[provider.rule]]\nat = \"{}\"\nraw = {}\n{}\n", at, Quoted(bytes), more);
}

}  // namespace sealift::scenario
