#pragma once
// The virtual CPU as kernel/ sees it. `Machine` is the real one; tests and fuzz targets have their own.

#include <array>
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
};

/// What a thread has in the CPU. The FPU's part is there only while another thread runs, or after Cpu::save.
struct Context {
  Registers registers;
  std::vector<std::byte> fpu;  ///< XSAVE image; empty: as after a reset of the FPU
};

struct Exit {
  enum class Kind : uint8_t {
    call,          ///< SYSCALL: number in rax, rip behind it, rflags as before it; write the result to rax
    fault,         ///< page fault: address and how; rip at the instruction
    exception,     ///< another exception of the program's: vector, error code
    interrupted,   ///< the time slice is over, or interrupt() was called
    foreign_call,  ///< int 0x80, sysenter or whatever enters a kernel otherwise; rip behind it
    violation,     ///< it did what no program does: jumped into the stub, wrote to the exit page (what: which)
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
  /// Runs `context` in `table` until something happens, `slice_ns` at most. Every value in the registers is the guest's
  /// and may be anything: what the CPU would refuse (a non-canonical rip, reserved flags) becomes an `exception` of the
  /// program's.
  virtual Exit run(Context& context, PageTable& table, uint64_t slice_ns) = 0;
  /// Brings `context.fpu` up to date: before it is copied.
  virtual void save(Context& context) = 0;
  /// `context` goes away.
  virtual void forget(Context& context) = 0;
};

}  // namespace shrike::sandbox::microvm
