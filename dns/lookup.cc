#include "dns/lookup.h"

#include <ares.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <netdb.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <algorithm>
#include <array>
#include <optional>

#include "dns/message.h"
#include "dns/name.h"
#include "dns/reading.h"
#include "dns/servers.h"

namespace sealift::dns {
namespace {

constexpr int kClassIn = 1;
constexpr int kTypePtr = 12;

Verdict VerdictOf(int status) {
  switch (status) {
    case ARES_SUCCESS:
      return Verdict::kFound;
    case ARES_ENODATA:
      return Verdict::kNoData;
    case ARES_ENOTFOUND:
      return Verdict::kNxDomain;
    case ARES_EBADNAME:
    case ARES_EBADQUERY:
      return Verdict::kBadName;
    case ARES_ESERVFAIL:
      return Verdict::kServFail;
    case ARES_EREFUSED:
    case ARES_ENOTIMP:
      return Verdict::kRefused;
    case ARES_ETIMEOUT:
    case ARES_ECONNREFUSED:
    case ARES_ECANCELLED:
      return Verdict::kTimeout;
    default:
      return Verdict::kBadAnswer;
  }
}

// The name under which an address has its PTR records: "1.2.0.192.in-addr.arpa", or nibbles below ip6.arpa.
std::string ReverseName(const Address& address) {
  std::string name;
  if (address.family == AF_INET) {
    for (size_t i = 4; i-- > 0;) name += fmt::format("{}.", address.bytes.at(i));
    return name + "in-addr.arpa";
  }
  for (size_t i = 16; i-- > 0;) name += fmt::format("{:x}.{:x}.", address.bytes.at(i) & 15, address.bytes.at(i) >> 4);
  return name + "ip6.arpa";
}

}  // namespace

void Lookup::Free::operator()(ares_channeldata* channel) const { ares_destroy(channel); }

absl::StatusOr<Lookup> Lookup::Create(const Options& options) {
  const absl::StatusOr<std::vector<std::string>> servers = Servers(options.servers);
  if (!servers.ok()) return servers.status();
  static const int initialised = ares_library_init(ARES_LIB_INIT_ALL);
  ares_options ares = {};
  // What a server says instead of an answer is the answer: c-ares would ask on, and report a time-out.
  ares.flags = ARES_FLAG_NOSEARCH | ARES_FLAG_NOALIASES | ARES_FLAG_NOCHECKRESP;
  ares.timeout = static_cast<int>(std::clamp<int64_t>(absl::ToInt64Milliseconds(options.timeout), 1, 600'000));
  ares.tries = options.tries;
  ares_channel made = nullptr;
  int status = initialised;
  if (status == ARES_SUCCESS) {
    status = ares_init_options(&made, &ares, ARES_OPT_FLAGS | ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES);
  }
  Lookup lookup(made, options.deadline, options.stop);
  if (status == ARES_SUCCESS) {
    status = ares_set_servers_ports_csv(made, fmt::format("{}", fmt::join(*servers, ",")).c_str());
  }
  if (status != ARES_SUCCESS) {
    return absl::InternalError(fmt::format("the DNS cannot be asked: {}", ares_strerror(status)));
  }
  return lookup;
}

bool Lookup::Over() const { return absl::Now() >= deadline_ || (stop_ != nullptr && stop_->load()); }

void Lookup::OnAnswer(void* into, int status, int /*timeouts*/, unsigned char* bytes, int size) {
  Received& received = *static_cast<Received*>(into);
  received.verdict = VerdictOf(status);
  if (bytes != nullptr && size > 0) received.bytes.assign(bytes, bytes + size);
}

Lookup::Received Lookup::Ask(const std::string& name, int type) {
  Received received;
  if (Over()) return received;
  ares_query(channel_.get(), name.c_str(), kClassIn, type, OnAnswer, &received);
  // Turns c-ares until nothing is asked any more.
  while (true) {
    std::array<ares_socket_t, ARES_GETSOCK_MAXNUM> sockets{};
    const int watched = ares_getsock(channel_.get(), sockets.data(), static_cast<int>(sockets.size()));
    std::vector<pollfd> polled;
    for (size_t i = 0; i < sockets.size(); ++i) {
      const bool read = ARES_GETSOCK_READABLE(watched, i) != 0;
      const bool write = ARES_GETSOCK_WRITABLE(watched, i) != 0;
      if (!read && !write) continue;
      polled.push_back({.fd = sockets.at(i),
                        .events = static_cast<short>((read ? POLLIN : 0) | (write ? POLLOUT : 0)),
                        .revents = 0});
    }
    if (polled.empty()) return received;
    if (Over()) {
      ares_cancel(channel_.get());  // calls back, so that nothing points here any more
      return received;
    }
    timeval wait{.tv_sec = 1, .tv_usec = 0};
    timeval left{};
    ares_timeout(channel_.get(), &wait, &left);
    ::poll(polled.data(), polled.size(), static_cast<int>(left.tv_sec * 1000 + left.tv_usec / 1000 + 1));
    for (const pollfd& one : polled) {
      const bool read = (one.revents & ~POLLOUT) != 0;
      const bool write = (one.revents & POLLOUT) != 0;
      ares_process_fd(channel_.get(), read ? one.fd : ARES_SOCKET_BAD, write ? one.fd : ARES_SOCKET_BAD);
    }
    ares_process_fd(channel_.get(), ARES_SOCKET_BAD, ARES_SOCKET_BAD);  // what has timed out
  }
}

TxtAnswer Lookup::Txt(const std::string& name) {
  TxtAnswer answer;
  const Received received = Ask(name, kTypeTxt);
  answer.verdict = received.verdict;
  if (received.verdict != Verdict::kFound) return answer;
  ares_txt_ext* first = nullptr;
  answer.verdict =
      VerdictOf(ares_parse_txt_reply_ext(received.bytes.data(), static_cast<int>(received.bytes.size()), &first));
  for (const ares_txt_ext* string = first; string != nullptr; string = string->next) {
    if (string->record_start != 0 || answer.texts.empty()) {
      if (answer.texts.size() == kTextsMax) break;
      answer.texts.emplace_back();
    }
    answer.texts.back().append(reinterpret_cast<const char*>(string->txt), string->length);
  }
  ares_free_data(first);
  return answer;
}

PtrAnswer Lookup::Ptr(const Address& address) {
  PtrAnswer answer;
  const Received received = Ask(ReverseName(address), kTypePtr);
  answer.verdict = received.verdict;
  if (received.verdict != Verdict::kFound) return answer;
  hostent* host = nullptr;
  answer.verdict =
      VerdictOf(ares_parse_ptr_reply(received.bytes.data(), static_cast<int>(received.bytes.size()),
                                     address.bytes.data(), address.family == AF_INET ? 4 : 16, address.family, &host));
  for (char** name = host == nullptr ? nullptr : host->h_aliases; name != nullptr && *name != nullptr; ++name) {
    if (answer.names.size() == kTextsMax) break;
    if (std::optional<std::string> known = HostName(*name)) answer.names.push_back(*std::move(known));
  }
  if (host != nullptr) ares_free_hostent(host);
  return answer;
}

MxAnswer Lookup::Mx(std::string_view domain) {
  MxAnswer answer;
  const std::optional<std::string> name = HostName(domain);
  answer.verdict = Verdict::kBadName;
  if (!name.has_value()) return answer;
  const Received received = Ask(*name, kTypeMx);
  answer.verdict = received.verdict;
  if (received.bytes.empty()) return answer;
  const std::optional<Message> message = DecodeMessage(received.bytes);
  answer.verdict = Verdict::kBadAnswer;
  return message.has_value() ? ReadMx(*message, *name).answer : answer;
}

AddressAnswer Lookup::Addresses(std::string_view host, int family) {
  AddressAnswer answer;
  const std::optional<std::string> name = HostName(host);
  answer.verdict = Verdict::kBadName;
  if (!name.has_value()) return answer;
  const Received received = Ask(*name, family == AF_INET6 ? kTypeAaaa : kTypeA);
  answer.verdict = received.verdict;
  if (received.bytes.empty()) return answer;
  const std::optional<Message> message = DecodeMessage(received.bytes);
  answer.verdict = Verdict::kBadAnswer;
  return message.has_value() ? ReadAddresses(*message, *name, family).answer : answer;
}

}  // namespace sealift::dns
