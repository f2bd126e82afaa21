// The list of what a running agent may ask of the kernel.

#include <fcntl.h>
#include <sched.h>
#include <seccomp.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <termios.h>
#include <unistd.h>

#include <csignal>
#include <initializer_list>
#include <string>

#include "agent/privileges.h"

namespace shrike::agent {
namespace {

// Names, not numbers: one list for all architectures. What an architecture or libseccomp does not know is passed over.
constexpr const char* allowed[] = {
    // memory and threads (mmap, mprotect and clone have conditions below)
    "brk",
    "munmap",
    "mremap",
    "madvise",
    "futex",
    "futex_waitv",
    "set_robust_list",
    "rseq",
    "sched_yield",
    "sched_getaffinity",
    "sched_getparam",
    "sched_getscheduler",
    "exit",
    "exit_group",
    "membarrier",
    "set_tid_address",
    "arch_prctl",
    "getrandom",
    "restart_syscall",
    "getcpu",
    "mlock",
    "munlock",
    // time
    "clock_gettime",
    "clock_getres",
    "clock_nanosleep",
    "nanosleep",
    "gettimeofday",
    "time",
    "timerfd_create",
    "timerfd_settime",
    "timerfd_gettime",
    // signals, to itself and from its own fd
    "rt_sigaction",
    "rt_sigprocmask",
    "rt_sigreturn",
    "rt_sigtimedwait",
    "sigaltstack",
    "signalfd4",
    // who am I
    "getpid",
    "gettid",
    "getppid",
    "getuid",
    "geteuid",
    "getgid",
    "getegid",
    "uname",
    "sysinfo",
    "getrusage",
    "getrlimit",
    "capget",
    // files: spool, rules, configuration, /proc, cgroups by id
    "open",
    "openat",
    "openat2",
    "close",
    "close_range",
    "read",
    "pread64",
    "readv",
    "preadv",
    "write",
    "pwrite64",
    "writev",
    "pwritev",
    "lseek",
    "fsync",
    "fdatasync",
    "sync_file_range",
    "fallocate",
    "ftruncate",
    "fstat",
    "stat",
    "lstat",
    "newfstatat",
    "statx",
    "statfs",
    "fstatfs",
    "access",
    "faccessat",
    "faccessat2",
    "readlink",
    "readlinkat",
    "getdents64",
    "rename",
    "renameat",
    "renameat2",
    "unlink",
    "unlinkat",
    "mkdir",
    "mkdirat",
    "rmdir",
    "fchmod",
    "chmod",
    "fchmodat",
    "umask",
    "flock",
    "getcwd",
    "fcntl",
    "dup",
    "dup2",
    "dup3",
    "pipe2",
    "open_by_handle_at",
    "name_to_handle_at",
    "copy_file_range",
    "fadvise64",
    // waiting
    "poll",
    "ppoll",
    "select",
    "pselect6",
    "epoll_create",
    "epoll_create1",
    "epoll_ctl",
    "epoll_wait",
    "epoll_pwait",
    "epoll_pwait2",
    "eventfd2",
    // network: NATS, name service, loopback server, service manager (socket has conditions below)
    "connect",
    "bind",
    "listen",
    "accept",
    "accept4",
    "getsockname",
    "getpeername",
    "setsockopt",
    "getsockopt",
    "sendto",
    "sendmsg",
    "sendmmsg",
    "recvfrom",
    "recvmsg",
    "recvmmsg",
    "shutdown",
    "socketpair",
    "sendfile",
    // the next generation of programs
    "bpf",
};

/// Nothing in the agent leads here; whoever does is not the agent any more.
constexpr const char* deadly[] = {
    "execve",
    "execveat",
    "ptrace",
    "process_vm_readv",
    "process_vm_writev",
    "process_madvise",
    "pidfd_getfd",
    "mount",
    "umount2",
    "pivot_root",
    "chroot",
    "move_mount",
    "open_tree",
    "fsopen",
    "fsconfig",
    "fsmount",
    "fspick",
    "mount_setattr",
    "setns",
    "unshare",
    "init_module",
    "finit_module",
    "delete_module",
    "kexec_load",
    "kexec_file_load",
    "reboot",
    "swapon",
    "swapoff",
    "userfaultfd",
    "memfd_create",
    "io_uring_setup",
    "io_uring_enter",
    "io_uring_register",
    "setuid",
    "setgid",
    "setreuid",
    "setregid",
    "setresuid",
    "setresgid",
    "setfsuid",
    "setfsgid",
    "setgroups",
    "add_key",
    "request_key",
    "keyctl",
    "personality",
    "iopl",
    "ioperm",
};

class Filter {
 public:
  explicit Filter(uint32_t otherwise) : context_(seccomp_init(otherwise)) {}
  ~Filter() {
    if (context_ != nullptr) seccomp_release(context_);
  }
  Filter(const Filter&) = delete;
  Filter& operator=(const Filter&) = delete;

  void add(uint32_t action, const char* name, std::initializer_list<scmp_arg_cmp> conditions = {}) {
    const int number = seccomp_syscall_resolve_name(name);
    if (number == __NR_SCMP_ERROR || error_ != 0) return;
    const int done =
        seccomp_rule_add_array(context_, action, number, static_cast<unsigned>(conditions.size()), conditions.begin());
    if (done != 0) {
      error_ = -done;
      where_ = name;
    }
  }
  void allow(const char* name, std::initializer_list<scmp_arg_cmp> conditions = {}) {
    add(SCMP_ACT_ALLOW, name, conditions);
  }
  void attribute(scmp_filter_attr what, uint32_t value, const char* name) {
    if (error_ != 0) return;
    const int done = seccomp_attr_set(context_, what, value);
    if (done != 0) {
      error_ = -done;
      where_ = name;
    }
  }
  Result<void> load() {
    if (context_ == nullptr) return Error{"seccomp: out of memory"};
    if (error_ == 0) {
      error_ = -seccomp_load(context_);
      where_ = "load";
    }
    if (error_ != 0) return errno_error("seccomp: " + where_, error_);
    return {};
  }

 private:
  scmp_filter_ctx context_;
  int error_ = 0;
  std::string where_;
};

scmp_arg_cmp equal(unsigned argument, uint64_t value) { return {argument, SCMP_CMP_EQ, value, 0}; }
scmp_arg_cmp masked(unsigned argument, uint64_t mask, uint64_t value) {
  return {argument, SCMP_CMP_MASKED_EQ, mask, value};
}

void conditional_rules(Filter& filter) {
  // Threads, not processes.
  filter.allow("clone", {masked(0, CLONE_THREAD, CLONE_THREAD)});
  // Memory is writable or executable, never both, and never becomes executable. (dlopen maps its text executable.)
  filter.allow("mmap", {masked(2, PROT_EXEC, 0)});
  filter.allow("mmap", {masked(2, PROT_EXEC | PROT_WRITE, PROT_EXEC)});
  filter.allow("mprotect", {masked(2, PROT_EXEC, 0)});
  filter.allow("pkey_mprotect", {masked(2, PROT_EXEC, 0)});
  // Streams and datagrams; getaddrinfo asks the kernel for its addresses over a route socket.
  constexpr uint64_t type_bits = 0xf;
  for (const uint64_t family : {AF_UNIX, AF_INET, AF_INET6})
    for (const uint64_t type : {SOCK_STREAM, SOCK_DGRAM})
      filter.allow("socket", {equal(0, family), masked(1, type_bits, type)});
  filter.allow("socket", {equal(0, AF_NETLINK), equal(2, 0)});
  // abort() and pthread_kill, at itself only.
  filter.allow("tgkill", {equal(0, static_cast<uint64_t>(::getpid()))});
  for (const uint64_t request : {uint64_t{FIONREAD}, uint64_t{FIONBIO}, uint64_t{TCGETS}, uint64_t{TIOCGWINSZ}})
    filter.allow("ioctl", {equal(1, request)});
  for (const uint64_t option : {PR_SET_NAME, PR_GET_NAME, PR_SET_VMA, PR_GET_DUMPABLE})
    filter.allow("prctl", {equal(0, option)});
  // Reading limits; libbpf would raise RLIMIT_MEMLOCK on kernels before 5.11, which it did before we came here.
  filter.allow("prlimit64", {equal(2, 0)});
}

}  // namespace

Result<void> install_system_call_filter(const ResponseNeeds& needs) {
  // clone3 hides its flags behind a pointer; when it is not there glibc takes clone. In a filter of its own, because
  // this answer comes with every new thread and must not be logged.
  Filter without_clone3(SCMP_ACT_ALLOW);
  without_clone3.add(SCMP_ACT_ERRNO(ENOSYS), "clone3");
  without_clone3.attribute(SCMP_FLTATR_CTL_TSYNC, 1, "TSYNC");
  TRY_VOID(without_clone3.load());

  Filter filter(SCMP_ACT_ERRNO(EPERM));
  filter.allow("clone3");
  for (const char* name : allowed) filter.allow(name);
  for (const char* name : deadly) filter.add(SCMP_ACT_KILL_PROCESS, name);
  conditional_rules(filter);
  if (needs.signals || needs.network) filter.allow("pidfd_open");
  // The two that can be taken back or that end the process; what else a signal can say is nobody's business here.
  if (needs.signals)
    for (const uint64_t number : {SIGKILL, SIGSTOP}) filter.allow("pidfd_send_signal", {equal(1, number)});
  filter.attribute(SCMP_FLTATR_CTL_TSYNC, 1, "TSYNC");
  filter.attribute(SCMP_FLTATR_CTL_LOG, 1, "LOG");
  // A binary tree instead of a list: the agent's many cheap calls do not pay for the rare ones.
  filter.attribute(SCMP_FLTATR_CTL_OPTIMIZE, 2, "OPTIMIZE");
  return filter.load();
}

}  // namespace shrike::agent
