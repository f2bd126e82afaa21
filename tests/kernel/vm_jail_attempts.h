#pragma once
// What hostile code in the jail of a machine's process may try.

#include <fcntl.h>
#include <netinet/in.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdint>

#include "sandbox/microvm/machine/kvm.h"

namespace shrike::sandbox::test {

/// What an attempt may know of the world outside.
struct Outside {
  pid_t test = 0;
  sockaddr_in tcp{};
  sockaddr_un abstract{};
  socklen_t abstract_bytes = 0;
  uint64_t secret_at = 0;  ///< in the test's memory
};

struct Attempt {
  const char* name;
  bool (*reaches)(const Outside&);  ///< whether it got what it wanted
  bool filter_only = false;         ///< harmless by itself, and only the filter's business
};

inline bool opens(const char* path, int flags) { return ::open(path, flags, 0600) >= 0; }

inline bool connects(int family, int type, const void* address, socklen_t bytes) {
  const int fd = ::socket(family, type, 0);
  return fd >= 0 && ::connect(fd, static_cast<const sockaddr*>(address), bytes) == 0;
}

inline bool executes_memory() {
  const int fd = static_cast<int>(::syscall(SYS_memfd_create, "x", 0u));
  const char script[] = "#!/bin/sh\n";
  if (fd < 0 || ::write(fd, script, sizeof script - 1) < 0) return false;
  char* const words[] = {const_cast<char*>("x"), nullptr};
  ::syscall(SYS_execveat, fd, "", words, words, AT_EMPTY_PATH);
  return errno != EACCES && errno != EPERM && errno != ENOENT && errno != EFBIG;
}

/// The descriptors that are left, KVM's among them.
template <class Try>
bool any_descriptor(Try attempt) {
  for (int fd = 0; fd < 64; ++fd)
    if (attempt(fd)) return true;
  return false;
}

inline const Attempt attempts[] = {
    {"a file of this host", [](const Outside&) { return opens("/etc/passwd", O_RDONLY); }},
    {"a file of this host by way of above", [](const Outside&) { return opens("../../../../etc/passwd", O_RDONLY); }},
    {"its own program", [](const Outside&) { return opens("/proc/self/exe", O_RDONLY); }},
    {"a folder", [](const Outside&) { return opens("/usr", O_RDONLY | O_DIRECTORY); }},
    {"a new file", [](const Outside&) { return opens("/new", O_RDWR | O_CREAT); }},
    {"a nameless file", [](const Outside&) { return opens("/", O_RDWR | O_TMPFILE); }},
    {"a new folder", [](const Outside&) { return ::mkdir("/folder", 0700) == 0; }},
    {"a device", [](const Outside&) { return ::mknod("/kvm", S_IFCHR | 0600, 10 << 8 | 232) == 0; }},
    {"a handle of a file",
     [](const Outside&) {
       struct {
         file_handle head;
         char bytes[8];
       } handle{{8, 1, {}}, {2}};
       return ::open_by_handle_at(AT_FDCWD, &handle.head, O_RDONLY) >= 0;
     }},
    {"TCP to this host", [](const Outside& o) { return connects(AF_INET, SOCK_STREAM, &o.tcp, sizeof o.tcp); }},
    {"UDP to this host", [](const Outside& o) { return connects(AF_INET, SOCK_DGRAM, &o.tcp, sizeof o.tcp); }},
    {"an abstract socket",
     [](const Outside& o) { return connects(AF_UNIX, SOCK_STREAM, &o.abstract, o.abstract_bytes); }},
    {"a raw socket", [](const Outside&) { return ::socket(AF_INET, SOCK_RAW, IPPROTO_ICMP) >= 0; }},
    {"a packet socket", [](const Outside&) { return ::socket(AF_PACKET, SOCK_RAW, 0) >= 0; }},
    {"a signal to who has made it", [](const Outside& o) { return ::kill(o.test, 0) == 0; }},
    {"a signal to its process group",
     [](const Outside&) {
       // The test is in that group, and counts what comes.
       ::signal(SIGUSR1, SIG_IGN);
       ::kill(0, SIGUSR1);
       return false;
     }},
    {"signals to all", [](const Outside&) { return ::kill(-1, SIGTERM) == 0; }},
    {"tracing", [](const Outside& o) { return ::ptrace(PTRACE_SEIZE, o.test, 0, 0) == 0; }},
    {"memory of another",
     [](const Outside& o) {
       char bytes[8];
       const iovec to{bytes, sizeof bytes}, from{reinterpret_cast<void*>(o.secret_at), sizeof bytes};
       return ::process_vm_readv(o.test, &to, 1, &from, 1, 0) > 0;
     }},
    {"a descriptor of another",
     [](const Outside& o) {
       const int pidfd = static_cast<int>(::syscall(SYS_pidfd_open, o.test, 0));
       return pidfd >= 0 || ::syscall(SYS_pidfd_getfd, 1, 0, 0) >= 0;
     }},
    {"a child", [](const Outside&) { return ::fork() >= 0; }},
    {"another program",
     [](const Outside&) {
       char* const words[] = {const_cast<char*>("sh"), nullptr};
       return ::execve("/bin/sh", words, words) == 0;
     }},
    {"a program of its own memory", [](const Outside&) { return executes_memory(); }},
    {"a user namespace", [](const Outside&) { return ::unshare(CLONE_NEWUSER) == 0; }},
    {"a mount namespace", [](const Outside&) { return ::unshare(CLONE_NEWNS) == 0; }},
    {"a mount", [](const Outside&) { return ::mount("none", "/", "tmpfs", 0, nullptr) == 0; }},
    {"another root", [](const Outside&) { return ::chroot("/") == 0; }},
    {"to be root", [](const Outside&) { return ::setresuid(0, 0, 0) == 0 && ::geteuid() == 0; }},
    {"a host's name", [](const Outside&) { return ::sethostname("x", 1) == 0; }},
    {"BPF", [](const Outside&) { return ::syscall(SYS_bpf, 0, nullptr, 0) >= 0; }},
    {"higher limits",
     [](const Outside&) {
       const rlimit limit{RLIM_INFINITY, RLIM_INFINITY};
       return ::setrlimit(RLIMIT_NPROC, &limit) == 0;
     }},
    {"another machine",
     [](const Outside&) { return any_descriptor([](int fd) { return ::ioctl(fd, KVM_CREATE_VM, 0) >= 0; }); }},
    {"another CPU",
     [](const Outside&) { return any_descriptor([](int fd) { return ::ioctl(fd, KVM_CREATE_VCPU, 1) >= 0; }); }, true},
    {"a device of KVM's",
     [](const Outside&) {
       return any_descriptor([](int fd) {
         kvm_create_device device{};
         device.type = KVM_DEV_TYPE_VFIO;
         return ::ioctl(fd, KVM_CREATE_DEVICE, &device) >= 0;
       });
     },
     true},
    {"an interrupt controller",
     [](const Outside&) { return any_descriptor([](int fd) { return ::ioctl(fd, KVM_CREATE_IRQCHIP, 0) >= 0; }); },
     true},
    {"a line into a terminal",
     [](const Outside&) { return any_descriptor([](int fd) { return ::ioctl(fd, TIOCSTI, "x") >= 0; }); }},
    {"memory that can be executed",
     [](const Outside&) {
       void* at = ::mmap(nullptr, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
       return at != MAP_FAILED && ::munmap(at, 4096) == 0;
     },
     true},
};

}  // namespace shrike::sandbox::test
