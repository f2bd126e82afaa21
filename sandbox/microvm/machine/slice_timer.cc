#include "sandbox/microvm/machine/slice_timer.h"

#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <utility>

namespace shrike::sandbox::microvm {
namespace {

constexpr long second_ns = 1'000'000'000;

int slice_signal() { return SIGRTMIN + 3; }

void on_signal(int, siginfo_t* info, void*) {
  // Others may send the signal, but only a timer of ours comes with a pointer.
  if (info->si_code == SI_TIMER && info->si_value.sival_ptr != nullptr)
    std::atomic_ref(*static_cast<uint8_t*>(info->si_value.sival_ptr)).store(1, std::memory_order_relaxed);
}

}  // namespace

Result<SliceTimer> SliceTimer::create(uint8_t* flag) {
  struct sigaction action {};
  action.sa_sigaction = on_signal;
  action.sa_flags = SA_SIGINFO;
  if (::sigaction(slice_signal(), &action, nullptr) != 0) return errno_error("sigaction of the time slice");
  sigevent event{};
  event.sigev_notify = SIGEV_THREAD_ID;
  event.sigev_signo = slice_signal();
  event.sigev_value.sival_ptr = flag;
  event._sigev_un._tid = static_cast<pid_t>(::syscall(SYS_gettid));
  timer_t timer{};
  if (::timer_create(CLOCK_MONOTONIC, &event, &timer) != 0) return errno_error("timer_create of the time slice");
  return SliceTimer(timer, flag);
}

SliceTimer::SliceTimer(SliceTimer&& other) noexcept
    : timer_(other.timer_), flag_(std::exchange(other.flag_, nullptr)) {}

SliceTimer& SliceTimer::operator=(SliceTimer&& other) noexcept {
  std::swap(timer_, other.timer_);
  std::swap(flag_, other.flag_);
  return *this;
}

SliceTimer::~SliceTimer() {
  if (flag_ != nullptr) ::timer_delete(timer_);
}

Result<void> SliceTimer::start(uint64_t ns) {
  std::atomic_ref(*flag_).store(0, std::memory_order_relaxed);
  const itimerspec when{{}, {static_cast<time_t>(ns / second_ns), static_cast<long>(ns % second_ns)}};
  if (::timer_settime(timer_, 0, &when, nullptr) != 0) return errno_error("timer_settime of the time slice");
  return {};
}

void SliceTimer::stop() {
  const itimerspec never{};
  ::timer_settime(timer_, 0, &never, nullptr);
}

}  // namespace shrike::sandbox::microvm
