// A signal is sent: queued, or done at once where nobody needs to run for it.

#include "sandbox/microvm/kernel/system.h"

namespace shrike::sandbox::microvm {
namespace {
constexpr uint64_t stops = signal_bit(SIGSTOP) | signal_bit(SIGTSTP) | signal_bit(SIGTTIN) | signal_bit(SIGTTOU);
constexpr uint64_t ignored = 1;  // SIG_IGN

bool ignores(const Process& process, int number) {
  const SignalAction& action = (*process.actions)[static_cast<size_t>(number)];
  return action.handler == ignored || (action.handler == 0 && (signal_default(number) == SignalDefault::ignore ||
                                                               signal_default(number) == SignalDefault::go_on));
}

bool blocked_by_all(const Process& process, int number) {
  for (const auto& thread : process.threads)
    if (!thread->gone && (thread->mask & signal_bit(number)) == 0 &&
        (!thread->mask_after || (*thread->mask_after & signal_bit(number)) == 0))
      return false;
  return true;
}
}  // namespace

void System::set_stopped(Process& process, int signal) {
  process.stopped = true;
  process.stop_signal = signal;
  process.stop_told = false;
  tell_parent(process, CLD_STOPPED, signal);
}

void System::set_running(Process& process) {
  if (!process.stopped) return;
  process.stopped = false;
  process.stop_told = true;
  process.continue_told = false;
  tell_parent(process, CLD_CONTINUED, SIGCONT);
}

// What holds for a signal whoever of the process takes it. False: there is nothing left to queue.
static bool prepare(System& system, Process& process, const SignalInfo& info) {
  if (process.zombie || process.ending) return false;
  if (info.number == SIGKILL) {
    system.end_process(process, SIGKILL);
    return false;
  }
  const auto drop = [&](uint64_t set) {
    process.pending.remove(set);
    for (const auto& thread : process.threads) thread->pending.remove(set);
  };
  if (info.number == SIGCONT) drop(stops);
  if ((signal_bit(info.number) & stops) != 0) drop(signal_bit(SIGCONT));
  return true;
}

int64_t System::send(Process& process, SignalInfo info) {
  if (!prepare(*this, process, info)) return 0;
  if (info.number == SIGCONT) set_running(process);
  if (ignores(process, info.number) && !blocked_by_all(process, info.number)) return 0;
  return process.pending.add(info) ? 0 : -EAGAIN;
}

int64_t System::send(Thread& thread, SignalInfo info) {
  Process& process = *thread.process;
  if (!prepare(*this, process, info) || thread.gone) return 0;
  if (info.number == SIGCONT) set_running(process);
  if (ignores(process, info.number) && (thread.mask & signal_bit(info.number)) == 0) return 0;
  return thread.pending.add(info) ? 0 : -EAGAIN;
}

void System::force(Thread& thread, SignalInfo info) {
  SignalAction& action = (*thread.process->actions)[static_cast<size_t>(info.number)];
  const bool blocked = (thread.mask & signal_bit(info.number)) != 0;
  if (blocked || action.handler == ignored) action = {};
  thread.mask &= ~signal_bit(info.number);
  thread.pending.add(info);
}

void System::tell_parent(Process& process, int code, int32_t status) {
  Process* parent = find_process(process.parent);
  if (parent == nullptr) return;
  const bool ended = code == CLD_EXITED || code == CLD_KILLED || code == CLD_DUMPED;
  const SignalAction& action = (*parent->actions)[SIGCHLD];
  if (!ended && (action.flags & SA_NOCLDSTOP) != 0) return;
  const int number = ended ? process.exit_signal : SIGCHLD;
  if (!valid_signal(number)) return;
  send(*parent, {.number = number, .code = code, .pid = process.pid, .uid = process.credentials.uid, .status = status});
}

bool System::has_signal(const Thread& thread) const {
  uint64_t waiting_signals = (thread.pending.set() | thread.process->pending.set()) & ~thread.mask;
  for (int number = 1; waiting_signals != 0; ++number, waiting_signals >>= 1)
    if ((waiting_signals & 1) != 0 && !ignores(*thread.process, number)) return true;
  return false;
}

}  // namespace shrike::sandbox::microvm
