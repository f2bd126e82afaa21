#pragma once
// The process that an action is about, as the kernel's records told it.

#include <cstdint>
#include <string>

#include "common/wire/event.h"

namespace shrike::respond {

struct Target {
  uint32_t pid = 0;
  uint64_t start_ns = 0;  ///< CLOCK_BOOTTIME; with the pid it names one process of this boot
  uint32_t parent_pid = 0;
  uint32_t exe_dev = 0;  ///< major << 20 | minor
  uint64_t exe_inode = 0;
  std::string exe;  ///< as its own mount namespace has it
  std::string name;
  uint32_t mount_namespace = 0;
  bool kernel_thread = false;
};

Target target_of(const Event& event);
Target target_of(const Process& process);

}  // namespace shrike::respond
