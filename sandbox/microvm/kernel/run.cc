// The loop: one thread runs on the virtual CPU until its slice is over or it must wait; when all wait for time, time
// jumps.

#include <sys/wait.h>

#include <algorithm>

#include "sandbox/microvm/kernel/system.h"

namespace shrike::sandbox::microvm {
namespace {
constexpr uint64_t slice_ns = 4'000'000;
// How far the clock may run ahead: who sleeps longer has been seen to sleep.
constexpr uint64_t virtual_most_ns = 24ull * 3600 * 1'000'000'000;
}  // namespace

void System::finish(Status status, std::string cause, int signal) {
  if (finished_) return;
  finished_ = true;
  status_ = status;
  cause_ = std::move(cause);
  signal_ = signal;
}

// Asks a waiting thread's call whether it can end now.
bool System::try_wait(Thread& thread) {
  // The call may change what the thread waits for; it works on what it had.
  const auto result = thread.wait->again ? thread.wait->again() : std::nullopt;
  if (result) {
    complete(thread, *result);
  } else if (thread.wait && thread.wait->deadline && clock.now() >= *thread.wait->deadline) {
    futexes.remove(thread);
    complete(thread, thread.wait->at_deadline);
  }
  return !thread.wait;
}

Thread* System::next_runnable() {
  std::vector<uint32_t> order;
  for (const auto& [tid, thread] : threads) order.push_back(tid);
  bool ended = false;  // a signal has ended or stopped somebody
  const auto after = std::upper_bound(order.begin(), order.end(), last_run_);
  std::rotate(order.begin(), after, order.end());
  for (const uint32_t tid : order) {
    Thread* thread = find_thread(tid);
    if (thread == nullptr || thread->process->stopped) continue;
    current = thread;
    if (thread->wait && has_signal(*thread) && !deliver(*thread)) {
      ended = true;
      continue;
    }
    if (thread->wait && !try_wait(*thread)) continue;
    if (finished_) return nullptr;
    last_run_ = tid;
    return thread;
  }
  current = nullptr;
  // Somebody whose call was asked before may have waited for just that.
  return ended && !finished_ ? next_runnable() : nullptr;
}

// Nobody can run: to the next thing that time brings.
bool System::skip_time() {
  uint64_t next = run_timers().value_or(UINT64_MAX);
  bool stopped = true;
  for (const auto& [tid, thread] : threads) {
    if (thread->process->stopped) continue;
    stopped = false;
    if (!thread->wait) return true;  // a timer's signal has just woken it
    if (has_signal(*thread) && !thread->wait->killable_only) return true;
    if (thread->wait->deadline) next = std::min(next, *thread->wait->deadline);
    for (const FilePtr& file : thread->wait->files) next = std::min(next, file->wakes_at().value_or(UINT64_MAX));
  }
  if (next == UINT64_MAX) {
    finish(Status::timed_out,
           stopped ? "all its processes are stopped" : "all its threads wait for something that cannot happen",
           SIGKILL);
    return false;
  }
  if (next > clock.boot_ns() + virtual_most_ns) {
    finish(Status::timed_out, "it sleeps until its own clock is past 24 hours", SIGKILL);
    return false;
  }
  clock.skip_to(next);
  run_timers();
  return true;
}

bool System::over_limits() {
  if (options.stop && options.stop()) {
    finish(Status::timed_out, "it was stopped from outside", SIGKILL);
  } else if (clock.spent() > static_cast<uint64_t>(std::chrono::nanoseconds(options.limits.wall).count())) {
    finish(Status::timed_out, "its wall time is over", SIGKILL);
  } else if (cpu_ns_ > static_cast<uint64_t>(std::chrono::nanoseconds(options.limits.cpu).count())) {
    finish(Status::timed_out, "its cpu time is over", SIGKILL);
  }
  return finished_;
}

void System::run_slice(Thread& thread) {
  const uint64_t end = clock.spent() + slice_ns;
  yielded = false;
  while (!thread.gone && !over_limits() && deliver(thread) && !thread.wait) {
    const uint64_t begin = clock.spent();
    if (begin >= end) break;
    const Exit exit = cpu.run(thread.context, thread.process->space->table(), end - begin);
    charge(thread, clock.spent() - begin);
    if (!thread.gone) handle_exit(thread, exit);
    if (clock.now() >= timers_due_) run_timers();
    if (yielded || exit.kind == Exit::Kind::interrupted) break;
  }
}

void System::run(Report& report) {
  while (!finished_ && !threads.empty()) {
    if (over_limits()) break;
    Thread* thread = next_runnable();
    if (thread != nullptr) {
      run_slice(*thread);
    } else if (!threads.empty() && !finished_) {
      skip_time();
    }
    current = nullptr;
    sweep();
  }
  // Calls that were being made when the job ended.
  for (const auto& [tid, thread] : threads) {
    if (!thread->call) continue;
    thread->call->flags |= call_no_return;
    tell(std::move(*thread->call));
    thread->call.reset();
  }
  fill(report);
}

void System::fill(Report& report) {
  for (const auto& [pid, process] : table) {
    if (process->space) write_back(*process->space);
    if (process->report_index < listed_.size()) listed_[process->report_index].calls = process->calls;
  }
  report.status = status_;
  report.cause = cause_;
  report.signal = signal_;
  if (!finished_ && first_status_) {
    if (WIFEXITED(*first_status_)) {
      report.status = Status::ok;
      report.exit_code = WEXITSTATUS(*first_status_);
    } else {
      report.status = Status::signalled;
      report.signal = WTERMSIG(*first_status_);
    }
  }
  report.wall_ns = clock.spent();
  report.cpu_ns = cpu_ns_;
  report.virtual_ns = clock.elapsed();
  report.peak_memory_bytes = physical.peak_bytes();
  report.calls = calls_;
  report.calls_denied = denied_;
  report.calls_unknown = unknown_;
  report.events_told = told_;
  report.events_dropped = dropped_;
  report.processes = listed_;
  report.processes_dropped = listed_dropped_;
  report.connections = sockets->connections(report_list_max, report.connections_dropped);
  report.refusals_dropped = refusals_dropped_;
  for (const auto& [what, count] : refusals_) report.refusals.push_back({what.first, what.second, count});
}

}  // namespace shrike::sandbox::microvm
