#include "engine/runtime/ring.h"

#include <fmt/format.h>
#include <liburing.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <limits>
#include <thread>
#include <utility>

#include "engine/runtime/check.h"
#include "engine/runtime/doorbell.h"
#include "engine/runtime/refusal.h"
#include "engine/runtime/root.h"

namespace sealift::engine {
namespace {

// User data that is not the address of an Operation.
constexpr uint64_t kIgnored = 0;
constexpr uint64_t kWake = 1;

// How many coroutines one turn resumes before it looks at the kernel again, so that two that keep notifying each other
// do not starve the network.
constexpr size_t kResumesPerTurn = 16384;

// A completion queue that a shard's every session fits in; beyond it the kernel keeps completions aside, more slowly.
constexpr unsigned kCompletionsPerEntry = 16;

int64_t ReadNanos(clockid_t clock) {
  timespec time{};
  clock_gettime(clock, &time);
  return int64_t{time.tv_sec} * 1'000'000'000 + time.tv_nsec;
}

bool IsTransient(int error) { return error == EINTR || error == ETIME || error == EAGAIN || error == EBUSY; }

}  // namespace

absl::StatusOr<std::unique_ptr<Ring>> Ring::Create(const Options& options) {
  // The best way of running first; a kernel that does not know a flag answers EINVAL. The ring starts disabled, so that
  // the thread that runs it, not the one that makes it, becomes its single issuer.
  constexpr unsigned kAlways = IORING_SETUP_CQSIZE | IORING_SETUP_CLAMP | IORING_SETUP_R_DISABLED;
  constexpr unsigned kTelling = IORING_SETUP_SUBMIT_ALL | IORING_SETUP_TASKRUN_FLAG;
  constexpr std::array<unsigned, 3> kWays = {
      kTelling | IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN,  // Linux 6.1
      kTelling | IORING_SETUP_COOP_TASKRUN,                                // 5.19
      0,
  };
  auto uring = std::make_unique<io_uring>();
  io_uring_params params{};
  int error = EINVAL;
  for (size_t i = 0; i < kWays.size() && error == EINVAL; ++i) {
    params = io_uring_params{};
    params.flags = kAlways | kWays[i];
    params.cq_entries = options.entries * kCompletionsPerEntry;
    error = -io_uring_queue_init_params(options.entries, uring.get(), &params);
  }
  if (error != 0) return ExplainRefusal(error, IoUringDisabled());
  constexpr unsigned kNeeded = IORING_FEAT_NODROP | IORING_FEAT_FAST_POLL | IORING_FEAT_EXT_ARG;
  const int wake_fd = (params.features & kNeeded) == kNeeded ? eventfd(0, EFD_CLOEXEC) : -1;
  if (wake_fd < 0) {
    error = (params.features & kNeeded) == kNeeded ? errno : EINVAL;
    io_uring_queue_exit(uring.get());
    return ExplainRefusal(error, IoUringDisabled());
  }
  auto ring = std::unique_ptr<Ring>(new Ring(std::move(uring), wake_fd, options.wall_clock));
  // Mail servers answer after a round trip: trying to receive before there is something would be in vain. Known to the
  // kernels that know the first two ways.
  if ((params.flags & (IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_COOP_TASKRUN)) != 0) {
    ring->recv_hints_ = IORING_RECVSEND_POLL_FIRST;
  }
  return ring;
}

Ring::Ring(std::unique_ptr<io_uring> uring, int wake_fd, std::function<absl::Time()> wall_clock)
    : uring_(std::move(uring)),
      wall_clock_(std::move(wall_clock)),
      wake_fd_(wake_fd),
      timers_(ReadNanos(CLOCK_MONOTONIC)) {
  ReadClock();
}

Ring::~Ring() {
  CHECK(!running_ && roots_ == 0, "a ring is destroyed after all that ran on it has ended");
  io_uring_queue_exit(uring_.get());
  close(wake_fd_);
}

void Ring::Run(Task<void> main) {
  CHECK(!running_, "a ring is run by one call at a time");
  running_ = true;
  Bind();
  ReadClock();
  ArmWake();

  Scope scope(*this);
  Root::Start(*this, scope, std::move(main), [](void*) {}, nullptr);
  while (true) {
    ++stats_.turns;
    timers_.Advance(now_nanos_);
    AnswerDoorbells();
    RunReady();
    if (end_of_turn_) end_of_turn_();
    if (roots_ == 0) break;
    YieldCore();
    SubmitAndWait();
    Reap();
    ReadClock();
    if (!wake_armed_) ArmWake();
  }
  CHECK(in_flight_ == 0, "every operation ends before the coroutine that awaits it");
  StopWake();
  running_ = false;
}

void Ring::Bind() {
  if (!bound_) {
    // liburing 2.3 declares io_uring_enable_rings and forgets to export it.
    const int result = io_uring_register(uring_->ring_fd, IORING_REGISTER_ENABLE_RINGS, nullptr, 0);
    CHECK(result == 0, "a new ring can be enabled");
    bound_ = true;
    thread_ = std::this_thread::get_id();
  }
  CHECK(thread_ == std::this_thread::get_id(), "a ring stays on the thread that ran it first");
  // Spares the kernel a look-up a turn. Undone when Run returns: the registration is the thread's, not the ring's.
  io_uring_register_ring_fd(uring_.get());
}

void Ring::RunReady() {
  ready_.insert(ready_.end(), yielded_.begin(), yielded_.end());
  yielded_.clear();
  size_t next = 0;
  while (next < ready_.size() && next < kResumesPerTurn) {
    const std::coroutine_handle<> coroutine = ready_[next++];
    coroutine.resume();
  }
  ready_.erase(ready_.begin(), ready_.begin() + static_cast<std::ptrdiff_t>(next));
}

// While there is always more to do, this thread would have its core until the end of a slice of milliseconds, and
// whoever is woken meanwhile (a committer, a reader, a server on the same machine) would wait for that.
void Ring::YieldCore() {
  const int64_t before = ReadNanos(CLOCK_MONOTONIC);
  std::this_thread::yield();
  patience_.Yielded(ReadNanos(CLOCK_MONOTONIC) - before);
}

void Ring::SubmitAndWait() {
  const bool idle = ready_.empty() && yielded_.empty();
  const int64_t next = idle ? timers_.NextNanos().value_or(std::numeric_limits<int64_t>::max()) : 0;
  if (next <= now_nanos_) return Submit();
  const int64_t began = ReadNanos(CLOCK_MONOTONIC);
  const bool found = patience_.nanos() > 0 && Look(std::min(next, began + patience_.nanos()));
  if (!found) SubmitAndSleep(next);
  patience_.Waited(ReadNanos(CLOCK_MONOTONIC) - began);
}

void Ring::Submit() {
  ++stats_.submits;
  const int result = io_uring_submit_and_get_events(uring_.get());
  CHECK(result >= 0 || IsTransient(-result), "io_uring_enter works, or fails for a moment");
}

bool Ring::Look(int64_t until) {
  Submit();
  while (true) {
    if (io_uring_cq_ready(uring_.get()) > 0) return true;
    // The kernel keeps completions to itself until it is entered, and says here that it has some.
    if ((IO_URING_READ_ONCE(*uring_->sq.kflags) & IORING_SQ_TASKRUN) != 0) {
      Submit();
      return true;
    }
    if (pressed_.load(std::memory_order_relaxed) != nullptr) return true;
    if (ReadNanos(CLOCK_MONOTONIC) >= until) return false;
  }
}

void Ring::SubmitAndSleep(int64_t until) {
  // Announced first, looked at second; a press does the two in the other order, so one of them sees the other.
  asleep_.store(true, std::memory_order_seq_cst);
  if (pressed_.load(std::memory_order_seq_cst) != nullptr) {
    Submit();
  } else {
    const int64_t left = std::max<int64_t>(until - ReadNanos(CLOCK_MONOTONIC), 0);
    __kernel_timespec timeout = {.tv_sec = left / 1'000'000'000, .tv_nsec = left % 1'000'000'000};
    io_uring_cqe* first = nullptr;
    ++stats_.submits;
    const int result = io_uring_submit_and_wait_timeout(uring_.get(), &first, 1, &timeout, nullptr);
    CHECK(result >= 0 || IsTransient(-result), "io_uring_enter works, or fails for a moment");
  }
  asleep_.store(false, std::memory_order_seq_cst);
}

void Ring::Reap() {
  unsigned head = 0;
  unsigned count = 0;
  io_uring_cqe* completion = nullptr;
  io_uring_for_each_cqe(uring_.get(), head, completion) {
    ++count;
    if (completion->user_data == kWake) {
      wake_armed_ = false;
    } else if (completion->user_data != kIgnored) {
      ++stats_.completions;
      --in_flight_;
      static_cast<Operation*>(io_uring_cqe_get_data(completion))->OnCompletion(completion->res);
    }
  }
  io_uring_cq_advance(uring_.get(), count);
}

void Ring::ReadClock() {
  now_nanos_ = ReadNanos(CLOCK_MONOTONIC);
  wall_nanos_ = wall_clock_ ? absl::ToUnixNanos(wall_clock_()) : ReadNanos(CLOCK_REALTIME);
}

int64_t Ring::NanosAfter(absl::Duration duration) const {
  int64_t time = 0;
  const bool beyond = __builtin_add_overflow(now_nanos_, absl::ToInt64Nanoseconds(duration), &time);
  return beyond ? std::numeric_limits<int64_t>::max() : time;
}

io_uring_sqe& Ring::NextSqe() {
  while (true) {
    if (io_uring_sqe* sqe = io_uring_get_sqe(uring_.get()); sqe != nullptr) return *sqe;
    // The batch is full. A kernel that has no room for more completions wants them reaped first, which resumes nobody.
    ++stats_.submits;
    const int result = io_uring_submit(uring_.get());
    CHECK(result >= 0 || IsTransient(-result), "io_uring_enter works, or fails for a moment");
    if (result < 0) Reap();
  }
}

void Ring::Start(Operation& operation) {
  CHECK(running_, "operations belong to a running ring");
  const Operation::Request& request = operation.request_;
  io_uring_sqe& sqe = NextSqe();
  io_uring_prep_rw(request.opcode, &sqe, request.fd, request.address, request.length, request.offset);
  sqe.rw_flags = static_cast<int>(request.flags);  // in a union with the flags of every other request
  sqe.ioprio = request.hints;
  sqe.user_data = reinterpret_cast<uint64_t>(&operation);
  ++in_flight_;
}

// A new operation at the same address cannot be hit: requests are submitted in order, so this one runs before it.
void Ring::Cancel(Operation& operation) { CancelRequest(reinterpret_cast<uint64_t>(&operation)); }

void Ring::CancelRequest(uint64_t user_data) {
  io_uring_sqe& sqe = NextSqe();
  io_uring_prep_cancel64(&sqe, user_data, 0);
  sqe.user_data = kIgnored;
}

void Ring::ArmWake() {
  io_uring_sqe& sqe = NextSqe();
  wake_armed_ = true;
  io_uring_prep_read(&sqe, wake_fd_, &wake_count_, sizeof(wake_count_), 0);
  sqe.user_data = kWake;
}

// Ends with nothing in flight, and with what was still to be closed submitted.
void Ring::StopWake() {
  running_ = false;
  CancelRequest(kWake);
  while (wake_armed_) {
    SubmitAndWait();
    Reap();
  }
  io_uring_unregister_ring_fd(uring_.get());
}

void Ring::OnPress(Doorbell& doorbell) {
  Doorbell* head = pressed_.load(std::memory_order_relaxed);
  do {
    doorbell.next_ = head;
  } while (!pressed_.compare_exchange_weak(head, &doorbell, std::memory_order_seq_cst));
  if (!asleep_.load(std::memory_order_seq_cst) || !asleep_.exchange(false, std::memory_order_seq_cst)) return;
  const uint64_t one = 1;
  const ssize_t written = write(wake_fd_, &one, sizeof(one));
  CHECK(written == sizeof(one), "an eventfd takes a count of one");
}

void Ring::AnswerDoorbells() {
  if (pressed_.load(std::memory_order_relaxed) == nullptr) return;
  Doorbell* doorbell = pressed_.exchange(nullptr, std::memory_order_seq_cst);
  while (doorbell != nullptr) {
    Doorbell* const next = doorbell->next_;
    // From here on it can be pressed, and linked, again.
    doorbell->pressed_.exchange(false, std::memory_order_seq_cst);
    doorbell->answer_(doorbell->context_);
    doorbell = next;
  }
}

void Ring::Forget(Doorbell& doorbell) {
  Doorbell* pressed = pressed_.exchange(nullptr, std::memory_order_seq_cst);
  while (pressed != nullptr) {
    Doorbell* const next = pressed->next_;
    if (pressed != &doorbell) OnPress(*pressed);
    pressed = next;
  }
}

Io<int> Ring::Accept(int fd) {
  return Io<int>(*this, {.opcode = IORING_OP_ACCEPT, .fd = fd, .flags = SOCK_CLOEXEC, .verb = "accept"});
}

Io<void> Ring::Connect(int fd, const Endpoint& to) {
  return Io<void>(*this,
                  {.opcode = IORING_OP_CONNECT, .fd = fd, .address = &to.addr, .offset = to.size, .verb = "connect"});
}

Io<size_t> Ring::Recv(int fd, std::span<char> buffer) {
  return Io<size_t>(*this, {.opcode = IORING_OP_RECV,
                            .fd = fd,
                            .address = buffer.data(),
                            .length = static_cast<uint32_t>(buffer.size()),
                            .hints = recv_hints_,
                            .verb = "recv"});
}

Io<size_t> Ring::Send(int fd, std::span<const char> bytes) {
  return Io<size_t>(*this, {.opcode = IORING_OP_SEND,
                            .fd = fd,
                            .address = bytes.data(),
                            .length = static_cast<uint32_t>(bytes.size()),
                            .flags = MSG_NOSIGNAL,
                            .verb = "send"});
}

Io<unsigned> Ring::Poll(int fd, short events) {
  return Io<unsigned>(*this,
                      {.opcode = IORING_OP_POLL_ADD, .fd = fd, .flags = static_cast<uint16_t>(events), .verb = "poll"});
}

void Ring::Close(int fd) {
  if (!running_) {
    close(fd);
    return;
  }
  io_uring_sqe& sqe = NextSqe();
  io_uring_prep_close(&sqe, fd);
  sqe.user_data = kIgnored;
}

Sleeping Ring::Sleep(absl::Duration duration) { return Sleeping(*this, NanosAfter(duration)); }

Sleeping Ring::SleepUntil(absl::Time time) { return Sleep(time - Now()); }

Yielding Ring::Yield() { return Yielding(*this); }

}  // namespace sealift::engine
