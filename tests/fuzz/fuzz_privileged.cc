// Threat: a program in a machine executes any bytes; those of an instruction that the CPU has refused are looked at so
// that the report can name it. They may be anything and end anywhere: never a read behind them, never a long name.
// link: shrike_vm_kernel

#include <algorithm>
#include <cstdint>
#include <cstdlib>

#include "sandbox/microvm/kernel/privileged.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace shrike::sandbox::microvm;
  constexpr size_t name_most = 16;
  // A copy of just that size, so that a read behind it is found.
  const std::string bytes(reinterpret_cast<const char*>(data), std::min(size, instruction_most));
  const std::string name = privileged_name(std::as_bytes(std::span(bytes)));
  if (name.size() > name_most) std::abort();
  for (const char c : name)
    if (c < ' ' || c > '~') std::abort();
  return 0;
}
