#pragma once
// From how the CPU stopped in ring 0 to what the program did. Pure: needs no KVM, and every value may be anything.

#include <cstdint>
#include <functional>
#include <optional>

#include "sandbox/microvm/machine/cpu.h"
#include "sandbox/microvm/machine/system_pages.h"

namespace shrike::sandbox::microvm {

/// What stands in the CPU when ring 0 has left the machine.
struct Left {
  uint8_t port = 0;      ///< which of ring 0's ways out
  Registers registers;   ///< the CPU's; rip, rsp and rflags are ring 0's
  ExceptionFrame frame;  ///< of an exception
  uint64_t fault_address = 0;
};

/// A byte that the program could execute at this address; nothing where there is none.
using Code = std::function<std::optional<uint8_t>(uint64_t address)>;

/// What it was, and in `registers` what the program has: for a call or a foreign call rip behind the instruction, else
/// at it. `registers.rflags` are such as a program may have.
Exit interpret(const Left& left, const Code& code, Registers& registers);

/// A call from where SYSCALL has led to, before any of ring 0's instructions: a signal may stop the CPU there.
Exit interpret_entered(const Registers& at_entry, bool ring3, const Code& code, Registers& registers);

/// `flags` with all bits as a CPU has them in ring 3: those that a program may not set off, interrupts on.
uint64_t user_flags(uint64_t flags);

/// Whether a CPU with 48 bits of virtual addresses takes it.
constexpr bool canonical(uint64_t address) {
  return static_cast<uint64_t>(static_cast<int64_t>(address << 16) >> 16) == address;
}

}  // namespace shrike::sandbox::microvm
