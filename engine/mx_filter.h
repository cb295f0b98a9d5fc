#pragma once

#include <string_view>

#include "dns/address.h"
#include "engine/options.h"

namespace sealift::engine {

// MxFilter says which MX hosts may be mailed: what `dns.mx_deny` matches may not, nor, where `dns.mx_allow` is given,
// what that does not match. A host is matched by its name or by its address.
//
// Owned by:  who asks; a view of the options, which outlive it.
// Threads:   any.
// Errors:    none.
class MxFilter {
 public:
  explicit MxFilter(const DnsOptions& options) : options_(options) {}

  // Some host may be refused.
  bool active() const { return !options_.mx_allow.empty() || !options_.mx_deny.empty(); }
  // Some host is judged by its address.
  bool asks_addresses() const;

  // Whether the name alone forbids it.
  bool Denies(std::string_view host) const;
  // Whether it may be mailed there.
  bool Allows(std::string_view host, const dns::Address& address) const;

 private:
  const DnsOptions& options_;
};

}  // namespace sealift::engine
