// A thread takes its signals: a default action, or a frame on its stack and on to the handler.

#include <algorithm>
#include <cstring>

#include "sandbox/microvm/kernel/signal_frame.h"
#include "sandbox/microvm/kernel/system.h"
#include "sandbox/microvm/kernel/user_memory.h"

namespace shrike::sandbox::microvm {
namespace {
constexpr uint64_t ignored = 1;
constexpr uint64_t synchronous = signal_bit(SIGSEGV) | signal_bit(SIGBUS) | signal_bit(SIGILL) | signal_bit(SIGTRAP) |
                                 signal_bit(SIGFPE) | signal_bit(SIGSYS);
constexpr uint64_t red_zone = 128;
constexpr uint32_t ss_disable = 2, ss_onstack = 1;
constexpr uint64_t restorer_flag = 0x04000000;
constexpr uint64_t syscall_bytes = 2;

bool on_alt_stack(const AltStack& stack, uint64_t rsp) { return rsp > stack.base && rsp - stack.base <= stack.size; }
}  // namespace

// The call that the thread waits in ends because a handler is about to run.
bool System::interrupt_wait(Thread& thread, const SignalAction& action) {
  if (!thread.wait) return true;
  if (thread.wait->killable_only) return false;
  const Wait wait = std::move(*thread.wait);
  thread.wait.reset();
  futexes.remove(thread);
  const int number = thread.call ? thread.call->number : -1;
  const int64_t result = wait.interrupted ? wait.interrupted() : -EINTR;
  const bool again = result == -EINTR && wait.restarts && (action.flags & SA_RESTART) != 0;
  complete(thread, result);
  if (again) {
    thread.context.registers.rip -= syscall_bytes;
    thread.context.registers.rax = static_cast<uint64_t>(static_cast<int64_t>(number));
  }
  return true;
}

bool System::push_frame(Thread& thread, const SignalInfo& info, const SignalAction& action) {
  Registers& registers = thread.context.registers;
  if ((action.flags & restorer_flag) == 0) return false;
  uint64_t top = registers.rsp - red_zone;
  AltStack& alt = thread.alt_stack;
  const bool was_on = on_alt_stack(alt, registers.rsp);
  if ((action.flags & SA_ONSTACK) != 0 && (alt.flags & ss_disable) == 0 && !was_on) top = alt.base + alt.size;
  const UserMemory memory(*thread.process->space);
  SignalFrame frame;
  cpu.save(thread.context);
  std::vector<std::byte> fpu(thread.context.fpu.begin(),
                             thread.context.fpu.begin() + static_cast<int64_t>(fpu_used_bytes(thread.context.fpu)));
  if (!fpu.empty()) {
    fpu_features |= fpu_state(fpu);
    mark_fpu(fpu);
    top = (top - fpu.size()) & ~uint64_t{63};
    frame.fpu = top;
    if (!memory.write(top, fpu)) return false;
  }
  registers_to_frame(registers, frame);
  frame.restorer = action.restorer;
  frame.flags = 7;  // UC_FP_XSTATE, UC_SIGCONTEXT_SS, UC_STRICT_RESTORE_SS
  frame.stack_base = alt.base;
  frame.stack_size = alt.size;
  frame.stack_flags = (alt.flags & ss_disable) != 0 ? ss_disable : was_on ? ss_onstack : alt.flags;
  frame.mask = thread.mask_after.value_or(thread.mask);
  frame.fault_address = info.number == SIGSEGV || info.number == SIGBUS ? info.value : 0;
  frame.info = info.bytes();
  const uint64_t at = ((top - sizeof frame) & ~uint64_t{15}) - 8;
  if (!memory.put(at, frame)) return false;
  registers.rsp = at;
  registers.rip = action.handler;
  registers.rdi = static_cast<uint64_t>(info.number);
  registers.rsi = at + offsetof(SignalFrame, info);
  registers.rdx = at + offsetof(SignalFrame, flags);
  registers.rax = 0;
  registers.rflags &= ~uint64_t{0x10500};  // RF, DF, TF
  return true;
}

void System::act(Thread& thread, const SignalInfo& info, const SignalAction& action) {
  if (!push_frame(thread, info, action)) {
    end_process(*thread.process, SIGSEGV | 0x80);
    return;
  }
  thread.mask_after.reset();
  thread.mask |= action.mask & ~unblockable;
  if ((action.flags & SA_NODEFER) == 0) thread.mask |= signal_bit(info.number) & ~unblockable;
  if ((action.flags & SA_RESETHAND) != 0) (*thread.process->actions)[static_cast<size_t>(info.number)] = {};
}

void System::take(Thread& thread, const SignalInfo& info) {
  Process& process = *thread.process;
  const SignalAction action = (*process.actions)[static_cast<size_t>(info.number)];
  if (action.handler == ignored) return;
  if (action.handler != 0) {
    if (!interrupt_wait(thread, action)) return;
    tell_event(CallKind::signal, thread, static_cast<uint64_t>(info.number), info.pid,
               static_cast<uint64_t>(static_cast<int64_t>(info.code)));
    act(thread, info, action);
    return;
  }
  const SignalDefault what = signal_default(info.number);
  if (what == SignalDefault::ignore || what == SignalDefault::go_on) return;
  tell_event(CallKind::signal, thread, static_cast<uint64_t>(info.number), info.pid,
             static_cast<uint64_t>(static_cast<int64_t>(info.code)));
  if (what == SignalDefault::stop) {
    set_stopped(process, info.number);
  } else {
    end_process(process, info.number | (what == SignalDefault::core ? 0x80 : 0));
  }
}

bool System::deliver(Thread& thread) {
  Process& process = *thread.process;
  while (!thread.gone && !process.stopped) {
    if (thread.wait && thread.wait->killable_only) break;
    const uint64_t open = ~thread.mask;
    auto info = thread.pending.take(open & synchronous);
    if (!info) info = thread.pending.take(open);
    if (!info) info = process.pending.take(open);
    if (!info) break;
    take(thread, *info);
  }
  if (!thread.gone && !thread.wait && thread.mask_after) {
    thread.mask = *thread.mask_after;
    thread.mask_after.reset();
  }
  return !thread.gone && !process.stopped;
}

void System::leave_handler(Thread& thread) {
  Registers& registers = thread.context.registers;
  const UserMemory memory(*thread.process->space);
  SignalFrame frame;
  bool whole = memory.get(registers.rsp - 8, frame);
  std::vector<std::byte> fpu;
  if (whole && frame.fpu != 0) {
    cpu.save(thread.context);
    fpu.resize(std::max<size_t>(thread.context.fpu.size(), 576));
    const size_t got = memory.read_some(frame.fpu, fpu);
    fpu.resize(got);
    // A short frame has only the parts that were in use; what is behind it on the stack is none of the image's.
    if (got >= 576) fpu.resize(fpu_used_bytes(fpu));
    fpu = clean_fpu(std::move(fpu), thread.context.fpu, fpu_features);
    whole = !fpu.empty() || thread.context.fpu.empty();
  }
  if (!whole) {
    force(thread, {.number = SIGSEGV, .code = SI_KERNEL});
    return;
  }
  registers_from_frame(frame, registers);
  cpu.forget(thread.context);
  thread.context.fpu = std::move(fpu);
  thread.mask = frame.mask & ~unblockable;
  if (frame.stack_flags <= ss_disable && !on_alt_stack(thread.alt_stack, registers.rsp))
    thread.alt_stack = {frame.stack_base, frame.stack_size, frame.stack_flags & ss_disable};
}

}  // namespace shrike::sandbox::microvm
