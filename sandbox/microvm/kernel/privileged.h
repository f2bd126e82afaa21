#pragma once
// Instructions that only a kernel may execute, or that ask for one by another way than a system call: by their bytes,
// so that a report can name them. The CPU has refused them already.

#include <cstddef>
#include <span>
#include <string>

namespace shrike::sandbox::microvm {

inline constexpr size_t instruction_most = 15;  ///< bytes of one instruction

/// "hlt", "wrmsr", "mov to cr3", "int 0x21"; empty where these bytes are no such instruction. `bytes`: as many of
/// instruction_most as can be read. Source: AMD64 Architecture Programmer's Manual, volume 3, 4 and appendix A.
std::string privileged_name(std::span<const std::byte> bytes);

}  // namespace shrike::sandbox::microvm
