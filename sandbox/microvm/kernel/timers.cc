// Timers that send signals: alarms, interval timers, POSIX timers, limits of cpu time.

#include "sandbox/microvm/kernel/system.h"

namespace shrike::sandbox::microvm {
namespace {
// Moves a timer past `now`; how often it would have fired besides the first time.
uint64_t advance(IntervalTimer& timer, uint64_t now) {
  if (timer.interval == 0) {
    timer.next = 0;
    return 0;
  }
  const uint64_t missed = (now - timer.next) / timer.interval;
  timer.next += (missed + 1) * timer.interval;
  return missed;
}

bool due(const IntervalTimer& timer, uint64_t now) { return timer.next != 0 && timer.next <= now; }
}  // namespace

void System::fire(Process& process, int id, PosixTimer& timer, uint64_t now) {
  const uint64_t missed = advance(timer.when, now);
  const SignalInfo info{.number = timer.signal,
                        .code = SI_TIMER,
                        .status = static_cast<int32_t>(std::min<uint64_t>(missed, INT32_MAX)),
                        .value = timer.value,
                        .timer = id};
  timer.overruns = info.status;
  if (!valid_signal(timer.signal)) return;
  Thread* thread = timer.tid == 0 ? nullptr : find_thread(timer.tid);
  if (thread != nullptr && thread->process == &process)
    send(*thread, info);
  else if (timer.tid == 0)
    send(process, info);
}

std::optional<uint64_t> System::run_timers() {
  const uint64_t now = clock.now();
  std::vector<uint32_t> pids;
  for (const auto& [pid, process] : table) pids.push_back(pid);
  for (const uint32_t pid : pids) {
    Process* process = find_process(pid);
    if (process == nullptr || process->zombie) continue;
    if (due(process->real_timer, now)) {
      advance(process->real_timer, now);
      send(*process, {.number = SIGALRM, .code = SI_KERNEL});
    }
    for (auto& [id, timer] : process->timers) {
      if (process->zombie) break;
      if (!cpu_clock(timer.clock) && due(timer.when, now)) fire(*process, id, timer, now);
    }
  }
  uint64_t next = UINT64_MAX;
  const auto consider = [&](const IntervalTimer& timer) {
    if (timer.next != 0) next = std::min(next, timer.next);
  };
  for (const auto& [pid, process] : table) {
    if (process->zombie) continue;
    consider(process->real_timer);
    for (const auto& [id, timer] : process->timers)
      if (!cpu_clock(timer.clock)) consider(timer.when);
  }
  timers_due_ = next;
  return next == UINT64_MAX ? std::nullopt : std::optional(next);
}

// Timers of cpu time, which runs only here.
void System::charge(Thread& thread, uint64_t ns) {
  thread.cpu_ns += ns;
  cpu_ns_ += ns;
  Process& process = *thread.process;
  const uint64_t used = process_cpu(process);
  for (auto [timer, signal] : {std::pair(&process.virtual_timer, SIGVTALRM), std::pair(&process.prof_timer, SIGPROF)}) {
    if (!due(*timer, used)) continue;
    advance(*timer, used);
    send(process, {.number = signal, .code = SI_KERNEL});
  }
  for (auto& [id, timer] : process.timers)
    if (cpu_clock(timer.clock) && due(timer.when, used)) fire(process, id, timer, used);
  const struct ::rlimit& limit = process.limits[RLIMIT_CPU];
  if (used / 1'000'000'000 >= limit.rlim_max) {
    end_process(process, SIGKILL);
  } else if (used / 1'000'000'000 >= limit.rlim_cur && process.cpu_warned_s != used / 1'000'000'000) {
    process.cpu_warned_s = used / 1'000'000'000;
    send(process, {.number = SIGXCPU, .code = SI_KERNEL});
  }
}

uint64_t System::process_cpu(const Process& process) {
  uint64_t used = process.cpu_ns;
  for (const auto& thread : process.threads)
    if (!thread->gone) used += thread->cpu_ns;
  return used;
}

}  // namespace shrike::sandbox::microvm
