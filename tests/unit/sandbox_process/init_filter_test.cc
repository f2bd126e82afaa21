#include "sandbox/process/init_filter.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <functional>
#include <string>
#include <vector>

namespace shrike::sandbox::process {
namespace {

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr bool sanitized = true;
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
constexpr bool sanitized = true;
#else
constexpr bool sanitized = false;
#endif
#else
constexpr bool sanitized = false;
#endif

/// How a process under the filter ends that does this: its wait status.
int end_of(const std::function<void()>& act) {
  const pid_t pid = ::fork();
  if (pid == 0) {
    if (!confine_init().ok()) ::_exit(99);
    act();
    ::_exit(0);
  }
  int status = 0;
  ::waitpid(pid, &status, 0);
  return status;
}

TEST(InitFilter, WhatATakenInitMightTryEndsIt) {
  const std::vector<std::pair<const char*, std::function<void()>>> attempts = {
      {"open", [] { ::open("/etc/passwd", O_RDONLY); }},
      {"execve", [] { ::execl("/bin/true", "true", nullptr); }},
      {"fork", [] { ::syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0); }},
      {"clone3", [] { ::syscall(SYS_clone3, nullptr, 0); }},
      {"kill", [] { ::kill(1, 0); }},
      {"ptrace", [] { ::ptrace(PTRACE_ATTACH, 1, nullptr, nullptr); }},
      {"unshare", [] { ::unshare(CLONE_NEWUSER); }},
      {"mount", [] { ::syscall(SYS_mount, "", "/", "", 0, nullptr); }},
      {"io_uring", [] { ::syscall(SYS_io_uring_setup, 1, nullptr); }},
      {"bpf", [] { ::syscall(SYS_bpf, 0, nullptr, 0); }},
      {"ioctl", [] { ::syscall(SYS_ioctl, 0, 0, 0); }},
      {"connect", [] { ::connect(0, nullptr, 0); }},
      {"write", [] { static_cast<void>(!::write(1, "", 0)); }},
      {"unix socket", [] { ::socket(AF_UNIX, SOCK_DGRAM, 0); }},
      {"stream socket", [] { ::socket(AF_INET, SOCK_STREAM, 0); }},
      {"raw socket", [] { ::socket(AF_INET, SOCK_RAW, 1); }},
      {"executable memory", [] { ::mmap(nullptr, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0); }},
      {"memory made executable", [] { ::mprotect(nullptr, 4096, PROT_EXEC); }},
      {"a mapped file", [] { ::mmap(nullptr, 4096, PROT_READ, MAP_PRIVATE, 0, 0); }},
      {"x32", [] { ::syscall(0x40000000 | SYS_getpid); }},
  };
  for (const auto& [name, act] : attempts) {
    const int status = end_of(act);
    EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS) << name << ": " << status;
  }
}

TEST(InitFilter, ASinkAndTheAllocatorGoOn) {
  if (sanitized) GTEST_SKIP() << "a sanitizer asks the kernel for what our programs do not";
  const int status = end_of([] {
    const int socket = ::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (socket < 0) ::_exit(1);
    const int on = 1;
    ::setsockopt(socket, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    pollfd ready{socket, POLLIN, 0};
    if (::poll(&ready, 1, 0) != 0) ::_exit(2);
    char byte = 0;
    if (::recv(socket, &byte, 1, 0) >= 0) ::_exit(3);
    for (size_t bytes = 16; bytes < 64u << 20; bytes *= 2) {
      std::string text(bytes, 'x');
      text.resize(bytes * 2);
      if (text[bytes - 1] != 'x') ::_exit(4);
    }
    int ended = 0;
    if (::waitpid(-1, &ended, WNOHANG) >= 0) ::_exit(5);
    ::close(socket);
  });
  EXPECT_TRUE(WIFEXITED(status)) << WTERMSIG(status);
  EXPECT_EQ(WEXITSTATUS(status), 0);
}

}  // namespace
}  // namespace shrike::sandbox::process
