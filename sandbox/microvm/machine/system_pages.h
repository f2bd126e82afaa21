#pragma once
// What the virtual CPU needs in guest-physical memory, and what stands in it. Nothing of it is for ring 3.
//
// Everything that enters ring 0 ends at one instruction, `out`, that leaves the machine: exceptions through the IDT,
// each at a port of its own, and SYSCALL, at another. Nothing ever goes back from there: the host gives the CPU its
// next state. On ordinary KVM SYSCALL arrives in ring 0, at `out`. On the paravirtual one, SYSCALL leads to the same
// address without leaving ring 3, where it may not execute what it finds: a page fault at exactly that address is the
// call.

#include <cstdint>
#include <optional>

#include "sandbox/microvm/machine/physical.h"

namespace shrike::sandbox::microvm {

namespace system_pages {

inline constexpr uint64_t begin = 0xffff'8000'0000'0000;  // virtual, with guard pages between the pages
inline constexpr uint64_t descriptors = begin + 1 * page_bytes;
inline constexpr uint64_t interrupts = begin + 3 * page_bytes;
inline constexpr uint64_t code = begin + 5 * page_bytes;
inline constexpr uint64_t stack = begin + 7 * page_bytes;
inline constexpr uint64_t end = begin + 9 * page_bytes;

inline constexpr uint64_t task_state = descriptors + 0x800;
inline constexpr uint64_t call_entry = code + 0x800;    ///< where SYSCALL leads to
inline constexpr uint64_t compat_entry = code + 0x900;  ///< where SYSCALL of 32-bit code would lead to
inline constexpr uint64_t stack_top = stack + page_bytes;

inline constexpr uint16_t kernel_code = 0x10, kernel_data = 0x18, user_data = 0x2b, user_code = 0x33, task = 0x40;
inline constexpr uint16_t descriptors_limit = 0x4f, interrupts_limit = 32 * 16 - 1, task_limit = 0x67;

inline constexpr uint8_t exception_port = 0x40;  ///< plus the vector
inline constexpr uint8_t call_port = 0x60, compat_port = 0x61;
inline constexpr uint8_t exceptions = 32;

}  // namespace system_pages

/// What the CPU has pushed for an exception.
struct ExceptionFrame {
  uint64_t error_code = 0;  ///< 0 where the vector has none
  uint64_t rip = 0, cs = 0, rflags = 0, rsp = 0, ss = 0;
};

class SystemPages {
 public:
  /// Makes the pages and the upper half's tables, and tells `physical` of them. Nothing when memory is out.
  static std::optional<SystemPages> create(Physical& physical);

  [[nodiscard]] ExceptionFrame frame(const Physical& physical, uint8_t vector) const;

 private:
  explicit SystemPages(Frame stack) : stack_(stack) {}
  Frame stack_;
};

}  // namespace shrike::sandbox::microvm
