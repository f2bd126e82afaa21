#include "sandbox/call_texts.h"

#include <sys/syscall.h>

#include <algorithm>
#include <vector>

namespace shrike::sandbox {

namespace {

constexpr uint16_t path_bytes = 4096, name_bytes = 256, address_bytes = 128, data_bytes = 1024;

constexpr TextPlan path(long number, uint8_t argument, TextKind kind = TextKind::path) {
  return {static_cast<int16_t>(number), argument, TextHow::string, kind, 0, path_bytes};
}
constexpr TextPlan name(long number, uint8_t argument) {
  return {static_cast<int16_t>(number), argument, TextHow::string, TextKind::name, 0, name_bytes};
}
constexpr TextPlan bytes(long number, uint8_t argument, uint8_t length, TextKind kind, uint16_t most) {
  return {static_cast<int16_t>(number), argument, TextHow::bytes, kind, length, most};
}

constexpr TextPlan plans[] = {path(SYS_open, 0),
                              path(SYS_stat, 0),
                              path(SYS_lstat, 0),
                              path(SYS_access, 0),
                              bytes(SYS_connect, 1, 2, TextKind::address, address_bytes),
                              bytes(SYS_sendto, 4, 5, TextKind::address, address_bytes),
                              bytes(SYS_sendto, 1, 2, TextKind::data, data_bytes),
                              bytes(SYS_bind, 1, 2, TextKind::address, address_bytes),
                              path(SYS_execve, 0),
                              {SYS_execve, 1, TextHow::strings, TextKind::argv, 0, path_bytes},
                              path(SYS_truncate, 0),
                              path(SYS_chdir, 0),
                              path(SYS_rename, 0),
                              path(SYS_rename, 1, TextKind::path2),
                              path(SYS_mkdir, 0),
                              path(SYS_rmdir, 0),
                              path(SYS_creat, 0),
                              path(SYS_link, 0),
                              path(SYS_link, 1, TextKind::path2),
                              path(SYS_unlink, 0),
                              path(SYS_symlink, 0),
                              path(SYS_symlink, 1, TextKind::path2),
                              path(SYS_readlink, 0),
                              path(SYS_chmod, 0),
                              path(SYS_chown, 0),
                              path(SYS_lchown, 0),
                              path(SYS_mknod, 0),
                              path(SYS_statfs, 0),
                              path(SYS_chroot, 0),
                              path(SYS_mount, 0),
                              path(SYS_mount, 1, TextKind::path2),
                              path(SYS_umount2, 0),
                              path(SYS_setxattr, 0),
                              name(SYS_setxattr, 1),
                              path(SYS_lsetxattr, 0),
                              name(SYS_lsetxattr, 1),
                              name(SYS_fsetxattr, 1),
                              path(SYS_getxattr, 0),
                              name(SYS_getxattr, 1),
                              path(SYS_lgetxattr, 0),
                              name(SYS_lgetxattr, 1),
                              name(SYS_fgetxattr, 1),
                              path(SYS_removexattr, 0),
                              name(SYS_removexattr, 1),
                              path(SYS_inotify_add_watch, 1),
                              path(SYS_openat, 1),
                              path(SYS_mkdirat, 1),
                              path(SYS_mknodat, 1),
                              path(SYS_fchownat, 1),
                              path(SYS_newfstatat, 1),
                              path(SYS_unlinkat, 1),
                              path(SYS_renameat, 1),
                              path(SYS_renameat, 3, TextKind::path2),
                              path(SYS_linkat, 1),
                              path(SYS_linkat, 3, TextKind::path2),
                              path(SYS_symlinkat, 0),
                              path(SYS_symlinkat, 2, TextKind::path2),
                              path(SYS_readlinkat, 1),
                              path(SYS_fchmodat, 1),
                              path(SYS_faccessat, 1),
                              path(SYS_utimensat, 1),
                              path(SYS_renameat2, 1),
                              path(SYS_renameat2, 3, TextKind::path2),
                              name(SYS_memfd_create, 0),
                              path(SYS_execveat, 1),
                              {SYS_execveat, 2, TextHow::strings, TextKind::argv, 0, path_bytes},
                              path(SYS_statx, 1),
                              path(SYS_openat2, 1),
                              bytes(SYS_openat2, 2, 3, TextKind::open_how, 24),
                              path(SYS_faccessat2, 1),
                              path(SYS_pivot_root, 0),
                              path(SYS_pivot_root, 1, TextKind::path2),
                              name(SYS_sethostname, 0),
                              name(SYS_prctl, 1)};

/// The same by number, so that one call's are found together.
const std::vector<TextPlan>& sorted() {
  static const std::vector<TextPlan> all = [] {
    std::vector<TextPlan> list(std::begin(plans), std::end(plans));
    std::stable_sort(list.begin(), list.end(),
                     [](const TextPlan& a, const TextPlan& b) { return a.number < b.number; });
    return list;
  }();
  return all;
}

}  // namespace

void drop_needless_texts(Call& call) {
  constexpr uint64_t set_name = 15;  // PR_SET_NAME
  if (call.abi != CallAbi::x86_64 || call.number != SYS_prctl || call.args[0] == set_name) return;
  call.texts.clear();
  call.flags = static_cast<uint16_t>(call.flags & ~(call_memory | call_late | call_cut));
}

std::span<const TextPlan> text_plans() { return sorted(); }

std::span<const TextPlan> text_plans(int number) {
  const auto& all = sorted();
  const auto first = std::find_if(all.begin(), all.end(), [&](const TextPlan& plan) { return plan.number == number; });
  const auto last = std::find_if(first, all.end(), [&](const TextPlan& plan) { return plan.number != number; });
  return {first, last};
}

}  // namespace shrike::sandbox
