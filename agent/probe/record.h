#pragma once
// The kernel's records as C++ sees them: bpf/shrike_event.h and bpf/shrike_filter.h with the types they expect,
// and the proof that the numbers in them are those of common/wire.

#include <linux/types.h>

#include <cstddef>

#include "bpf/shrike_event.h"
#include "bpf/shrike_filter.h"
#include "common/wire/event.h"
#include "common/wire/filter.h"

namespace shrike::probe {

// Padding a compiler would add by itself would differ between clang -target bpf and g++.
static_assert(sizeof(shrike_span) == 8);
static_assert(sizeof(shrike_task) == 144);
static_assert(sizeof(shrike_object) == 48);
static_assert(sizeof(shrike_socket) == 48);
static_assert(sizeof(shrike_record) == 368 && alignof(shrike_record) == 8);
static_assert(offsetof(shrike_record, arg) == 40 && offsetof(shrike_record, task) == 88);
static_assert(offsetof(shrike_record, object) == 232 && offsetof(shrike_record, span) == 328);
static_assert(sizeof(shrike_prefix) == 4 + SHRIKE_PREFIX_MAX);
static_assert(sizeof(shrike_name) == SHRIKE_NAME_MAX && sizeof(shrike_name_access) == 8);
static_assert(sizeof(shrike_record) < SHRIKE_RECORD_MAX && SHRIKE_RECORD_MAX <= 0xffff);
static_assert(SHRIKE_KIND_MAX == event_kind_count);

#define SHRIKE_SAME(c_name, cc_name) \
  static_assert(static_cast<unsigned>(SHRIKE_##c_name) == static_cast<unsigned>(cc_name))
SHRIKE_SAME(NONE, EventKind::none);
SHRIKE_SAME(FORK, EventKind::fork);
SHRIKE_SAME(EXEC, EventKind::exec);
SHRIKE_SAME(EXEC_FAILED, EventKind::exec_failed);
SHRIKE_SAME(EXIT, EventKind::exit);
SHRIKE_SAME(TASK, EventKind::task);
SHRIKE_SAME(OPEN, EventKind::open);
SHRIKE_SAME(RENAME, EventKind::rename);
SHRIKE_SAME(UNLINK, EventKind::unlink);
SHRIKE_SAME(LINK, EventKind::link);
SHRIKE_SAME(SYMLINK, EventKind::symlink);
SHRIKE_SAME(MKDIR, EventKind::mkdir);
SHRIKE_SAME(RMDIR, EventKind::rmdir);
SHRIKE_SAME(CHMOD, EventKind::chmod);
SHRIKE_SAME(CHOWN, EventKind::chown);
SHRIKE_SAME(TRUNCATE, EventKind::truncate);
SHRIKE_SAME(SETXATTR, EventKind::setxattr);
SHRIKE_SAME(MOUNT, EventKind::mount);
SHRIKE_SAME(UMOUNT, EventKind::umount);
SHRIKE_SAME(PIVOT_ROOT, EventKind::pivot_root);
SHRIKE_SAME(CHROOT, EventKind::chroot);
SHRIKE_SAME(SOCKET, EventKind::socket);
SHRIKE_SAME(BIND, EventKind::bind);
SHRIKE_SAME(LISTEN, EventKind::listen);
SHRIKE_SAME(ACCEPT, EventKind::accept);
SHRIKE_SAME(CONNECT, EventKind::connect);
SHRIKE_SAME(SENDTO, EventKind::sendto);
SHRIKE_SAME(DUP, EventKind::dup);
SHRIKE_SAME(TCP_STATE, EventKind::tcp_state);
SHRIKE_SAME(SETID, EventKind::setid);
SHRIKE_SAME(CAPSET, EventKind::capset);
SHRIKE_SAME(SETNS, EventKind::setns);
SHRIKE_SAME(UNSHARE, EventKind::unshare);
SHRIKE_SAME(PTRACE, EventKind::ptrace);
SHRIKE_SAME(VM_ACCESS, EventKind::vm_access);
SHRIKE_SAME(BPF, EventKind::bpf);
SHRIKE_SAME(PERF_EVENT, EventKind::perf_event);
SHRIKE_SAME(MODULE_LOAD, EventKind::module_load);
SHRIKE_SAME(MODULE_UNLOAD, EventKind::module_unload);
SHRIKE_SAME(KEXEC, EventKind::kexec);
SHRIKE_SAME(MEMFD, EventKind::memfd);
SHRIKE_SAME(MAP_WX, EventKind::map_wx);
SHRIKE_SAME(USERFAULTFD, EventKind::userfaultfd);
SHRIKE_SAME(PRCTL, EventKind::prctl);
SHRIKE_SAME(KEYCTL, EventKind::keyctl);
SHRIKE_SAME(SIGNAL, EventKind::signal);
SHRIKE_SAME(URING_SETUP, EventKind::uring_setup);
SHRIKE_SAME(URING_OP, EventKind::uring_op);
SHRIKE_SAME(TOCTOU, EventKind::toctou);
SHRIKE_SAME(SEQUENCE, EventKind::sequence);
SHRIKE_SAME(DENIED, EventKind::denied);

SHRIKE_SAME(F_COMPAT32, flag_compat32);
SHRIKE_SAME(F_X32, flag_x32);
SHRIKE_SAME(F_MEMFD, flag_memfd);
SHRIKE_SAME(F_UPPER, flag_upper);
SHRIKE_SAME(F_DELETED, flag_deleted);
SHRIKE_SAME(F_KTHREAD, flag_kthread);
SHRIKE_SAME(F_THREAD, flag_thread);
SHRIKE_SAME(F_CORE, flag_core);
SHRIKE_SAME(F_URING, flag_uring);
SHRIKE_SAME(F_CREATED, flag_created);
SHRIKE_SAME(F_INTERP, flag_interp);

SHRIKE_SAME(A_OPEN_READ, access_open_read);
SHRIKE_SAME(A_OPEN_WRITE, access_open_write);
SHRIKE_SAME(A_OPEN_FAILED, access_open_failed);
SHRIKE_SAME(A_RENAME, access_rename);
SHRIKE_SAME(A_UNLINK, access_unlink);
SHRIKE_SAME(A_LINK, access_link);
SHRIKE_SAME(A_SYMLINK, access_symlink);
SHRIKE_SAME(A_MKDIR, access_mkdir);
SHRIKE_SAME(A_RMDIR, access_rmdir);
SHRIKE_SAME(A_CHMOD, access_chmod);
SHRIKE_SAME(A_CHOWN, access_chown);
SHRIKE_SAME(A_TRUNCATE, access_truncate);
SHRIKE_SAME(A_SETXATTR, access_setxattr);
#undef SHRIKE_SAME
static_assert(SHRIKE_DENIALS_MAX == denials_max && SHRIKE_NEVER_SET == never_denied_set);
static_assert(access_all < SHRIKE_TRIED_OPEN && sizeof(shrike_denial) == 32 &&
              sizeof(shrike_denials) == 8 + 32 * denials_max);

}  // namespace shrike::probe
