#pragma once

#include <string_view>

#include "absl/time/time.h"
#include "dns/answer.h"
#include "dns/message.h"

namespace sealift::dns {

// What a server's answer to a question means. Pure; `expires` is left to the cache.
//
// CNAMEs are followed as far as the answer itself leads, at most kAliasesMax of them: to chase further is the server's
// work.
inline constexpr int kAliasesMax = 16;

template <typename Answer>
struct Reading {
  Answer answer;
  // How long it is true by its owner's word: the least TTL that led to it, or the negative one; infinite: not said.
  absl::Duration ttl = absl::InfiniteDuration();
};

// RFC 5321 5.1 and RFC 7505. Verdict kNoData has become an implicit MX. The null MX ("." as the only host; its
// preference is not looked at) must stand alone: among other hosts it contradicts itself and is left out. A host that
// is no host's name is left out too, and when that leaves none the verdict is kUnusable.
Reading<MxAnswer> ReadMx(const Message& message, std::string_view domain);

// `family` is AF_INET or AF_INET6.
Reading<AddressAnswer> ReadAddresses(const Message& message, std::string_view host, int family);

Reading<TlsaAnswer> ReadTlsa(const Message& message, std::string_view service);

Reading<TxtAnswer> ReadTxt(const Message& message, std::string_view name);

}  // namespace sealift::dns
