#include "sandbox/process/mount_calls.h"

#include <fcntl.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace shrike::sandbox::process {

namespace {

struct Attributes {  // struct mount_attr
  uint64_t set = 0, clear = 0, propagation = 0, user_namespace = 0;
};

bool configure(int context, const MountOption* options, int count) {
  for (int i = 0; i < count; ++i) {
    const bool flag = options[i].value == nullptr;
    if (::syscall(SYS_fsconfig, context, flag ? FSCONFIG_SET_FLAG : FSCONFIG_SET_STRING, options[i].key,
                  options[i].value, 0) != 0)
      return false;
  }
  return true;
}

}  // namespace

Fd new_mount(const char* type, const MountOption* options, int count, uint64_t attributes) {
  const Fd context(static_cast<int>(::syscall(SYS_fsopen, type, FSOPEN_CLOEXEC)));
  if (!context.valid() || !configure(context.get(), options, count)) return Fd();
  if (::syscall(SYS_fsconfig, context.get(), FSCONFIG_CMD_CREATE, nullptr, nullptr, 0) != 0) return Fd();
  return Fd(static_cast<int>(::syscall(SYS_fsmount, context.get(), FSMOUNT_CLOEXEC, attributes)));
}

Fd copy_mount(int path_fd) {
  return Fd(static_cast<int>(
      ::syscall(SYS_open_tree, path_fd, "", AT_EMPTY_PATH | AT_RECURSIVE | OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC)));
}

bool set_attributes(int mount_fd, uint64_t attributes) {
  Attributes attr;
  attr.set = attributes;
  return ::syscall(SYS_mount_setattr, mount_fd, "", AT_EMPTY_PATH | AT_RECURSIVE, &attr, sizeof attr) == 0;
}

bool attach(int mount_fd, int onto_fd) {
  return ::syscall(SYS_move_mount, mount_fd, "", onto_fd, "", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH) == 0;
}

bool reconfigure(int mount_fd, const MountOption* options, int count) {
  const Fd context(static_cast<int>(::syscall(SYS_fspick, mount_fd, "", FSPICK_EMPTY_PATH | FSPICK_CLOEXEC)));
  return context.valid() && configure(context.get(), options, count) &&
         ::syscall(SYS_fsconfig, context.get(), FSCONFIG_CMD_RECONFIGURE, nullptr, nullptr, 0) == 0;
}

}  // namespace shrike::sandbox::process
