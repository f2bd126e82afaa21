// Clocks and sleep.

#include <sys/times.h>
#include <sys/timex.h>

#include "sandbox/microvm/kernel/clocks.h"
#include "sandbox/microvm/kernel/handlers.h"
#include "sandbox/microvm/kernel/times.h"

namespace shrike::sandbox::microvm {

std::optional<uint64_t> read_clock(const System& system, const Thread& thread, int clock) {
  switch (clock) {
    case CLOCK_REALTIME:
    case CLOCK_REALTIME_COARSE:
    case CLOCK_REALTIME_ALARM:
      return system.clock.real();
    case CLOCK_TAI:
      return system.clock.real() + 37 * second_ns;
    case CLOCK_MONOTONIC:
    case CLOCK_MONOTONIC_RAW:
    case CLOCK_MONOTONIC_COARSE:
    case CLOCK_BOOTTIME:
    case CLOCK_BOOTTIME_ALARM:
      return system.clock.now();
    case CLOCK_PROCESS_CPUTIME_ID:
      return System::process_cpu(*thread.process);
    case CLOCK_THREAD_CPUTIME_ID:
      return thread.cpu_ns;
    default:
      break;
  }
  if (clock >= 0) return std::nullopt;
  // Of another process or thread: its id, negated, above three bits of kind (bit 2: a thread's).
  const auto id = static_cast<uint32_t>(~(clock >> 3));
  if ((clock & 4) != 0) {
    const auto found = id == 0 ? system.threads.find(thread.tid) : system.threads.find(id);
    return found == system.threads.end() ? std::nullopt : std::optional(found->second->cpu_ns);
  }
  const auto found = system.table.find(id == 0 ? thread.process->pid : id);
  return found == system.table.end() ? std::nullopt : std::optional(System::process_cpu(*found->second));
}

bool real_clock(int clock) { return clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_ALARM || clock == CLOCK_TAI; }

int64_t on_clock_gettime(Request& request) {
  const auto ns = read_clock(request.system, request.thread, request.number(0));
  if (!ns) return -EINVAL;
  return request.memory.put(request.args[1], timespec_of(*ns)) ? 0 : -EFAULT;
}

int64_t on_clock_getres(Request& request) {
  const int clock = request.number(0);
  if (!read_clock(request.system, request.thread, clock)) return -EINVAL;
  const bool coarse = clock == CLOCK_REALTIME_COARSE || clock == CLOCK_MONOTONIC_COARSE;
  return request.memory.put_if(request.args[1], timespec_of(coarse ? 4'000'000 : 1)) ? 0 : -EFAULT;
}

int64_t on_clock_settime(Request& request) {
  uint64_t ns = 0;
  if (request.number(0) != CLOCK_REALTIME) return -EINVAL;
  if (const int64_t error = read_duration(request.memory, request.args[1], ns); error < 0) return error;
  if ((request.process.credentials.effective >> 25 & 1) == 0) return -EPERM;  // CAP_SYS_TIME
  request.system.clock.set_real(ns);
  return 0;
}

int64_t on_gettimeofday(Request& request) {
  struct ::timezone zone {};
  return request.memory.put_if(request.args[0], timeval_of(request.system.clock.real())) &&
                 request.memory.put_if(request.args[1], zone)
             ? 0
             : -EFAULT;
}

int64_t on_settimeofday(Request& request) {
  struct ::timeval time {};
  uint64_t ns = 0;
  if (request.args[0] == 0) return 0;
  if (!request.memory.get(request.args[0], time)) return -EFAULT;
  if (const int64_t error = duration_of(time, ns); error < 0) return error;
  if ((request.process.credentials.effective >> 25 & 1) == 0) return -EPERM;
  request.system.clock.set_real(ns);
  return 0;
}

int64_t on_time(Request& request) {
  const auto seconds = static_cast<int64_t>(request.system.clock.real() / second_ns);
  return request.memory.put_if(request.args[0], seconds) ? seconds : -EFAULT;
}

int64_t on_times(Request& request) {
  const auto ticks = [](uint64_t ns) { return static_cast<clock_t>(ns / (second_ns / 100)); };
  struct ::tms used {};
  used.tms_utime = ticks(System::process_cpu(request.process));
  used.tms_cutime = ticks(request.process.children_cpu_ns);
  return request.memory.put_if(request.args[0], used) ? ticks(request.system.clock.now()) : -EFAULT;
}

namespace {
int64_t sleep_until(Request& request, uint64_t deadline, uint64_t remaining_at) {
  Wait wait;
  wait.deadline = deadline;
  wait.interrupted = [&system = request.system, memory = request.memory, deadline, remaining_at]() -> int64_t {
    const uint64_t now = system.clock.now();
    return memory.put_if(remaining_at, timespec_of(deadline > now ? deadline - now : 0)) ? -EINTR : -EFAULT;
  };
  return request.wait(std::move(wait));
}
}  // namespace

int64_t on_nanosleep(Request& request) {
  uint64_t length = 0;
  if (const int64_t error = read_duration(request.memory, request.args[0], length); error < 0) return error;
  return sleep_until(request, deadline_in(request.system.clock, length), request.args[1]);
}

int64_t on_clock_nanosleep(Request& request) {
  const int clock = request.number(0);
  const auto now = read_clock(request.system, request.thread, clock);
  uint64_t length = 0;
  if (!now || clock == CLOCK_THREAD_CPUTIME_ID) return -EINVAL;
  if (const int64_t error = read_duration(request.memory, request.args[2], length); error < 0) return error;
  if (System::cpu_clock(clock)) return request.unsupported("clock_nanosleep on a cpu clock", -EOPNOTSUPP);
  if ((request.args[1] & TIMER_ABSTIME) == 0)
    return sleep_until(request, deadline_in(request.system.clock, length), request.args[3]);
  return sleep_until(request, deadline_in(request.system.clock, length > *now ? length - *now : 0), 0);
}

int64_t on_adjtimex(Request& request) {
  struct ::timex time {};
  const size_t argument = request.thread.call->number == 305 ? 1 : 0;  // clock_adjtime has a clock in front
  if (!request.memory.get(request.args[argument], time)) return -EFAULT;
  if (time.modes != 0) return -EPERM;
  time = {};
  time.time = timeval_of(request.system.clock.real());
  time.tick = 10'000;
  return request.memory.put(request.args[argument], time) ? TIME_OK : -EFAULT;
}

}  // namespace shrike::sandbox::microvm
