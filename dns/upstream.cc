#include "dns/upstream.h"

#include <ares.h>
#include <fmt/format.h>
#include <sys/random.h>
#include <sys/time.h>

#include <algorithm>
#include <utility>

namespace sealift::dns {
namespace {

constexpr int kClassIn = 1;
constexpr int kRecursionDesired = 1;
constexpr int kNoEdns = 0;
constexpr int kReceiveBufferBytes = 1 << 20;  // answers of a whole turn's questions may wait in it

// RFC 6840 5.7: asks for the AD bit of the answer without asking for signatures. In the fourth byte of the header.
constexpr size_t kFlagsByte = 3;
constexpr unsigned char kAuthenticData = 0x20;

// Unpredictable: it is what an answer from elsewhere would have to guess.
uint16_t DrawId() {
  uint16_t id = 0;
  while (getrandom(&id, sizeof id, 0) != sizeof id) {
  }
  return id;
}

absl::Status Failed(const std::string& server, int status) {
  return absl::InternalError(fmt::format("the resolver {} cannot be set up: {}", server, ares_strerror(status)));
}

}  // namespace

absl::StatusOr<std::unique_ptr<Upstream>> Upstream::Create(const std::string& server, absl::Duration timeout,
                                                           Reactor& reactor) {
  static const int initialised = ares_library_init(ARES_LIB_INIT_ALL);
  if (initialised != ARES_SUCCESS) return Failed(server, initialised);
  std::unique_ptr<Upstream> upstream(new Upstream(reactor));
  ares_options options = {};
  options.flags = ARES_FLAG_NOCHECKRESP | ARES_FLAG_NOSEARCH | ARES_FLAG_NOALIASES;
  options.timeout = static_cast<int>(std::clamp<int64_t>(absl::ToInt64Milliseconds(timeout), 1, 600'000));
  options.tries = 1;
  options.socket_receive_buffer_size = kReceiveBufferBytes;
  options.sock_state_cb = OnSocketState;
  options.sock_state_cb_data = upstream.get();
  const int mask = ARES_OPT_FLAGS | ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_SOCK_RCVBUF | ARES_OPT_SOCK_STATE_CB;
  if (const int status = ares_init_options(&upstream->channel_, &options, mask); status != ARES_SUCCESS) {
    return Failed(server, status);
  }
  if (const int status = ares_set_servers_ports_csv(upstream->channel_, server.c_str()); status != ARES_SUCCESS) {
    return Failed(server, status);
  }
  return upstream;
}

Upstream::~Upstream() {
  closing_ = true;
  if (channel_ != nullptr) ares_destroy(channel_);
}

bool Upstream::Ask(const std::string& name, uint16_t type, Callback callback) {
  unsigned char* bytes = nullptr;
  int size = 0;
  const int status =
      ares_create_query(name.c_str(), kClassIn, type, DrawId(), kRecursionDesired, &bytes, &size, kNoEdns);
  if (status != ARES_SUCCESS) return false;
  bytes[kFlagsByte] |= kAuthenticData;
  auto query = std::make_unique<Query>(Query{.upstream = this, .callback = std::move(callback)});
  ares_send(channel_, bytes, size, OnAnswer, query.release());
  ares_free_string(bytes);
  return true;
}

bool Upstream::Watches(int fd) const { return std::find(watched_.begin(), watched_.end(), fd) != watched_.end(); }

void Upstream::OnReady(int fd, bool readable, bool writable) {
  ares_process_fd(channel_, readable ? fd : ARES_SOCKET_BAD, writable ? fd : ARES_SOCKET_BAD);
}

void Upstream::OnTimer() {
  // What has arrived is read first: an answer is not late because this thread is.
  const std::vector<int> watched = watched_;
  for (const int fd : watched) {
    if (Watches(fd)) ares_process_fd(channel_, fd, ARES_SOCKET_BAD);
  }
  ares_process_fd(channel_, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
}

absl::Duration Upstream::NextTimeout() const {
  timeval timeout;
  if (ares_timeout(channel_, nullptr, &timeout) == nullptr) return absl::InfiniteDuration();
  return absl::DurationFromTimeval(timeout);
}

// From within c-ares, before it closes a socket. The Reactor promises not to call back, so nothing has to be put off.
void Upstream::OnSocketState(void* upstream, int fd, int read, int write) {
  auto* self = static_cast<Upstream*>(upstream);
  const bool watched = self->Watches(fd);
  const bool wanted = read != 0 || write != 0;
  if (!watched && !wanted) return;
  if (!watched) self->watched_.push_back(fd);
  if (!wanted) std::erase(self->watched_, fd);
  self->reactor_.Watch(fd, read != 0, write != 0);
}

void Upstream::OnAnswer(void* query, int status, int /*timeouts*/, unsigned char* answer, int size) {
  const std::unique_ptr<Query> self(static_cast<Query*>(query));
  if (self->upstream->closing_) return;
  const bool answered = status == ARES_SUCCESS && answer != nullptr && size > 0;
  self->callback(answered ? std::span<const uint8_t>(answer, static_cast<size_t>(size)) : std::span<const uint8_t>());
}

}  // namespace sealift::dns
