#include "agent/detonate/refusals.h"

#include <sys/ioctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>

namespace shrike::detonate {
namespace {

constexpr uint64_t namespace_flags = 0x7e020080;  // CLONE_NEW*
constexpr uint64_t new_listener = 8;              // SECCOMP_FILTER_FLAG_NEW_LISTENER
constexpr uint64_t console_command = 0x541c;      // TIOCLINUX

const Finding* socket_finding(const sandbox::Call& call) {
  switch (call.args[0] & 0xffff'ffff) {
    case AF_UNSPEC:
    case AF_UNIX:
      return nullptr;
    case AF_PACKET:
    case AF_XDP:
      return &for_packets;
    case AF_INET:
    case AF_INET6:
      // Others are protocols that nobody speaks here, not a way around those that are spoken.
      return (call.args[1] & 0xf) == SOCK_RAW ? &for_raw_network : nullptr;
    default:
      return &for_exotic;
  }
}

}  // namespace

const Finding* refused_finding(const sandbox::Call& call) {
  if (call.abi != sandbox::CallAbi::x86_64) return &for_interfaces;
  switch (call.number) {
    case SYS_ptrace:
      return call.args[0] == PTRACE_TRACEME ? &debugger : &for_processes;
    case SYS_process_vm_readv:
    case SYS_process_vm_writev:
    case SYS_kcmp:
    case SYS_pidfd_getfd:
      return &for_processes;
    case SYS_bpf:
    case SYS_perf_event_open:
    case SYS_init_module:
    case SYS_finit_module:
    case SYS_delete_module:
    case SYS_kexec_load:
    case SYS_kexec_file_load:
    case SYS_userfaultfd:
    case SYS_iopl:
    case SYS_ioperm:
      return &for_kernel;
    case SYS_add_key:
    case SYS_request_key:
    case SYS_keyctl:
      return &for_keys;
    case SYS_open_by_handle_at:
      return &for_host;
    case SYS_setns:
      return &for_namespaces;
    case SYS_unshare:
    case SYS_clone:
      return (call.args[0] & namespace_flags) != 0 ? &for_namespaces : nullptr;
    case SYS_mount:
    case SYS_umount2:
    case SYS_pivot_root:
    case SYS_chroot:
    case SYS_move_mount:
    case SYS_open_tree:
    case SYS_fsopen:
    case SYS_fsmount:
    case SYS_mount_setattr:
      return &for_mounts;
    case SYS_io_uring_setup:
    case SYS_io_uring_enter:
    case SYS_io_uring_register:
      return &for_rings;
    case SYS_seccomp:
      // A filter that a program puts on itself takes rights away; only who listens to it gets something.
      return (call.args[1] & new_listener) != 0 ? &for_rings : nullptr;
    case SYS_ioctl:
      return call.args[1] == TIOCSTI || call.args[1] == console_command ? &for_terminal : nullptr;
    case SYS_socket:
      return socket_finding(call);
    default:
      return nullptr;
  }
}

}  // namespace shrike::detonate
