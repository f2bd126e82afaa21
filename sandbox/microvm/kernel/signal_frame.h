#pragma once
// What the kernel puts on the program's stack for a handler, and takes back from it: x86-64's struct rt_sigframe, byte
// for byte (arch/x86/include/uapi/asm/sigcontext.h). What comes back is the program's and may be anything.

#include <cstddef>
#include <cstdint>
#include <vector>

#include "sandbox/microvm/kernel/process.h"

namespace shrike::sandbox::microvm {

struct SignalFrame {
  uint64_t restorer = 0;
  uint64_t flags = 0;  ///< UC_
  uint64_t link = 0;
  uint64_t stack_base = 0;
  uint32_t stack_flags = 0;
  uint32_t padding = 0;
  uint64_t stack_size = 0;
  uint64_t r8 = 0, r9 = 0, r10 = 0, r11 = 0, r12 = 0, r13 = 0, r14 = 0, r15 = 0;
  uint64_t rdi = 0, rsi = 0, rbp = 0, rbx = 0, rdx = 0, rax = 0, rcx = 0, rsp = 0, rip = 0, rflags = 0;
  uint16_t cs = 0x33, gs = 0, fs = 0, ss = 0x2b;
  uint64_t error = 0, trap = 0, old_mask = 0, fault_address = 0;
  uint64_t fpu = 0;
  uint64_t reserved[8] = {};
  uint64_t mask = 0;
  SignalInfo::Bytes info{};
};
static_assert(sizeof(SignalFrame) == 8 + 304 + 128);

void registers_to_frame(const Registers& registers, SignalFrame& frame);
/// Takes the registers back; of the flags only those that a program may set.
void registers_from_frame(const SignalFrame& frame, Registers& registers);

/// The part of an XSAVE image (standard format) that is in use: what needs to be on the stack.
size_t fpu_used_bytes(std::span<const std::byte> image);
/// Writes what Linux puts into the software-reserved bytes of the image. `image` is exactly the part in use.
void mark_fpu(std::vector<std::byte>& image);
/// XSTATE_BV of an image.
uint64_t fpu_state(std::span<const std::byte> image);
/// Makes an image that the program had in hand harmless: as large as `own` (what its CPU last saved), only `features`
/// (those that some image of this CPU's had), no compaction, reserved bytes zero, MXCSR bits that exist. Empty: not an
/// image.
std::vector<std::byte> clean_fpu(std::vector<std::byte> image, std::span<const std::byte> own, uint64_t features);

}  // namespace shrike::sandbox::microvm
