// Signals: what a process wants done with them, who sends them, who waits for them.

#include <fcntl.h>
#include <sys/signalfd.h>

#include "sandbox/microvm/files/objects.h"
#include "sandbox/microvm/kernel/handlers.h"
#include "sandbox/microvm/kernel/pid_file.h"
#include "sandbox/microvm/kernel/signal_file.h"
#include "sandbox/microvm/kernel/times.h"

namespace shrike::sandbox::microvm {
namespace {
constexpr uint64_t set_bytes = 8;
constexpr uint32_t ss_onstack = 1, ss_disable = 2;
constexpr uint64_t min_alt_stack = 2048;

int64_t read_mask(Request& request, uint64_t address, uint64_t size, uint64_t& mask) {
  if (size != set_bytes) return -EINVAL;
  if (!request.memory.get(address, mask)) return -EFAULT;
  mask &= ~unblockable;
  return 0;
}

SignalInfo from_user(const Request& request, int number, int code) {
  return {.number = number, .code = code, .pid = request.process.pid, .uid = request.process.credentials.uid};
}

bool may_signal(const Request& request, const Process& target) {
  const Credentials& own = request.process.credentials;
  const Credentials& other = target.credentials;
  if ((own.effective >> 5 & 1) != 0) return true;  // CAP_KILL
  return own.euid == other.suid || own.euid == other.uid || own.uid == other.suid || own.uid == other.uid;
}

int64_t send_checked(Request& request, Process& target, int number, const SignalInfo& info) {
  if (!may_signal(request, target)) return -EPERM;
  return number == 0 ? 0 : request.system.send(target, info);
}
}  // namespace

int64_t on_rt_sigaction(Request& request) {
  const int number = request.number(0);
  if (request.args[3] != set_bytes || !valid_signal(number)) return -EINVAL;
  if (request.args[1] != 0 && (signal_bit(number) & unblockable) != 0) return -EINVAL;
  SignalAction& action = (*request.process.actions)[static_cast<size_t>(number)];
  const SignalAction before = action;
  if (request.args[1] != 0) {
    SignalAction wanted;
    if (!request.memory.get(request.args[1], wanted)) return -EFAULT;
    wanted.mask &= ~unblockable;
    action = wanted;
    const bool ignores =
        wanted.handler == 1 || (wanted.handler == 0 && signal_default(number) == SignalDefault::ignore);
    if (ignores) {
      request.process.pending.remove(signal_bit(number));
      for (const auto& thread : request.process.threads) thread->pending.remove(signal_bit(number));
    }
  }
  return request.memory.put_if(request.args[2], before) ? 0 : -EFAULT;
}

int64_t on_rt_sigprocmask(Request& request) {
  const uint64_t before = request.thread.mask;
  if (request.args[3] != set_bytes) return -EINVAL;
  if (request.args[1] != 0) {
    uint64_t mask = 0;
    if (const int64_t error = read_mask(request, request.args[1], set_bytes, mask); error < 0) return error;
    switch (request.number(0)) {
      case SIG_BLOCK:
        request.thread.mask |= mask;
        break;
      case SIG_UNBLOCK:
        request.thread.mask &= ~mask;
        break;
      case SIG_SETMASK:
        request.thread.mask = mask;
        break;
      default:
        return -EINVAL;
    }
  }
  return request.memory.put_if(request.args[2], before) ? 0 : -EFAULT;
}

int64_t on_rt_sigpending(Request& request) {
  if (request.args[1] > set_bytes) return -EINVAL;
  const uint64_t set = (request.thread.pending.set() | request.process.pending.set()) & request.thread.mask;
  const auto bytes = std::as_bytes(std::span(&set, 1)).first(request.args[1]);
  return request.memory.write(request.args[0], bytes) ? 0 : -EFAULT;
}

int64_t on_rt_sigsuspend(Request& request) {
  uint64_t mask = 0;
  if (const int64_t error = read_mask(request, request.args[0], request.args[1], mask); error < 0) return error;
  request.thread.mask_after = request.thread.mask;
  request.thread.mask = mask;
  return request.wait({});
}

int64_t on_pause(Request& request) { return request.wait({}); }

int64_t on_rt_sigreturn(Request& request) {
  request.system.leave_handler(request.thread);
  return no_return;
}

int64_t on_sigaltstack(Request& request) {
  struct Stack {
    uint64_t base;
    uint32_t flags;
    uint32_t padding;
    uint64_t size;
  };
  AltStack& stack = request.thread.alt_stack;
  const uint64_t rsp = request.thread.context.registers.rsp;
  const bool on = rsp > stack.base && rsp - stack.base <= stack.size;
  const Stack before{stack.base, (stack.flags & ss_disable) != 0 ? ss_disable : on ? ss_onstack : 0, 0, stack.size};
  if (request.args[0] != 0) {
    Stack wanted{};
    if (!request.memory.get(request.args[0], wanted)) return -EFAULT;
    if (on) return -EPERM;
    const uint32_t mode = wanted.flags & 0x7fffffff;  // without SS_AUTODISARM
    if (mode > ss_disable) return -EINVAL;
    if (mode == ss_disable) {
      stack = {};
    } else {
      if (wanted.size < min_alt_stack) return -ENOMEM;
      stack = {wanted.base, wanted.size, 0};
    }
  }
  return request.memory.put_if(request.args[1], before) ? 0 : -EFAULT;
}

int64_t on_kill(Request& request) {
  const auto pid = static_cast<int32_t>(request.args[0]);
  const int number = request.number(1);
  if (number != 0 && !valid_signal(number)) return -EINVAL;
  const SignalInfo info = from_user(request, number, SI_USER);
  if (pid > 0) {
    Process* target = request.system.find_process(static_cast<uint32_t>(pid));
    if (target == nullptr && request.system.find_thread(static_cast<uint32_t>(pid)) != nullptr)
      target = request.system.find_thread(static_cast<uint32_t>(pid))->process;
    // The guest's init takes no signals.
    if (target == nullptr) return pid == 1 ? (number == 0 ? 0 : -EPERM) : -ESRCH;
    return send_checked(request, *target, number, info);
  }
  if (pid == INT32_MIN) return -ESRCH;
  const uint32_t group = pid == 0 ? request.process.group : static_cast<uint32_t>(-pid);
  std::vector<uint32_t> targets;
  for (const auto& [each, process] : request.system.table)
    if (pid == -1 ? each != request.process.pid : process->group == group) targets.push_back(each);
  int64_t result = -ESRCH;
  for (const uint32_t each : targets) {
    Process* target = request.system.find_process(each);
    if (target == nullptr) continue;
    const int64_t sent = send_checked(request, *target, number, info);
    if (sent == 0 || result == -ESRCH) result = sent;
  }
  return result;
}

namespace {
int64_t to_thread(Request& request, uint32_t process, uint32_t tid, int number, const SignalInfo& info) {
  if (static_cast<int32_t>(tid) <= 0 || (number != 0 && !valid_signal(number))) return -EINVAL;
  Thread* thread = request.system.find_thread(tid);
  if (thread == nullptr || (process != 0 && thread->process->pid != process)) return -ESRCH;
  if (!may_signal(request, *thread->process)) return -EPERM;
  return number == 0 ? 0 : request.system.send(*thread, info);
}

// An info that the program made up: it cannot pass for the kernel's or kill's.
int64_t read_info(Request& request, size_t argument, int number, bool to_other, SignalInfo& info) {
  SignalInfo::Bytes bytes{};
  if (!request.memory.read(request.args[argument], bytes)) return -EFAULT;
  info = SignalInfo::from_bytes(bytes);
  info.number = number;
  return to_other && (info.code >= 0 || info.code == SI_TKILL) ? -EPERM : 0;
}
}  // namespace

int64_t on_tkill(Request& request) {
  const int number = request.number(1);
  return to_thread(request, 0, static_cast<uint32_t>(request.args[0]), number, from_user(request, number, SI_TKILL));
}

int64_t on_tgkill(Request& request) {
  const int number = request.number(2);
  if (request.number(0) <= 0) return -EINVAL;
  return to_thread(request, static_cast<uint32_t>(request.args[0]), static_cast<uint32_t>(request.args[1]), number,
                   from_user(request, number, SI_TKILL));
}

int64_t on_rt_sigqueueinfo(Request& request) {
  const auto pid = static_cast<uint32_t>(request.args[0]);
  const int number = request.number(1);
  SignalInfo info;
  if (const int64_t error = read_info(request, 2, number, pid != request.process.pid, info); error < 0) return error;
  if (number != 0 && !valid_signal(number)) return -EINVAL;
  Process* target = request.system.find_process(pid);
  return target == nullptr ? -ESRCH : send_checked(request, *target, number, info);
}

int64_t on_rt_tgsigqueueinfo(Request& request) {
  const auto pid = static_cast<uint32_t>(request.args[0]);
  const int number = request.number(2);
  SignalInfo info;
  if (const int64_t error = read_info(request, 3, number, pid != request.process.pid, info); error < 0) return error;
  return to_thread(request, pid, static_cast<uint32_t>(request.args[1]), number, info);
}

int64_t on_pidfd_send_signal(Request& request) {
  const auto file = std::dynamic_pointer_cast<PidFile>(request.file(0));
  const int number = request.number(1);
  if (request.args[3] != 0) return -EINVAL;
  if (!file) return -EBADF;
  if (number != 0 && !valid_signal(number)) return -EINVAL;
  Process* target = file->process() == nullptr ? nullptr : request.system.find_process(file->pid());
  if (target == nullptr) return -ESRCH;
  SignalInfo info = from_user(request, number, SI_USER);
  if (request.args[2] != 0)
    if (const int64_t error = read_info(request, 2, number, target != &request.process, info); error < 0) return error;
  return send_checked(request, *target, number, info);
}

int64_t on_rt_sigtimedwait(Request& request) {
  const auto& [set_at, info_at, timeout_at, size, a, b] = request.args;
  uint64_t set = 0;
  if (const int64_t error = read_mask(request, set_at, size, set); error < 0) return error;
  Wait wait;
  if (timeout_at != 0) {
    uint64_t length = 0;
    if (const int64_t error = read_duration(request.memory, timeout_at, length); error < 0) return error;
    wait.deadline = deadline_in(request.system.clock, length);
    wait.at_deadline = -EAGAIN;
  }
  Thread* thread = &request.thread;
  wait.again = [thread, set, info_to = info_at, memory = request.memory]() -> std::optional<int64_t> {
    auto info = thread->pending.take(set);
    if (!info) info = thread->process->pending.take(set);
    if (!info) return std::nullopt;
    return memory.put_if(info_to, info->bytes()) ? info->number : -EFAULT;
  };
  return request.wait(std::move(wait));
}

static int64_t signal_descriptor(Request& request, uint64_t flags) {
  const auto& [fd, set_at, size, a, b, c] = request.args;
  uint64_t set = 0;
  if ((flags & ~uint64_t{SFD_CLOEXEC | SFD_NONBLOCK}) != 0) return -EINVAL;
  if (const int64_t error = read_mask(request, set_at, size, set); error < 0) return error;
  if (static_cast<int>(fd) == -1) {
    auto node = anonymous_node(request.system.files.store(), "[signalfd]");
    if (!node) return -ENFILE;
    auto file = std::make_shared<SignalFile>(request.system, set, std::move(node));
    file->flags = O_RDWR | static_cast<uint32_t>(flags & SFD_NONBLOCK);
    return request.install(std::move(file), (flags & SFD_CLOEXEC) != 0);
  }
  const FilePtr there = request.file(0);
  if (!there) return -EBADF;
  const auto file = std::dynamic_pointer_cast<SignalFile>(there);
  if (!file) return -EINVAL;
  file->set = set;
  return static_cast<int>(fd);
}

int64_t on_signalfd4(Request& request) { return signal_descriptor(request, request.args[3]); }
int64_t on_signalfd(Request& request) { return signal_descriptor(request, 0); }

}  // namespace shrike::sandbox::microvm
