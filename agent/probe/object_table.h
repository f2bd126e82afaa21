#pragma once
// What is known of files named as objects, in the form the BPF programs read.

#include <cstddef>
#include <cstdint>
#include <vector>

#include "agent/probe/record.h"

namespace shrike::probe {

/// A file that rules name, found.
struct ResolvedObject {
  uint64_t inode = 0;
  uint32_t device = 0;  ///< the kernel's own number of its file system, major << 20 | minor
  uint32_t sets = 0;
  uint32_t access = 0;
  bool folder = false;  ///< stands for everything below it too

  bool operator==(const ResolvedObject&) const = default;
};

/// Fills `table`, except its `current`. Pure. Returns how many there was no room for.
size_t fill_object_table(const std::vector<ResolvedObject>& objects, shrike_objects& table);

}  // namespace shrike::probe
