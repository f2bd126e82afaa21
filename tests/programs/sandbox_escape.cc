// Tries to get out of a sandbox, or at what is not its own.
//   sandbox_escape WORD...: one after the other; prints "WORD yes" where it worked, "WORD no ERRNO" where not.
// Ends by itself, with 0.

#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/sched.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>

namespace {

constexpr unsigned long x32_bit = 0x40000000;

long result_of(long result) { return result; }

/// Opens, and says whether that worked.
long can_open(const char* path, int flags) {
  const int fd = ::open(path, flags | O_CLOEXEC, 0600);
  if (fd >= 0) ::close(fd);
  return fd;
}

long int80(long number, long a) {
  long result;
  asm volatile("int $0x80" : "=a"(result) : "a"(number), "b"(a) : "memory", "r8", "r9", "r10", "r11");
  if (result < 0 && result > -4096) {
    errno = static_cast<int>(-result);
    return -1;
  }
  return result;
}

/// A pseudo terminal of the sandbox's own, as our controlling one.
int terminal() {
  const int master = ::open("/dev/ptmx", O_RDWR | O_NOCTTY);
  const int unlock = 0;
  if (master < 0 || ::ioctl(master, TIOCSPTLCK, &unlock) != 0) return 0;
  int number = 0;
  ::ioctl(master, TIOCGPTN, &number);
  const int slave = ::open(("/dev/pts/" + std::to_string(number)).c_str(), O_RDWR);
  return slave < 0 ? 0 : slave;
}

long memory_of_init() {
  char bytes[8];
  const iovec here{bytes, sizeof bytes}, there{reinterpret_cast<void*>(0x400000), sizeof bytes};
  return ::syscall(SYS_process_vm_readv, 1, &here, 1, &there, 1, 0);
}

long listener() {
  sock_filter allow[] = {BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF)};
  const sock_fprog program{1, allow};
  return ::syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER, &program);
}

long clone_namespaces() {
  const long child = ::syscall(SYS_clone, CLONE_NEWUSER | CLONE_NEWNS | SIGCHLD, 0, 0, 0, 0);
  if (child == 0) ::_exit(0);
  if (child > 0) ::waitpid(static_cast<pid_t>(child), nullptr, 0);
  return child;
}

long clone3_namespaces() {
  clone_args args{};
  args.flags = CLONE_NEWUSER;
  args.exit_signal = SIGCHLD;
  const long child = ::syscall(SYS_clone3, &args, sizeof args);
  if (child == 0) ::_exit(0);
  if (child > 0) ::waitpid(static_cast<pid_t>(child), nullptr, 0);
  return child;
}

/// Descriptors beyond the three that a program has.
long leaked_descriptors() {
  for (int fd = 3; fd < 4096; ++fd)
    if (::fcntl(fd, F_GETFD) != -1) return fd;
  errno = EBADF;
  return -1;
}

/// Out of a chroot by a directory that was opened before.
long dot_dot() {
  struct stat root {
  }, above{};
  if (::stat("/", &root) != 0 || ::chdir("/") != 0) return -1;
  for (int i = 0; i < 64; ++i)
    if (::chdir("..") != 0) return -1;
  if (::stat(".", &above) != 0) return -1;
  errno = EXDEV;
  return above.st_ino == root.st_ino && above.st_dev == root.st_dev ? -1 : 0;
}

/// Any of this host's secrets that a root without capabilities could read.
long secrets() {
  for (const char* path : {"/etc/gshadow", "/etc/sudoers", "/etc/ssh", "/etc/ssl/private/.", "/proc/kcore",
                           "/proc/1/environ", "/sys/kernel", "/dev/mem", "/dev/sda", "/dev/kmsg", "/run/shrike",
                           "/var/lib/shrike-sandbox", "/proc/sys/kernel"})
    if (can_open(path, O_RDONLY) >= 0) return 0;
  errno = ENOENT;
  return -1;
}

long rewrite_self() {
  for (const char* path : {"/proc/self/exe", "/proc/1/exe"})
    for (const int flags : {O_WRONLY, O_RDWR, O_WRONLY | O_TRUNC})
      if (can_open(path, flags) >= 0) return 0;
  return -1;
}

long write_programs() {
  // Of what there is on every host: elsewhere these folders are the program's own to make.
  for (const char* path : {"/usr/bin/ls", "/bin/sh", "/usr/lib/x"})
    if (can_open(path, O_WRONLY | O_CREAT) >= 0) return 0;
  return -1;
}

long own_init() {
  if (can_open("/proc/1/mem", O_RDWR) >= 0 || can_open("/proc/1/root/", O_RDONLY) >= 0 ||
      can_open("/proc/1/fd", O_RDONLY) >= 0)
    return 0;
  return -1;
}

struct Attempt {
  const char* word;
  long (*run)();
};

constexpr Attempt attempts[] = {
    {"tiocsti", [] { return result_of(::ioctl(terminal(), TIOCSTI, "x")); }},
    {"tiocsti_high", [] { return ::syscall(SYS_ioctl, terminal(), TIOCSTI | 1ull << 32, "x"); }},
    {"tioclinux",
     [] {
       char what = 2;
       return result_of(::ioctl(terminal(), TIOCLINUX, &what));
     }},
    {"x32", [] { return ::syscall(x32_bit | SYS_getpid); }},
    {"int80", [] { return int80(20, 0); }},
    {"int80_write", [] { return int80(4, 1); }},
    {"io_uring",
     [] {
       char params[512] = {};
       return ::syscall(SYS_io_uring_setup, 4, params);
     }},
    {"unshare", [] { return result_of(::unshare(CLONE_NEWUSER | CLONE_NEWNS)); }},
    {"setns", [] { return ::syscall(SYS_setns, ::open("/proc/self/ns/user", O_RDONLY), 0); }},
    {"clone_namespaces", clone_namespaces},
    {"clone3_namespaces", clone3_namespaces},
    {"ptrace_parent", [] { return ::ptrace(PTRACE_ATTACH, ::getppid(), nullptr, nullptr); }},
    {"ptrace_me", [] { return ::ptrace(PTRACE_TRACEME, 0, nullptr, nullptr); }},
    {"memory_of_init", memory_of_init},
    {"own_init", own_init},
    {"rewrite_self", rewrite_self},
    {"write_programs", write_programs},
    {"leaked_descriptors", leaked_descriptors},
    {"dot_dot", dot_dot},
    {"secrets", secrets},
    {"mount", [] { return result_of(::mount("none", "/mnt", "tmpfs", 0, nullptr)); }},
    {"fsopen", [] { return ::syscall(SYS_fsopen, "tmpfs", 0); }},
    {"open_tree", [] { return ::syscall(SYS_open_tree, AT_FDCWD, "/", 1); }},
    {"umount", [] { return result_of(::umount("/usr")); }},
    {"pivot_root", [] { return ::syscall(SYS_pivot_root, "/tmp", "/tmp"); }},
    {"chroot", [] { return result_of(::chroot("/tmp")); }},
    {"mknod", [] { return result_of(::mknod("/tmp/disk", S_IFBLK | 0600, 0x800)); }},
    {"handle", [] { return ::syscall(SYS_open_by_handle_at, AT_FDCWD, nullptr, O_RDONLY); }},
    {"keyctl", [] { return ::syscall(SYS_keyctl, 0, -3, 1); }},
    {"add_key", [] { return ::syscall(SYS_add_key, "user", "x", "y", 1, -3); }},
    {"bpf", [] { return ::syscall(SYS_bpf, 0, nullptr, 0); }},
    {"perf", [] { return ::syscall(SYS_perf_event_open, nullptr, 0, -1, -1, 0); }},
    {"userfaultfd", [] { return ::syscall(SYS_userfaultfd, 0); }},
    {"kexec", [] { return ::syscall(SYS_kexec_load, 0, 0, nullptr, 0); }},
    {"module", [] { return ::syscall(SYS_init_module, nullptr, 0, ""); }},
    {"reboot", [] { return ::syscall(SYS_reboot, 0, 0, 0, nullptr); }},
    {"socket_raw", [] { return result_of(::socket(AF_INET, SOCK_RAW, 1)); }},
    {"socket_packet", [] { return result_of(::socket(AF_PACKET, SOCK_RAW, 0)); }},
    {"socket_netlink", [] { return result_of(::socket(AF_NETLINK, SOCK_RAW, 12 /* netfilter */)); }},
    {"socket_vsock", [] { return result_of(::socket(40, SOCK_STREAM, 0)); }},
    {"socket_alg", [] { return result_of(::socket(AF_ALG, SOCK_SEQPACKET, 0)); }},
    {"listener", listener},
    {"kill_init", [] { return result_of(::kill(1, SIGKILL)); }},
    {"become_root",
     [] {
       if (::setuid(0) != 0) return -1L;
       return result_of(::chown("/usr", 0, 0));
     }},
};

}  // namespace

int main(int argc, char** argv) {
  for (int i = 1; i < argc; ++i) {
    bool known = false;
    for (const auto& attempt : attempts) {
      if (std::strcmp(attempt.word, argv[i]) != 0) continue;
      known = true;
      errno = 0;
      const long result = attempt.run();
      if (result >= 0)
        std::printf("%s yes\n", argv[i]);
      else
        std::printf("%s no %d\n", argv[i], errno);
      std::fflush(stdout);
    }
    if (!known) return 2;
  }
  return 0;
}
