// Why the program left the CPU, where that was not a system call.

#include <array>

#include "sandbox/microvm/kernel/privileged.h"
#include "sandbox/microvm/kernel/system.h"
#include "sandbox/microvm/kernel/user_memory.h"

namespace shrike::sandbox::microvm {
namespace {
struct Trap {
  int signal;
  int code;
};

// Vectors of x86 as Linux turns them into signals.
Trap trap_of(uint8_t vector) {
  switch (vector) {
    case 0:
      return {SIGFPE, FPE_INTDIV};
    case 1:
      return {SIGTRAP, TRAP_TRACE};
    case 3:
      return {SIGTRAP, SI_KERNEL};
    case 6:
      return {SIGILL, ILL_ILLOPN};
    case 11:
    case 12:
      return {SIGBUS, SI_KERNEL};
    case 16:
    case 19:
      return {SIGFPE, FPE_FLTINV};
    case 17:
      return {SIGBUS, BUS_ADRALN};
    default:
      return {SIGSEGV, SI_KERNEL};
  }
}
}  // namespace

void System::handle_fault(Thread& thread, const Exit& exit) {
  Process& process = *thread.process;
  switch (process.space->fault(exit.address, exit.write, exit.execute)) {
    case FaultResult::ok:
      return;
    case FaultResult::no_memory:
      note_refusal("memory", "the job's memory is used up: killed, as Linux does");
      end_process(process, SIGKILL);
      return;
    case FaultResult::past_end:
      return force(thread, {.number = SIGBUS, .code = BUS_ADRERR, .value = exit.address});
    case FaultResult::not_allowed:
      return force(thread, {.number = SIGSEGV, .code = SEGV_ACCERR, .value = exit.address});
    case FaultResult::not_mapped:
      return force(thread, {.number = SIGSEGV, .code = SEGV_MAPERR, .value = exit.address});
  }
}

// What the CPU has refused: #UD (a KVM that makes instructions itself says so of some) and #GP.
std::string System::refused_instruction(const Thread& thread, const Exit& exit) {
  if (exit.vector != 6 && exit.vector != 13) return {};
  std::array<std::byte, instruction_most> bytes{};
  const size_t got = UserMemory(*thread.process->space).read_some(thread.context.registers.rip, bytes);
  return privileged_name(std::span(bytes).first(got));
}

void System::handle_exception(Thread& thread, const Exit& exit) {
  if (const std::string name = refused_instruction(thread, exit); !name.empty()) {
    const std::string what = "instruction " + name;
    note_refusal(what, "never allowed");
    ++denied_;
    if (options.profile == Profile::strict) return finish(Status::violation, "it executed the " + what, SIGSEGV);
  }
  const Trap trap = trap_of(exit.vector);
  force(thread, {.number = trap.signal, .code = trap.code, .value = thread.context.registers.rip});
}

void System::handle_exit(Thread& thread, const Exit& exit) {
  switch (exit.kind) {
    case Exit::Kind::call:
      return call(thread);
    case Exit::Kind::fault:
      return handle_fault(thread, exit);
    case Exit::Kind::exception:
      return handle_exception(thread, exit);
    case Exit::Kind::foreign_call:
      return foreign_call(thread);
    case Exit::Kind::violation:
      note_refusal(exit.what, "never allowed");
      ++denied_;
      if (options.profile == Profile::strict)
        finish(Status::violation, exit.what, SIGSEGV);
      else
        force(thread, {.number = SIGSEGV, .code = SEGV_ACCERR, .value = exit.address});
      return;
    case Exit::Kind::interrupted:
      return;
    case Exit::Kind::broken:
      return finish(Status::internal_error, exit.what);
  }
}

}  // namespace shrike::sandbox::microvm
