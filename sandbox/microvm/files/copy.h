#pragma once

#include <cstddef>
#include <cstring>

namespace shrike::sandbox::microvm {

/// memcpy that may be given null for nothing: spans of the guest's may be empty.
inline void copy_bytes(void* to, const void* from, size_t count) {
  if (count > 0) std::memcpy(to, from, count);
}

}  // namespace shrike::sandbox::microvm
