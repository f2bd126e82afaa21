#pragma once
// The handlers of all calls, by subject, as call_table.cc lists them. Each gets copies of the call's arguments and
// returns its result, -errno, `waiting` or `no_return`.

#include "sandbox/microvm/kernel/request.h"

namespace shrike::sandbox::microvm {

// calls_descriptor.cc
int64_t on_dup(Request& request);
int64_t on_dup2(Request& request);
int64_t on_dup3(Request& request);
int64_t on_close(Request& request);
int64_t on_close_range(Request& request);
int64_t on_pipe(Request& request);
int64_t on_pipe2(Request& request);
int64_t on_eventfd(Request& request);
int64_t on_eventfd2(Request& request);
int64_t on_fcntl(Request& request);
int64_t on_flock(Request& request);
int64_t on_ioctl(Request& request);

// calls_file.cc
int64_t on_read(Request& request);
int64_t on_write(Request& request);
int64_t on_pread64(Request& request);
int64_t on_pwrite64(Request& request);
int64_t on_readv(Request& request);
int64_t on_writev(Request& request);
int64_t on_preadv(Request& request);
int64_t on_pwritev(Request& request);
int64_t on_preadv2(Request& request);
int64_t on_pwritev2(Request& request);
int64_t on_lseek(Request& request);
int64_t on_getdents64(Request& request);
int64_t on_truncate(Request& request);
int64_t on_ftruncate(Request& request);
int64_t on_fallocate(Request& request);
int64_t on_sendfile(Request& request);
int64_t on_copy_file_range(Request& request);

// calls_futex.cc
int64_t on_futex(Request& request);

// calls_identity.cc
int64_t on_getuid(Request& request);
int64_t on_geteuid(Request& request);
int64_t on_getgid(Request& request);
int64_t on_getegid(Request& request);
int64_t on_getresuid(Request& request);
int64_t on_getresgid(Request& request);
int64_t on_setuid(Request& request);
int64_t on_setgid(Request& request);
int64_t on_setreuid(Request& request);
int64_t on_setregid(Request& request);
int64_t on_setresuid(Request& request);
int64_t on_setresgid(Request& request);
int64_t on_setfsuid(Request& request);
int64_t on_setfsgid(Request& request);
int64_t on_getgroups(Request& request);
int64_t on_setgroups(Request& request);
int64_t on_capget(Request& request);
int64_t on_capset(Request& request);
int64_t on_getpid(Request& request);
int64_t on_gettid(Request& request);
int64_t on_getppid(Request& request);
int64_t on_getpgrp(Request& request);
int64_t on_getpgid(Request& request);
int64_t on_getsid(Request& request);
int64_t on_setpgid(Request& request);
int64_t on_setsid(Request& request);

// calls_memory.cc
int64_t on_mmap(Request& request);
int64_t on_munmap(Request& request);
int64_t on_mprotect(Request& request);
int64_t on_pkey_mprotect(Request& request);
int64_t on_mremap(Request& request);
int64_t on_brk(Request& request);
int64_t on_msync(Request& request);
int64_t on_madvise(Request& request);
int64_t on_mincore(Request& request);
int64_t on_membarrier(Request& request);
int64_t on_memfd_create(Request& request);

// calls_message.cc
int64_t on_sendto(Request& request);
int64_t on_sendmsg(Request& request);
int64_t on_sendmmsg(Request& request);
int64_t on_recvfrom(Request& request);
int64_t on_recvmsg(Request& request);
int64_t on_recvmmsg(Request& request);

// calls_name.cc
int64_t on_mkdir(Request& request);
int64_t on_mkdirat(Request& request);
int64_t on_mknod(Request& request);
int64_t on_mknodat(Request& request);
int64_t on_rmdir(Request& request);
int64_t on_unlink(Request& request);
int64_t on_unlinkat(Request& request);
int64_t on_rename(Request& request);
int64_t on_renameat(Request& request);
int64_t on_renameat2(Request& request);
int64_t on_symlink(Request& request);
int64_t on_symlinkat(Request& request);
int64_t on_link(Request& request);
int64_t on_linkat(Request& request);
int64_t on_chmod(Request& request);
int64_t on_fchmodat(Request& request);
int64_t on_fchmod(Request& request);
int64_t on_chown(Request& request);
int64_t on_lchown(Request& request);
int64_t on_fchownat(Request& request);
int64_t on_fchown(Request& request);
int64_t on_utimensat(Request& request);
int64_t on_utimes(Request& request);
int64_t on_futimesat(Request& request);
int64_t on_utime(Request& request);
int64_t on_setxattr(Request& request);
int64_t on_lsetxattr(Request& request);
int64_t on_fsetxattr(Request& request);
int64_t on_getxattr(Request& request);
int64_t on_lgetxattr(Request& request);
int64_t on_fgetxattr(Request& request);
int64_t on_listxattr(Request& request);
int64_t on_llistxattr(Request& request);
int64_t on_flistxattr(Request& request);
int64_t on_removexattr(Request& request);
int64_t on_lremovexattr(Request& request);
int64_t on_fremovexattr(Request& request);

// calls_path.cc
int64_t on_open(Request& request);
int64_t on_openat(Request& request);
int64_t on_creat(Request& request);
int64_t on_openat2(Request& request);
int64_t on_stat(Request& request);
int64_t on_lstat(Request& request);
int64_t on_fstat(Request& request);
int64_t on_newfstatat(Request& request);
int64_t on_statx(Request& request);
int64_t on_access(Request& request);
int64_t on_faccessat(Request& request);
int64_t on_faccessat2(Request& request);
int64_t on_readlink(Request& request);
int64_t on_readlinkat(Request& request);
int64_t on_chdir(Request& request);
int64_t on_fchdir(Request& request);
int64_t on_chroot(Request& request);
int64_t on_getcwd(Request& request);
int64_t on_umask(Request& request);
int64_t on_statfs(Request& request);
int64_t on_fstatfs(Request& request);

// calls_poll.cc
int64_t on_poll(Request& request);
int64_t on_ppoll(Request& request);
int64_t on_select(Request& request);
int64_t on_pselect6(Request& request);
int64_t on_epoll_create(Request& request);
int64_t on_epoll_create1(Request& request);
int64_t on_epoll_ctl(Request& request);
int64_t on_epoll_wait(Request& request);
int64_t on_epoll_pwait(Request& request);
int64_t on_epoll_pwait2(Request& request);

// calls_prctl.cc
int64_t on_prctl(Request& request);
int64_t on_seccomp(Request& request);
int64_t on_arch_prctl(Request& request);
int64_t on_prlimit64(Request& request);
int64_t on_getrlimit(Request& request);
int64_t on_setrlimit(Request& request);

// calls_process.cc
int64_t on_fork(Request& request);
int64_t on_vfork(Request& request);
int64_t on_clone(Request& request);
int64_t on_clone3(Request& request);
int64_t on_execve(Request& request);
int64_t on_execveat(Request& request);
int64_t on_exit(Request& request);
int64_t on_exit_group(Request& request);
int64_t on_set_tid_address(Request& request);
int64_t on_set_robust_list(Request& request);
int64_t on_get_robust_list(Request& request);
int64_t on_pidfd_open(Request& request);

// calls_signal.cc
int64_t on_rt_sigaction(Request& request);
int64_t on_rt_sigprocmask(Request& request);
int64_t on_rt_sigpending(Request& request);
int64_t on_rt_sigsuspend(Request& request);
int64_t on_pause(Request& request);
int64_t on_rt_sigreturn(Request& request);
int64_t on_sigaltstack(Request& request);
int64_t on_kill(Request& request);
int64_t on_tkill(Request& request);
int64_t on_tgkill(Request& request);
int64_t on_rt_sigqueueinfo(Request& request);
int64_t on_rt_tgsigqueueinfo(Request& request);
int64_t on_pidfd_send_signal(Request& request);
int64_t on_rt_sigtimedwait(Request& request);
int64_t on_signalfd4(Request& request);
int64_t on_signalfd(Request& request);

// calls_socket.cc
int64_t on_socket(Request& request);
int64_t on_socketpair(Request& request);
int64_t on_bind(Request& request);
int64_t on_connect(Request& request);
int64_t on_listen(Request& request);
int64_t on_accept(Request& request);
int64_t on_accept4(Request& request);
int64_t on_shutdown(Request& request);
int64_t on_getsockname(Request& request);
int64_t on_getpeername(Request& request);
int64_t on_setsockopt(Request& request);
int64_t on_getsockopt(Request& request);

// calls_system.cc
int64_t on_uname(Request& request);
int64_t on_sethostname(Request& request);
int64_t on_setdomainname(Request& request);
int64_t on_sysinfo(Request& request);
int64_t on_getrandom(Request& request);
int64_t on_getcpu(Request& request);
int64_t on_sched_yield(Request& request);
int64_t on_sched_getaffinity(Request& request);
int64_t on_sched_setaffinity(Request& request);
int64_t on_sched_getscheduler(Request& request);
int64_t on_sched_setscheduler(Request& request);
int64_t on_sched_getparam(Request& request);
int64_t on_sched_setparam(Request& request);
int64_t on_sched_priority_max(Request& request);
int64_t on_sched_priority_min(Request& request);
int64_t on_sched_rr_get_interval(Request& request);
int64_t on_getpriority(Request& request);
int64_t on_setpriority(Request& request);
int64_t on_syslog(Request& request);
int64_t on_sysfs(Request& request);
int64_t on_personality(Request& request);

// calls_time.cc
int64_t on_clock_gettime(Request& request);
int64_t on_clock_getres(Request& request);
int64_t on_clock_settime(Request& request);
int64_t on_gettimeofday(Request& request);
int64_t on_settimeofday(Request& request);
int64_t on_time(Request& request);
int64_t on_times(Request& request);
int64_t on_nanosleep(Request& request);
int64_t on_clock_nanosleep(Request& request);
int64_t on_adjtimex(Request& request);

// calls_timer.cc
int64_t on_getitimer(Request& request);
int64_t on_setitimer(Request& request);
int64_t on_alarm(Request& request);
int64_t on_timer_create(Request& request);
int64_t on_timer_settime(Request& request);
int64_t on_timer_gettime(Request& request);
int64_t on_timer_getoverrun(Request& request);
int64_t on_timer_delete(Request& request);
int64_t on_timerfd_create(Request& request);
int64_t on_timerfd_settime(Request& request);
int64_t on_timerfd_gettime(Request& request);

// calls_wait.cc
int64_t on_wait4(Request& request);
int64_t on_waitid(Request& request);
int64_t on_getrusage(Request& request);

}  // namespace shrike::sandbox::microvm
