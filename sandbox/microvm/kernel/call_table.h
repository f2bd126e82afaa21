#pragma once
// Every system call of x86-64 and what becomes of it here.

#include <cstdint>
#include <span>

#include "sandbox/microvm/kernel/request.h"

namespace shrike::sandbox::microvm {

enum class Support : uint8_t {
  handled,   ///< does what Linux does, or enough of it
  constant,  ///< always the same result, because nothing here depends on it
  refused,   ///< never allowed: reported as denied, `result` in profile observe
  missing    ///< we do not have it: ENOSYS, reported as unknown
};

struct CallEntry {
  int number = -1;
  const char* name = "";
  Support support = Support::missing;
  Handler handler = nullptr;
  int64_t result = 0;
  uint8_t paths = 0;  ///< refused and missing ones: which arguments are paths, a bit each
};

/// Null: Linux has no such call either.
const CallEntry* find_call(int64_t number);
/// All of them, by number.
std::span<const CallEntry> all_calls();

}  // namespace shrike::sandbox::microvm
