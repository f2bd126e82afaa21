// Each irrevocable thing is tried in a child, which says by its exit code what it saw.

#include "agent/privileges.h"

#include <gtest/gtest.h>
#include <netdb.h>
#include <netinet/in.h>
#include <sys/capability.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <functional>
#include <string>
#include <thread>

#include "common/base/file.h"

namespace shrike::agent {
namespace {

/// How a child ended that ran `body` under the filter.
struct End {
  int code = -1;
  int signal = 0;
};

End filtered(const std::function<bool()>& body) {
  const pid_t child = ::fork();
  if (child == 0) {
    if (!forbid_dumps() || !install_system_call_filter()) ::_exit(99);
    ::_exit(body() ? 0 : 1);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  return WIFSIGNALED(status) ? End{-1, WTERMSIG(status)} : End{WEXITSTATUS(status), 0};
}

testing::AssertionResult dies(const std::function<void()>& body) {
  const End end = filtered([&] {
    body();
    return true;
  });
  if (end.signal == SIGSYS) return testing::AssertionSuccess();
  return testing::AssertionFailure() << "ended with code " << end.code << ", signal " << end.signal;
}

testing::AssertionResult works(const std::function<bool()>& body) {
  const End end = filtered(body);
  if (end.code == 0) return testing::AssertionSuccess();
  return testing::AssertionFailure() << "ended with code " << end.code << ", signal " << end.signal;
}

bool refused(long result) { return result == -1 && errno == EPERM; }

TEST(SystemCallFilter, KillsWhatAnIntruderWants) {
  EXPECT_TRUE(dies([] { ::execl("/bin/true", "true", nullptr); }));
  EXPECT_TRUE(dies([] { ::ptrace(PTRACE_ATTACH, ::getppid(), nullptr, nullptr); }));
  EXPECT_TRUE(dies([] { ::mount("none", "/mnt", "tmpfs", 0, nullptr); }));
  EXPECT_TRUE(dies([] { ::syscall(SYS_init_module, nullptr, 0, ""); }));
  EXPECT_TRUE(dies([] { ::syscall(SYS_process_vm_readv, ::getppid(), nullptr, 0, nullptr, 0, 0); }));
  EXPECT_TRUE(dies([] { ::syscall(SYS_memfd_create, "x", 0); }));
  EXPECT_TRUE(dies([] { ::syscall(SYS_unshare, 0); }));
  EXPECT_TRUE(dies([] { ::syscall(SYS_io_uring_setup, 1, nullptr); }));
}

TEST(SystemCallFilter, RefusesNewProcessesRawSocketsAndExecutableMemory) {
  EXPECT_TRUE(works([] { return ::fork() == -1; }));
  EXPECT_TRUE(works([] { return refused(::socket(AF_INET, SOCK_RAW, IPPROTO_TCP)); }));
  EXPECT_TRUE(works([] { return refused(::socket(AF_PACKET, SOCK_RAW, 0)); }));
  EXPECT_TRUE(works([] { return refused(::socket(AF_NETLINK, SOCK_RAW, 9)); }));
  EXPECT_TRUE(works([] { return refused(::kill(::getppid(), 0)); }));
  EXPECT_TRUE(works([] {
    return ::mmap(nullptr, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED;
  }));
  EXPECT_TRUE(works([] {
    void* page = ::mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return page != MAP_FAILED && ::mprotect(page, 4096, PROT_READ | PROT_EXEC) != 0;
  }));
}

TEST(SystemCallFilter, LetsTheAgentDoItsWork) {
  EXPECT_TRUE(works([] {
    bool ran = false;
    std::thread([&] { ran = true; }).join();
    return ran;
  }));
  EXPECT_TRUE(works([] {
    const std::string path = testing::TempDir() + "shrike-filter-" + std::to_string(::getpid());
    const bool good = write_file_atomic(path, "x").ok() && read_file(path).ok();
    ::unlink(path.c_str());
    return good;
  }));
  EXPECT_TRUE(works([] {
    addrinfo* found = nullptr;
    const bool good = ::getaddrinfo("localhost", "4222", nullptr, &found) == 0;
    if (good) ::freeaddrinfo(found);
    return good;
  }));
  EXPECT_TRUE(works([] { return read_file("/proc/1/cgroup").ok(); }));
}

TEST(Capabilities, OnlyThreeAreLeft) {
  const pid_t child = ::fork();
  if (child == 0) {
    if (!drop_capabilities()) ::_exit(99);
    cap_t now = cap_get_proc();
    for (cap_value_t one = 0; ::prctl(PR_CAPBSET_READ, one, 0, 0, 0) >= 0; ++one) {
      cap_flag_value_t have = CAP_CLEAR;
      cap_get_flag(now, one, CAP_PERMITTED, &have);
      const bool may = one == CAP_BPF || one == CAP_PERFMON || one == CAP_DAC_READ_SEARCH;
      if (have == CAP_SET && !may) ::_exit(1);
    }
    ::_exit(0);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  EXPECT_EQ(status, 0);
}

TEST(Dumps, AreForbidden) {
  const pid_t child = ::fork();
  if (child == 0) {
    rlimit limit{1, 1};
    const bool good = forbid_dumps().ok() && ::prctl(PR_GET_DUMPABLE, 0, 0, 0, 0) == 0 &&
                      ::getrlimit(RLIMIT_CORE, &limit) == 0 && limit.rlim_max == 0;
    ::_exit(good ? 0 : 1);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  EXPECT_EQ(status, 0);
}

}  // namespace
}  // namespace shrike::agent
