// Each irrevocable thing is tried in a child, which says by its exit code what it saw.

#include "agent/privileges.h"

#include <fcntl.h>
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

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "common/base/file.h"
#include "sandbox/channel.h"
#include "sandbox/client.h"

namespace shrike::agent {
namespace {

/// How a child ended that ran `body` under the filter.
struct End {
  int code = -1;
  int signal = 0;
};

End filtered(const std::function<bool()>& body, const ResponseNeeds& needs = {}) {
  const pid_t child = ::fork();
  if (child == 0) {
    if (!forbid_dumps() || !install_system_call_filter(needs)) ::_exit(99);
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

testing::AssertionResult works(const std::function<bool()>& body, const ResponseNeeds& needs = {}) {
  const End end = filtered(body, needs);
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

TEST(SystemCallFilter, LetsTheAgentSpeakWithASandboxAndStartNoneItself) {
  EXPECT_TRUE(works([] {
    int pair[2];
    if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0) return false;
    sandbox::Channel one{Fd(pair[0])}, other{Fd(pair[1])};
    const Fd file(::open("/dev/null", O_RDONLY | O_CLOEXEC));
    const int given[] = {file.get()};
    if (!one.send(sandbox::Frame::job, "job", given)) return false;
    const auto got = other.receive();
    return got && *got && (*got)->payload == "job" && (*got)->fds.size() == 1;
  }));
  // With nobody at the service's socket there is no sandbox: what would start one is refused, and is no death.
  EXPECT_TRUE(works([] {
    sandbox::Job job;
    job.id = "j";
    job.caller = "c";
    job.program = "/job/true";
    job.arguments = {"true"};
    sandbox::JobFiles files;
    files.program = Fd(::open("/bin/true", O_RDONLY | O_CLOEXEC));
    sandbox::ClientOptions client;
    client.socket = "/nonexistent/sandbox.sock";
    client.program = "/bin/true";
    return !sandbox::JobClient::start(client, job, files).ok();
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

int pidfd_signal(pid_t pid, int number) {
  const auto fd = static_cast<int>(::syscall(SYS_pidfd_open, pid, 0));
  return fd < 0 ? -1 : static_cast<int>(::syscall(SYS_pidfd_send_signal, fd, number, nullptr, 0));
}

TEST(SystemCallFilter, OthersAreSignalledOnlyByAnAgentThatRespondsAndOnlyToStopThem) {
  EXPECT_TRUE(works([] { return refused(::syscall(SYS_pidfd_open, ::getppid(), 0)); }));
  const ResponseNeeds needs{.signals = true, .network = false};
  EXPECT_TRUE(works([] { return refused(pidfd_signal(::getppid(), 0)); }, needs));
  EXPECT_TRUE(works([] { return refused(pidfd_signal(::getppid(), SIGTERM)); }, needs));
  EXPECT_TRUE(works([] { return refused(::kill(::getppid(), 0)); }, needs));
  const pid_t victim = ::fork();
  if (victim == 0)
    for (;;) ::pause();
  EXPECT_TRUE(works([&] { return pidfd_signal(victim, SIGKILL) == 0; }, needs));
  int status = 0;
  ::waitpid(victim, &status, 0);
  EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

/// Which are left in a child that dropped the others; it may have had fewer.
bool leaves_only(const ResponseNeeds& needs, const std::vector<cap_value_t>& may) {
  const pid_t child = ::fork();
  if (child == 0) {
    if (!drop_capabilities(needs)) ::_exit(99);
    cap_t now = cap_get_proc();
    for (cap_value_t one = 0; ::prctl(PR_CAPBSET_READ, one, 0, 0, 0) >= 0; ++one) {
      cap_flag_value_t have = CAP_CLEAR;
      cap_get_flag(now, one, CAP_PERMITTED, &have);
      if (have == CAP_SET && std::find(may.begin(), may.end(), one) == may.end()) ::_exit(1);
    }
    ::_exit(0);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  return status == 0;
}

TEST(Capabilities, OnlyThreeAreLeft) { EXPECT_TRUE(leaves_only({}, {CAP_BPF, CAP_PERFMON, CAP_DAC_READ_SEARCH})); }

TEST(Capabilities, AResponseKeepsWhatItNeedsAndNothingElse) {
  EXPECT_TRUE(leaves_only({.signals = true, .network = false}, {CAP_BPF, CAP_PERFMON, CAP_DAC_READ_SEARCH, CAP_KILL}));
  EXPECT_TRUE(
      leaves_only({.signals = false, .network = true}, {CAP_BPF, CAP_PERFMON, CAP_DAC_READ_SEARCH, CAP_NET_ADMIN}));
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
