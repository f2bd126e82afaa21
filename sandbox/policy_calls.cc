#include "sandbox/policy_calls.h"

#include <linux/prctl.h>

namespace shrike::sandbox {

namespace {

constexpr std::string_view plain[] = {
    // Files, by path and by descriptor: the tree is the sandbox's own.
    "read", "write", "readv", "writev", "pread64", "pwrite64", "preadv", "pwritev", "preadv2", "pwritev2", "lseek",
    "open", "openat", "openat2", "creat", "close", "close_range", "access", "faccessat", "faccessat2", "stat", "fstat",
    "lstat", "newfstatat", "statx", "statfs", "fstatfs", "getdents", "getdents64", "readlink", "readlinkat", "link",
    "linkat", "symlink", "symlinkat", "unlink", "unlinkat", "rename", "renameat", "renameat2", "mkdir", "mkdirat",
    "rmdir", "mknod", "mknodat", "chmod", "fchmod", "fchmodat", "fchmodat2", "chown", "fchown", "lchown", "fchownat",
    "truncate", "ftruncate", "fallocate", "utime", "utimes", "utimensat", "futimesat", "umask", "chdir", "fchdir",
    "getcwd", "dup", "dup2", "dup3", "fcntl", "flock", "fsync", "fdatasync", "sync_file_range", "fadvise64",
    "readahead", "sendfile", "copy_file_range", "splice", "tee", "vmsplice", "getxattr", "lgetxattr", "fgetxattr",
    "listxattr", "llistxattr", "flistxattr", "setxattr", "lsetxattr", "fsetxattr", "removexattr", "lremovexattr",
    "fremovexattr", "inotify_init", "inotify_init1", "inotify_add_watch", "inotify_rm_watch", "memfd_create",
    "cachestat", "sync", "syncfs",
    // Waiting.
    "poll", "ppoll", "select", "pselect6", "epoll_create", "epoll_create1", "epoll_ctl", "epoll_wait", "epoll_pwait",
    "epoll_pwait2", "eventfd", "eventfd2", "signalfd", "signalfd4", "timerfd_create", "timerfd_settime",
    "timerfd_gettime", "pipe", "pipe2", "pause", "nanosleep", "clock_nanosleep", "restart_syscall",
    // Memory.
    "brk", "munmap", "mremap", "madvise", "msync", "mincore", "mlock", "munlock", "mlockall", "munlockall", "mlock2",
    "membarrier", "get_mempolicy",
    // Signals.
    "rt_sigaction", "rt_sigprocmask", "rt_sigreturn", "rt_sigpending", "rt_sigtimedwait", "rt_sigqueueinfo",
    "rt_tgsigqueueinfo", "rt_sigsuspend", "sigaltstack", "kill", "tkill", "tgkill", "alarm", "setitimer", "getitimer",
    "timer_create", "timer_settime", "timer_gettime", "timer_getoverrun", "timer_delete", "pidfd_open",
    "pidfd_send_signal",
    // Itself.
    "exit", "exit_group", "wait4", "waitid", "getpid", "gettid", "getppid", "getpgrp", "getpgid", "setpgid", "getsid",
    "setsid", "getuid", "geteuid", "getgid", "getegid", "getresuid", "getresgid", "getgroups", "setuid", "setgid",
    "setreuid", "setregid", "setresuid", "setresgid", "setfsuid", "setfsgid", "setgroups", "capget", "capset",
    "getrlimit", "setrlimit", "prlimit64", "getrusage", "times", "getpriority", "setpriority", "sched_yield",
    "sched_getaffinity", "sched_setaffinity", "sched_getparam", "sched_getscheduler", "sched_setscheduler",
    "sched_setparam", "sched_get_priority_max", "sched_get_priority_min", "sched_rr_get_interval", "sched_getattr",
    "sched_setattr", "ioprio_get", "ioprio_set", "set_tid_address", "set_robust_list", "get_robust_list", "futex",
    "futex_waitv", "futex_wake", "futex_wait", "futex_requeue", "rseq", "arch_prctl", "getcpu", "uname", "sysinfo",
    "getrandom", "gettimeofday", "time", "clock_gettime", "clock_getres", "execve", "execveat",
    // System V and POSIX IPC: in a namespace of its own.
    "shmget", "shmat", "shmdt", "shmctl", "semget", "semop", "semtimedop", "semctl", "msgget", "msgsnd", "msgrcv",
    "msgctl", "mq_open", "mq_unlink", "mq_timedsend", "mq_timedreceive", "mq_notify", "mq_getsetattr"};

constexpr std::string_view sockets[] = {"bind",        "listen",   "accept",     "accept4",   "connect", "getsockname",
                                        "getpeername", "sendto",   "recvfrom",   "sendmsg",   "recvmsg", "sendmmsg",
                                        "recvmmsg",    "shutdown", "getsockopt", "setsockopt"};

constexpr uint32_t prctls[] = {PR_SET_PDEATHSIG,
                               PR_GET_PDEATHSIG,
                               PR_GET_DUMPABLE,
                               PR_SET_DUMPABLE,
                               PR_SET_NAME,
                               PR_GET_NAME,
                               PR_GET_KEEPCAPS,
                               PR_SET_KEEPCAPS,
                               PR_CAPBSET_READ,
                               PR_CAPBSET_DROP,
                               PR_GET_SECUREBITS,
                               PR_SET_NO_NEW_PRIVS,
                               PR_GET_NO_NEW_PRIVS,
                               PR_GET_SECCOMP,
                               PR_SET_CHILD_SUBREAPER,
                               PR_GET_CHILD_SUBREAPER,
                               PR_GET_TID_ADDRESS,
                               PR_SET_TIMERSLACK,
                               PR_GET_TIMERSLACK,
                               PR_SET_THP_DISABLE,
                               PR_GET_THP_DISABLE,
                               PR_SET_VMA,
                               PR_CAP_AMBIENT,
                               PR_SET_PTRACER,
                               PR_GET_TIMING,
                               PR_GET_FPEMU,
                               65 /* PR_SET_MDWE (6.3) */,
                               66 /* PR_GET_MDWE */};

constexpr uint32_t prctls_absent[] = {PR_GET_SPECULATION_CTRL, PR_SET_SPECULATION_CTRL, PR_GET_UNALIGN,
                                      PR_GET_IO_FLUSHER, 70 /* PR_RISCV_V_GET_CONTROL, what V8 asks everywhere */};

constexpr std::string_view unknown[] = {"clone3",
                                        "rseq_slice_yield",
                                        "landlock_create_ruleset",
                                        "landlock_add_rule",
                                        "landlock_restrict_self",
                                        "map_shadow_stack",
                                        "statmount",
                                        "listmount"};

constexpr NeverAllowed never[] = {
    {"io_uring_setup", "io_uring"},
    {"io_uring_enter", "io_uring"},
    {"io_uring_register", "io_uring"},
    {"userfaultfd", "userfaultfd"},
    {"bpf", "BPF"},
    {"perf_event_open", "performance events"},
    {"add_key", "the kernel's keys"},
    {"request_key", "the kernel's keys"},
    {"keyctl", "the kernel's keys"},
    {"ptrace", "tracing"},
    {"process_vm_readv", "another process's memory"},
    {"process_vm_writev", "another process's memory"},
    {"process_madvise", "another process's memory"},
    {"process_mrelease", "another process's memory"},
    {"pidfd_getfd", "another process's descriptors"},
    {"kcmp", "other processes"},
    {"mount", "mounts"},
    {"umount2", "mounts"},
    {"pivot_root", "mounts"},
    {"open_tree", "mounts"},
    {"open_tree_attr", "mounts"},
    {"move_mount", "mounts"},
    {"fsopen", "mounts"},
    {"fsconfig", "mounts"},
    {"fsmount", "mounts"},
    {"fspick", "mounts"},
    {"mount_setattr", "mounts"},
    {"chroot", "mounts"},
    {"unshare", "namespaces"},
    {"setns", "namespaces"},
    {"clone", "namespaces"},
    {"kexec_load", "kernel loading"},
    {"kexec_file_load", "kernel loading"},
    {"init_module", "kernel modules"},
    {"finit_module", "kernel modules"},
    {"delete_module", "kernel modules"},
    {"create_module", "kernel modules"},
    {"query_module", "kernel modules"},
    {"get_kernel_syms", "kernel modules"},
    {"open_by_handle_at", "files by handle"},
    {"fanotify_init", "fanotify"},
    {"fanotify_mark", "fanotify"},
    {"seccomp", "a filter of its own"},
    {"reboot", "the host"},
    {"swapon", "the host"},
    {"swapoff", "the host"},
    {"syslog", "the host's log"},
    {"acct", "the host"},
    {"quotactl", "the host"},
    {"quotactl_fd", "the host"},
    {"settimeofday", "the clock"},
    {"clock_settime", "the clock"},
    {"clock_adjtime", "the clock"},
    {"adjtimex", "the clock"},
    {"sethostname", "the host"},
    {"setdomainname", "the host"},
    {"iopl", "hardware"},
    {"ioperm", "hardware"},
    {"modify_ldt", "segments"},
    {"vhangup", "terminals"},
    {"lookup_dcookie", "the kernel"},
    {"uselib", "old calls"},
    {"ustat", "old calls"},
    {"sysfs", "old calls"},
    {"_sysctl", "old calls"},
    {"nfsservctl", "old calls"},
    {"move_pages", "memory policy"},
    {"migrate_pages", "memory policy"},
    {"mbind", "memory policy"},
    {"set_mempolicy", "memory policy"},
    {"set_mempolicy_home_node", "memory policy"},
    {"personality", "personality"},
    {"socket", "raw or exotic sockets"},
    {"socketpair", "raw or exotic sockets"},
    {"ioctl", "this command"},
    {"prctl", "this option"},
    {"mmap", "memory that is writable and executable"},
    {"mprotect", "memory that becomes executable"},
    {"pkey_mprotect", "memory that becomes executable"},
    {"memfd_secret", "secret memory"},
    {"io_setup", "asynchronous input and output"},
    {"io_submit", "asynchronous input and output"},
};

}  // namespace

std::span<const std::string_view> plain_calls() { return plain; }
std::span<const std::string_view> socket_calls() { return sockets; }
std::span<const uint32_t> plain_prctls() { return prctls; }
std::span<const uint32_t> absent_prctls() { return prctls_absent; }
std::span<const std::string_view> unknown_calls() { return unknown; }
std::span<const NeverAllowed> never_allowed() { return never; }

}  // namespace shrike::sandbox
