#pragma once
// The virtual CPU as kernel/ sees it. `Machine` is the real one; tests and fuzz targets have their own.

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "sandbox/microvm/machine/page_table.h"

namespace shrike::sandbox::microvm {

struct Registers {
  uint64_t rax = 0, rbx = 0, rcx = 0, rdx = 0, rsi = 0, rdi = 0, rbp = 0, rsp = 0;
  uint64_t r8 = 0, r9 = 0, r10 = 0, r11 = 0, r12 = 0, r13 = 0, r14 = 0, r15 = 0;
  uint64_t rip = 0, rflags = 0x202;
  uint64_t fs_base = 0, gs_base = 0;
  bool operator==(const Registers&) const = default;
};

/// What a thread has in the CPU. It stays where it is in memory from its first run until Cpu::forget.
struct Context {
  Registers registers;
  /// XSAVE image in the standard format. Empty while the CPU has it (Cpu::save fills it), and for a thread that has not
  /// run yet or was forgotten: as after a reset of the FPU. What is put here is what the next run begins with.
  std::vector<std::byte> fpu;
};

struct Exit {
  enum class Kind : uint8_t {
    call,          ///< SYSCALL: number in rax, rip behind it, rflags as before it; write the result to rax
    fault,         ///< page fault: address and how; rip at the instruction
    exception,     ///< another exception of the program's: vector, error code; an FPU image that no CPU takes is one,
                   ///< and so is a page fault that comes again and again although the table allows the access
    interrupted,   ///< the time slice is over, or a signal came
    foreign_call,  ///< int 0x80 or sysenter; rip behind it
    violation,     ///< it touched what no program touches, the machine's own pages; what: how, address: where
    broken         ///< KVM refused, or ended in a way it must not (what: how)
  };
  Kind kind = Kind::broken;
  uint64_t address = 0;
  bool write = false, execute = false, present = false;  ///< of a fault
  uint8_t vector = 0;
  uint64_t error_code = 0;
  std::string what;
};

class Cpu {
 public:
  virtual ~Cpu() = default;
  /// Runs `context` in `table` until something happens, `slice_ns` at most (0: no limit). Every value in the registers
  /// is the guest's and may be anything: what the CPU would refuse (a non-canonical rip, reserved flags) becomes an
  /// `exception` of the program's. Does not report faults that the table allows: what was added to it is seen.
  virtual Exit run(Context& context, PageTable& table, uint64_t slice_ns) = 0;
  /// Brings `context.fpu` up to date: before it is copied or changed. Never empty afterwards.
  virtual void save(Context& context) = 0;
  /// `context` goes away, or begins anew with a fresh FPU.
  virtual void forget(Context& context) = 0;
};

}  // namespace shrike::sandbox::microvm
