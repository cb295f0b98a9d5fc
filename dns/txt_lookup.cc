#include "dns/txt_lookup.h"

#include <ares.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <poll.h>
#include <sys/time.h>

#include <algorithm>
#include <array>
#include <memory>

#include "dns/servers.h"

namespace sealift::dns {
namespace {

constexpr int kClassIn = 1;
constexpr int kTypeTxt = 16;

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
      return Verdict::kTimeout;
    default:
      return Verdict::kBadAnswer;
  }
}

TxtAnswer Read(std::span<const uint8_t> bytes) {
  TxtAnswer answer;
  ares_txt_ext* first = nullptr;
  answer.verdict = VerdictOf(ares_parse_txt_reply_ext(bytes.data(), static_cast<int>(bytes.size()), &first));
  for (const ares_txt_ext* string = first; string != nullptr; string = string->next) {
    if (string->record_start != 0 || answer.texts.empty()) answer.texts.emplace_back();
    answer.texts.back().append(reinterpret_cast<const char*>(string->txt), string->length);
  }
  ares_free_data(first);
  return answer;
}

void OnAnswer(void* into, int status, int /*timeouts*/, unsigned char* bytes, int size) {
  TxtAnswer& answer = *static_cast<TxtAnswer*>(into);
  if (status != ARES_SUCCESS) {
    answer.verdict = VerdictOf(status);
  } else {
    answer = Read({bytes, static_cast<size_t>(size)});
  }
}

// Turns c-ares until nothing is asked any more.
void Run(ares_channel channel) {
  while (true) {
    std::array<ares_socket_t, ARES_GETSOCK_MAXNUM> sockets{};
    const int watched = ares_getsock(channel, sockets.data(), static_cast<int>(sockets.size()));
    std::vector<pollfd> polled;
    for (size_t i = 0; i < sockets.size(); ++i) {
      const bool read = ARES_GETSOCK_READABLE(watched, i) != 0;
      const bool write = ARES_GETSOCK_WRITABLE(watched, i) != 0;
      if (!read && !write) continue;
      polled.push_back({.fd = sockets.at(i),
                        .events = static_cast<short>((read ? POLLIN : 0) | (write ? POLLOUT : 0)),
                        .revents = 0});
    }
    if (polled.empty()) return;
    timeval wait{.tv_sec = 1, .tv_usec = 0};
    timeval left{};
    ares_timeout(channel, &wait, &left);
    ::poll(polled.data(), polled.size(), static_cast<int>(left.tv_sec * 1000 + left.tv_usec / 1000 + 1));
    for (const pollfd& one : polled) {
      const bool read = (one.revents & ~POLLOUT) != 0;
      const bool write = (one.revents & POLLOUT) != 0;
      ares_process_fd(channel, read ? one.fd : ARES_SOCKET_BAD, write ? one.fd : ARES_SOCKET_BAD);
    }
    ares_process_fd(channel, ARES_SOCKET_BAD, ARES_SOCKET_BAD);  // what has timed out
  }
}

}  // namespace

absl::StatusOr<TxtAnswer> LookUpTxt(std::span<const std::string> servers, const std::string& name,
                                    absl::Duration timeout, int tries) {
  const absl::StatusOr<std::vector<std::string>> asked = Servers(servers);
  if (!asked.ok()) return asked.status();
  static const int initialised = ares_library_init(ARES_LIB_INIT_ALL);
  ares_options options = {};
  options.flags = ARES_FLAG_NOSEARCH | ARES_FLAG_NOALIASES;
  options.timeout = static_cast<int>(std::clamp<int64_t>(absl::ToInt64Milliseconds(timeout), 1, 600'000));
  options.tries = tries;
  ares_channel made = nullptr;
  int status = initialised;
  if (status == ARES_SUCCESS) {
    status = ares_init_options(&made, &options, ARES_OPT_FLAGS | ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES);
  }
  const std::unique_ptr<ares_channeldata, decltype(&ares_destroy)> channel(made, &ares_destroy);
  if (status == ARES_SUCCESS) {
    status = ares_set_servers_ports_csv(made, fmt::format("{}", fmt::join(*asked, ",")).c_str());
  }
  if (status != ARES_SUCCESS) {
    return absl::InternalError(fmt::format("the DNS cannot be asked: {}", ares_strerror(status)));
  }
  TxtAnswer answer;
  ares_query(made, name.c_str(), kClassIn, kTypeTxt, OnAnswer, &answer);
  Run(made);
  return answer;
}

}  // namespace sealift::dns
