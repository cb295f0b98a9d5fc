#include "engine/admin/api_mask.h"

#include <cctype>

namespace sealift::engine {

std::string MaskAddress(std::string_view address) {
  const size_t at = address.rfind('@');  // a quoted local part may have an @ of its own
  if (at == std::string_view::npos) return "***";
  const std::string_view local = address.substr(0, at);
  const bool shows = local.size() > 1 && std::isalnum(static_cast<unsigned char>(local[0])) != 0;
  std::string masked(local.substr(0, shows ? 1 : 0));
  masked += "***";
  masked += address.substr(at);
  return masked;
}

}  // namespace sealift::engine
