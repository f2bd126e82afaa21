// Timers that send signals, and those that are files.

#include <fcntl.h>
#include <signal.h>
#include <sys/time.h>

#include "sandbox/microvm/files/objects.h"
#include "sandbox/microvm/kernel/clocks.h"
#include "sandbox/microvm/kernel/handlers.h"
#include "sandbox/microvm/kernel/times.h"

namespace shrike::sandbox::microvm {
namespace {
constexpr size_t timers_most = 256;
constexpr uint64_t interval_least_ns = 1000;  // what fires more often only counts overruns

/// Which timer, and what its clock shows now.
struct Interval {
  IntervalTimer* timer = nullptr;
  uint64_t now = 0;
};

std::optional<Interval> interval_of(Request& request, int which) {
  Process& process = request.process;
  switch (which) {
    case ITIMER_REAL:
      return Interval{&process.real_timer, request.system.clock.now()};
    case ITIMER_VIRTUAL:
      return Interval{&process.virtual_timer, System::process_cpu(process)};
    case ITIMER_PROF:
      return Interval{&process.prof_timer, System::process_cpu(process)};
    default:
      return std::nullopt;
  }
}

uint64_t left(const IntervalTimer& timer, uint64_t now) {
  if (timer.next == 0) return 0;
  return timer.next > now ? timer.next - now : 1;
}

struct ::itimerval show(const Interval& which) {
  return {timeval_of(which.timer->interval), timeval_of(left(*which.timer, which.now))};
}

IntervalTimer start(uint64_t now, uint64_t value, uint64_t interval) {
  if (value == 0) return {};
  return {now + value, interval == 0 ? 0 : std::max(interval, interval_least_ns)};
}
}  // namespace

int64_t on_getitimer(Request& request) {
  const auto which = interval_of(request, request.number(0));
  if (!which) return -EINVAL;
  return request.memory.put(request.args[1], show(*which)) ? 0 : -EFAULT;
}

int64_t on_setitimer(Request& request) {
  const auto which = interval_of(request, request.number(0));
  if (!which) return -EINVAL;
  struct ::itimerval wanted {};
  if (request.args[1] != 0 && !request.memory.get(request.args[1], wanted)) return -EFAULT;
  uint64_t value = 0, interval = 0;
  if (duration_of(wanted.it_value, value) < 0 || duration_of(wanted.it_interval, interval) < 0) return -EINVAL;
  const struct ::itimerval before = show(*which);
  *which->timer = start(which->now, value, interval);
  if (request.number(0) == ITIMER_REAL) request.system.expect_timer(which->timer->next);
  return request.memory.put_if(request.args[2], before) ? 0 : -EFAULT;
}

int64_t on_alarm(Request& request) {
  IntervalTimer& timer = request.process.real_timer;
  const uint64_t now = request.system.clock.now();
  const uint64_t before = left(timer, now);
  timer = start(now, (request.args[0] & 0xffffffff) * second_ns, 0);
  request.system.expect_timer(timer.next);
  // Rounded, but never to nothing.
  return before == 0 ? 0 : static_cast<int64_t>(std::max<uint64_t>(1, (before + second_ns / 2) / second_ns));
}

int64_t on_timer_create(Request& request) {
  const int clock = request.number(0);
  if (!read_clock(request.system, request.thread, clock)) return -EINVAL;
  Process& process = request.process;
  if (process.timers.size() >= timers_most) return -EAGAIN;
  PosixTimer timer{.clock = clock, .notify = SIGEV_SIGNAL, .signal = SIGALRM};
  const int id = process.next_timer;
  timer.value = static_cast<uint64_t>(id);
  if (request.args[1] != 0) {
    struct ::sigevent event {};
    if (!request.memory.get(request.args[1], event)) return -EFAULT;
    timer.notify = event.sigev_notify;
    timer.signal = event.sigev_signo;
    timer.value = reinterpret_cast<uint64_t>(event.sigev_value.sival_ptr);
    if (timer.notify == SIGEV_THREAD_ID) {
      timer.tid = static_cast<uint32_t>(event._sigev_un._tid);
      const Thread* thread = request.system.find_thread(timer.tid);
      if (thread == nullptr || thread->process != &process) return -EINVAL;
    } else if (timer.notify == SIGEV_NONE) {
      timer.signal = 0;
    } else if (timer.notify != SIGEV_SIGNAL) {
      return -EINVAL;
    }
    if (timer.notify != SIGEV_NONE && !valid_signal(timer.signal)) return -EINVAL;
  }
  if (!request.memory.put(request.args[2], int32_t{id})) return -EFAULT;
  process.timers.emplace(id, timer);
  process.next_timer = id == INT32_MAX ? 0 : id + 1;
  return 0;
}

namespace {
PosixTimer* find_timer(Request& request) {
  const auto found = request.process.timers.find(request.number(0));
  return found == request.process.timers.end() ? nullptr : &found->second;
}

// Timers of clocks that can be set are kept in the one that cannot.
uint64_t base_now(const Request& request, const PosixTimer& timer) {
  return System::cpu_clock(timer.clock) ? System::process_cpu(request.process) : request.system.clock.now();
}

struct ::itimerspec show(const PosixTimer& timer, uint64_t now) {
  return {timespec_of(timer.when.interval), timespec_of(left(timer.when, now))};
}
}  // namespace

int64_t on_timer_settime(Request& request) {
  PosixTimer* timer = find_timer(request);
  if (timer == nullptr) return -EINVAL;
  struct ::itimerspec wanted {};
  if (!request.memory.get(request.args[2], wanted)) return -EFAULT;
  uint64_t value = 0, interval = 0;
  if (duration_of(wanted.it_value, value) < 0 || duration_of(wanted.it_interval, interval) < 0) return -EINVAL;
  const uint64_t now = base_now(request, *timer);
  const struct ::itimerspec before = show(*timer, now);
  if (value != 0 && (request.args[1] & TIMER_ABSTIME) != 0) {
    const uint64_t shown = read_clock(request.system, request.thread, timer->clock).value_or(0);
    value = value > shown ? value - shown : 1;
  }
  timer->when = start(now, value, interval);
  timer->overruns = 0;
  if (!System::cpu_clock(timer->clock)) request.system.expect_timer(timer->when.next);
  return request.memory.put_if(request.args[3], before) ? 0 : -EFAULT;
}

int64_t on_timer_gettime(Request& request) {
  const PosixTimer* timer = find_timer(request);
  if (timer == nullptr) return -EINVAL;
  return request.memory.put(request.args[1], show(*timer, base_now(request, *timer))) ? 0 : -EFAULT;
}

int64_t on_timer_getoverrun(Request& request) {
  const PosixTimer* timer = find_timer(request);
  return timer == nullptr ? -EINVAL : timer->overruns;
}

int64_t on_timer_delete(Request& request) { return request.process.timers.erase(request.number(0)) == 0 ? -EINVAL : 0; }

int64_t on_timerfd_create(Request& request) {
  const uint64_t flags = request.args[1];
  if ((flags & ~uint64_t{TFD_CLOEXEC | TFD_NONBLOCK}) != 0) return -EINVAL;
  System* system = &request.system;
  // What real time shows is asked of whoever looks; cpu clocks have no timer files.
  const auto now = [system](int clock) { return real_clock(clock) ? system->clock.real() : system->clock.now(); };
  std::shared_ptr<TimerFile> file;
  const int64_t error = make_timer(system->files.store(), request.number(0), static_cast<int>(flags), now, file);
  return error < 0 ? error : request.install(std::move(file), (flags & TFD_CLOEXEC) != 0);
}

int64_t on_timerfd_settime(Request& request) {
  const FilePtr file = request.file(0);
  const auto timer = std::dynamic_pointer_cast<TimerFile>(file);
  struct ::itimerspec wanted {
  }, before{};
  if (!request.memory.get(request.args[2], wanted)) return -EFAULT;
  if (!file) return -EBADF;
  if (!timer) return -EINVAL;
  if (const int64_t error = timer->set(request.number(1), wanted, before); error < 0) return error;
  return request.memory.put_if(request.args[3], before) ? 0 : -EFAULT;
}

int64_t on_timerfd_gettime(Request& request) {
  const FilePtr file = request.file(0);
  const auto timer = std::dynamic_pointer_cast<TimerFile>(file);
  struct ::itimerspec shown {};
  if (!file) return -EBADF;
  if (!timer) return -EINVAL;
  if (const int64_t error = timer->get(shown); error < 0) return error;
  return request.memory.put(request.args[1], shown) ? 0 : -EFAULT;
}

}  // namespace shrike::sandbox::microvm
