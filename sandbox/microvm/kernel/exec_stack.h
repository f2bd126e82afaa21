#pragma once
// What a program finds on its stack when it begins: arguments, environment, auxiliary vector (System V ABI, x86-64).

#include <string>
#include <vector>

#include "common/base/result.h"
#include "sandbox/microvm/kernel/elf.h"
#include "sandbox/microvm/kernel/process.h"
#include "sandbox/microvm/kernel/random.h"

namespace shrike::sandbox::microvm {

struct Start {
  const ElfImage& image;
  uint64_t bias = 0;   ///< what was added to its addresses
  uint64_t base = 0;   ///< of its interpreter, 0: none
  uint64_t entry = 0;  ///< the first instruction: the interpreter's, or its own
  const std::string& path;
  const Credentials& who;
  const std::vector<std::string>& argv;
  const std::vector<std::string>& environment;
};

/// Maps the stack of `space` and fills it. Returns what the first instruction finds. Errors: ENOMEM.
Result<Registers> build_stack(AddressSpace& space, const Start& start, Random& random);

}  // namespace shrike::sandbox::microvm
