#pragma once
// The kernel's mount API by descriptors (Linux 5.2, mount_setattr 5.12), for a libc that has part of it.

#include <cstdint>

#include "common/base/fd.h"

namespace shrike::sandbox::process {

/// A new file system, configured with `options` ("key" or "key=value"), as a mount that is nowhere yet. Errors: errno.
struct MountOption {
  const char* key;
  const char* value;  ///< null: a flag
};
/// Invalid on failure; errno says why.
Fd new_mount(const char* type, const MountOption* options, int count, uint64_t attributes);
/// A copy of what is mounted at an open path, with all below it; nowhere yet.
Fd copy_mount(int path_fd);
bool set_attributes(int mount_fd, uint64_t attributes);
/// Puts a mount onto an open folder or file.
bool attach(int mount_fd, int onto_fd);
/// Changes options of a file system that is mounted.
bool reconfigure(int mount_fd, const MountOption* options, int count);

inline constexpr uint64_t attribute_read_only = 0x1, attribute_no_suid = 0x2, attribute_no_dev = 0x4,
                          attribute_no_exec = 0x8;

}  // namespace shrike::sandbox::process
