// bpf/privilege.bpf.c: each call made for real, its event waited for. What would change this process is done by a
// child.

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <linux/capability.h>
#include <linux/perf_event.h>
#include <linux/userfaultfd.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/shm.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>

#include <fstream>
#include <functional>
#include <string>

#include "common/base/fd.h"
#include "tests/kernel/child.h"
#include "tests/kernel/int80.h"
#include "tests/kernel/watch.h"

namespace shrike {
namespace {

using test::Child;
using test::expect_by;
using test::run_child;
using test::Watch;

// Runs `what` in a child and waits for its end; the child's pid.
pid_t in_child(const std::function<void()>& what) {
  const pid_t child = ::fork();
  if (child == 0) {
    what();
    ::_exit(0);
  }
  ::waitpid(child, nullptr, 0);
  return child;
}

class Privilege : public ::testing::Test {
 protected:
  void SetUp() override { SHRIKE_NEED("bpf", Watch::possible()); }
  // The event of this kind that `by` made.
  static const test::Seen* by(
      Watch& watch, pid_t pid, EventKind kind, const Watch::Wanted& wanted = [](const Event&) { return true; }) {
    return watch.expect(std::string(kind_name(kind)), [&](const Event& e) {
      return e.kind == kind && e.task.pid == static_cast<uint32_t>(pid) && wanted(e);
    });
  }
};

TEST_F(Privilege, ChangesOfIdentityShowArgumentsAndOutcome) {
  Watch watch({EventKind::setid});
  ASSERT_TRUE(watch.open());
  const pid_t child = in_child([] {
    ::syscall(SYS_setgid, 1234);
    ::syscall(SYS_setresuid, 1000, 1001, 1002);
    ::syscall(SYS_setuid, 0);  // refused
  });
  const auto* group = by(watch, child, EventKind::setid, [](const Event& e) { return e.syscall == SYS_setgid; });
  ASSERT_NE(group, nullptr);
  EXPECT_EQ((*group)->arg[0], 1234u);
  EXPECT_EQ((*group)->task.gid, 1234u) << "the task as it is after the call";
  const auto* user = by(watch, child, EventKind::setid, [](const Event& e) { return e.syscall == SYS_setresuid; });
  ASSERT_NE(user, nullptr);
  EXPECT_EQ((*user)->task.uid, 1000u);
  EXPECT_EQ((*user)->task.euid, 1001u);
  EXPECT_EQ((*user)->task.suid, 1002u);
  const auto* back = by(watch, child, EventKind::setid, [](const Event& e) { return e.syscall == SYS_setuid; });
  ASSERT_NE(back, nullptr);
  EXPECT_EQ((*back)->result, -EPERM);
}

TEST_F(Privilege, CapsetShowsWhatTheThreadHasAfterwards) {
  Watch watch({EventKind::capset});
  ASSERT_TRUE(watch.open());
  const pid_t child = in_child([] {
    __user_cap_header_struct header{.version = _LINUX_CAPABILITY_VERSION_3, .pid = 0};
    __user_cap_data_struct data[2] = {{.effective = 1u << CAP_KILL, .permitted = 3u << CAP_KILL, .inheritable = 0}, {}};
    ::syscall(SYS_capset, &header, data);
  });
  const auto* seen = by(watch, child, EventKind::capset);
  ASSERT_NE(seen, nullptr);
  EXPECT_EQ((*seen)->result, 0);
  EXPECT_EQ((*seen)->arg[0], 1u << CAP_KILL);
  EXPECT_EQ((*seen)->arg[1], 3u << CAP_KILL);
  EXPECT_EQ((*seen)->arg[2], 0u);
  EXPECT_EQ((*seen)->task.cap_effective, 1u << CAP_KILL);
}

TEST_F(Privilege, NamespacesLeftAndEnteredAreSeen) {
  Watch watch({EventKind::unshare, EventKind::setns});
  ASSERT_TRUE(watch.open());
  const pid_t child = in_child([] {
    const Fd own(::open("/proc/self/ns/uts", O_RDONLY | O_CLOEXEC));
    ::unshare(CLONE_NEWUTS);
    ::setns(own.get(), CLONE_NEWUTS);
  });
  const auto* left = by(watch, child, EventKind::unshare);
  ASSERT_NE(left, nullptr);
  EXPECT_EQ((*left)->arg[0], static_cast<uint64_t>(CLONE_NEWUTS));
  const auto* entered = by(watch, child, EventKind::setns);
  ASSERT_NE(entered, nullptr);
  EXPECT_EQ((*entered)->arg[1], static_cast<uint64_t>(CLONE_NEWUTS));
  EXPECT_NE((*left)->task.ns_uts, (*entered)->task.ns_uts);
}

// A child that waits until it is killed.
pid_t sleeper() {
  const pid_t child = ::fork();
  if (child == 0)
    for (;;) ::pause();
  return child;
}
void end(pid_t child) {
  ::kill(child, SIGKILL);
  ::waitpid(child, nullptr, 0);
}

// Without it (before 6.2) a program cannot find the process that a number means: events have the number alone.
bool finds_tasks() {
  std::ifstream symbols("/proc/kallsyms");
  for (std::string line; std::getline(symbols, line);)
    if (line.ends_with(" bpf_task_from_pid")) return true;
  return false;
}

TEST_F(Privilege, TracingAndReadingAnotherProcessNameTheTarget) {
  Watch watch({EventKind::ptrace, EventKind::vm_access});
  ASSERT_TRUE(watch.open());
  const pid_t target = sleeper();
  ASSERT_EQ(::ptrace(PTRACE_SEIZE, target, nullptr, nullptr), 0);
  ::ptrace(PTRACE_DETACH, target, nullptr, nullptr);
  char there[8] = "unknown";
  char here[8];
  iovec local{.iov_base = here, .iov_len = sizeof here};
  iovec remote{.iov_base = there, .iov_len = sizeof there};
  EXPECT_EQ(::process_vm_readv(target, &local, 1, &remote, 1, 0), 8);
  EXPECT_EQ(::process_vm_writev(target, &local, 1, &remote, 1, 0), 8);
  end(target);
  const auto* traced = watch.expect_own(EventKind::ptrace, [](const Event& e) { return e.arg[0] == PTRACE_SEIZE; });
  ASSERT_NE(traced, nullptr);
  EXPECT_EQ((*traced)->arg[1], static_cast<uint64_t>(target));
  const auto found = finds_tasks() ? static_cast<uint64_t>(target) : 0;
  EXPECT_EQ((*traced)->arg[4], found) << "in the first pid namespace";
  EXPECT_EQ((*traced)->arg[5] > 0, found > 0);
  for (const uint64_t write : {0, 1}) {
    const auto* seen = watch.expect_own(EventKind::vm_access, [&](const Event& e) { return e.arg[1] == write; });
    ASSERT_NE(seen, nullptr);
    EXPECT_EQ((*seen)->arg[0], static_cast<uint64_t>(target));
    EXPECT_EQ((*seen)->arg[4], found);
    EXPECT_EQ((*seen)->result, 8);
  }
}

TEST_F(Privilege, ADebuggersStepsAreNotReported) {
  Watch watch({EventKind::ptrace});
  ASSERT_TRUE(watch.open());
  const pid_t target = sleeper();
  ASSERT_EQ(::ptrace(PTRACE_ATTACH, target, nullptr, nullptr), 0);
  ::waitpid(target, nullptr, 0);
  errno = 0;
  static_cast<void>(::ptrace(PTRACE_PEEKUSER, target, nullptr, nullptr));
  ::ptrace(PTRACE_DETACH, target, nullptr, nullptr);
  end(target);
  watch.expect_own(EventKind::ptrace, [](const Event& e) { return e.arg[0] == PTRACE_DETACH; });
  EXPECT_EQ(watch.count([](const Event& e) { return e.task.pid == static_cast<uint32_t>(::getpid()); }), 2u);
}

TEST_F(Privilege, ModulesAndKexecAreSeenEvenWhenRefused) {
  Watch watch({EventKind::module_load, EventKind::module_unload, EventKind::kexec});
  ASSERT_TRUE(watch.open());
  const Fd file(::open("/bin/true", O_RDONLY | O_CLOEXEC));
  EXPECT_LT(::syscall(SYS_finit_module, file.get(), "option=1", 0), 0);
  EXPECT_LT(::syscall(SYS_delete_module, "shrike_none", O_NONBLOCK), 0);
  EXPECT_LT(::syscall(SYS_kexec_load, 0, 0, 0, ~0ul), 0);
  const auto* loaded = watch.expect_own(EventKind::module_load);
  ASSERT_NE(loaded, nullptr);
  EXPECT_LT((*loaded)->result, 0);
  EXPECT_THAT(std::string((*loaded)->real_path), ::testing::EndsWith("/bin/true"));
  EXPECT_EQ((*loaded)->path2.text, "option=1");
  const auto* unloaded = watch.expect_own(EventKind::module_unload);
  ASSERT_NE(unloaded, nullptr);
  EXPECT_EQ((*unloaded)->path.text, "shrike_none");
  ASSERT_NE(watch.expect_own(EventKind::kexec), nullptr);
}

TEST_F(Privilege, MemoryFilesShowTheirName) {
  Watch watch({EventKind::memfd});
  ASSERT_TRUE(watch.open());
  const Fd fd(::memfd_create("shrike-payload", MFD_CLOEXEC));
  ASSERT_TRUE(fd.valid());
  const auto* seen = watch.expect_own(EventKind::memfd);
  ASSERT_NE(seen, nullptr);
  EXPECT_EQ((*seen)->path.text, "shrike-payload");
  EXPECT_EQ((*seen)->arg[1], static_cast<uint64_t>(MFD_CLOEXEC));
  EXPECT_EQ((*seen)->result, fd.get());
  EXPECT_EQ((*seen)->arg[0], 0u);
  EXPECT_THAT(std::string((*seen)->real_path), ::testing::HasSubstr("memfd:shrike-payload"));
}

TEST_F(Privilege, OnlyMemoryThatIsWritableAndExecutableIsReported) {
  Watch watch({EventKind::map_wx});
  ASSERT_TRUE(watch.open());
  void* at = ::mmap(nullptr, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  ASSERT_EQ(::mprotect(at, 4096, PROT_READ | PROT_EXEC), 0);
  ASSERT_EQ(::mprotect(at, 8192, PROT_READ | PROT_WRITE | PROT_EXEC), 0);
  void* both = ::mmap(nullptr, 4096, PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  ASSERT_NE(both, MAP_FAILED);
  const auto* changed = watch.expect_own(EventKind::map_wx, [](const Event& e) { return e.syscall == SYS_mprotect; });
  ASSERT_NE(changed, nullptr);
  EXPECT_EQ((*changed)->arg[0], reinterpret_cast<uint64_t>(at));
  EXPECT_EQ((*changed)->arg[1], 8192u);
  EXPECT_EQ((*changed)->arg[2], static_cast<uint64_t>(PROT_READ | PROT_WRITE | PROT_EXEC));
  const auto* mapped = watch.expect_own(EventKind::map_wx, [](const Event& e) { return e.syscall == SYS_mmap; });
  ASSERT_NE(mapped, nullptr);
  EXPECT_EQ((*mapped)->arg[0], reinterpret_cast<uint64_t>(both));
  EXPECT_EQ((*mapped)->arg[4], ~0ull);
  EXPECT_EQ(watch.count([](const Event& e) { return e.task.pid == static_cast<uint32_t>(::getpid()); }), 2u);
  ::munmap(at, 8192);
  ::munmap(both, 4096);
}

TEST_F(Privilege, SharedMemoryThatIsWritableAndExecutableIsReported) {
  Watch watch({EventKind::map_wx});
  ASSERT_TRUE(watch.open());
  const int id = ::shmget(IPC_PRIVATE, 4096, 0700);
  ASSERT_GE(id, 0);
  void* plain = ::shmat(id, nullptr, 0);
  void* read_only = ::shmat(id, nullptr, SHM_EXEC | SHM_RDONLY);
  void* both = ::shmat(id, nullptr, SHM_EXEC);
  ::shmctl(id, IPC_RMID, nullptr);
  ASSERT_NE(both, reinterpret_cast<void*>(-1));
  const auto* seen = watch.expect_own(EventKind::map_wx);
  ASSERT_NE(seen, nullptr);
  EXPECT_EQ((*seen)->syscall, SYS_shmat);
  EXPECT_EQ((*seen)->arg[0], reinterpret_cast<uint64_t>(both));
  EXPECT_EQ((*seen)->arg[2], static_cast<uint64_t>(PROT_READ | PROT_WRITE | PROT_EXEC));
  EXPECT_EQ((*seen)->arg[3], static_cast<uint64_t>(SHM_EXEC));
  EXPECT_EQ((*seen)->arg[4], ~0ull);
  EXPECT_EQ(watch.count_own([](const Event&) { return true; }), 1u);
  for (void* at : {plain, read_only, both}) ::shmdt(at);
}

TEST_F(Privilege, AProcessWhoseReadableMemoryIsExecutableDoesNotHideIt) {
  Watch watch({EventKind::map_wx});
  ASSERT_TRUE(watch.open());
  const Child child = run_child([] {
    ::personality(READ_IMPLIES_EXEC);
    void* at = ::mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    ::_exit(at == MAP_FAILED ? 1 : 0);
  });
  ASSERT_EQ(child.status, 0);
  const auto* seen = expect_by(watch, child.pid, EventKind::map_wx);
  ASSERT_NE(seen, nullptr);
  EXPECT_EQ((*seen)->arg[2], static_cast<uint64_t>(PROT_READ | PROT_WRITE | PROT_EXEC));
}

TEST_F(Privilege, ThirtyTwoBitMappingsAreSeenToo) {
  SHRIKE_NEED("int80", test::has_int80());
  Watch watch({EventKind::map_wx, EventKind::setid});
  ASSERT_TRUE(watch.open());
  test::LowPage page;
  struct {
    uint32_t address = 0, length = 4096, prot = PROT_WRITE | PROT_EXEC, flags = MAP_PRIVATE | MAP_ANONYMOUS, fd = ~0u,
             offset = 0;
  } arguments;
  const long old = test::int80(90, page.put(0, arguments));
  const auto* seen = watch.expect_own(EventKind::map_wx, [](const Event& e) { return e.syscall == 90; });
  ASSERT_NE(seen, nullptr);
  EXPECT_NE((*seen)->flags & flag_compat32, 0);
  EXPECT_EQ((*seen)->arg[0], static_cast<uint32_t>(old));
  EXPECT_EQ((*seen)->arg[1], 4096u);
  EXPECT_EQ((*seen)->result, static_cast<int64_t>(static_cast<uint32_t>(old))) << "no error, whatever its top bit";
  const pid_t child = in_child([] { test::int80(23 /* setuid, 16 bits */, 77); });
  const auto* user = by(watch, child, EventKind::setid);
  ASSERT_NE(user, nullptr);
  EXPECT_EQ((*user)->syscall, 23);
  EXPECT_EQ((*user)->task.uid, 77u);
}

TEST_F(Privilege, UserfaultfdPerfEventsAndKeysAreSeen) {
  Watch watch({EventKind::userfaultfd, EventKind::perf_event, EventKind::keyctl});
  ASSERT_TRUE(watch.open());
  const Fd fault(static_cast<int>(::syscall(SYS_userfaultfd, O_CLOEXEC)));
  perf_event_attr attributes{};
  attributes.type = PERF_TYPE_SOFTWARE;
  attributes.size = sizeof attributes;
  attributes.config = PERF_COUNT_SW_PAGE_FAULTS;
  const Fd counter(static_cast<int>(::syscall(SYS_perf_event_open, &attributes, 0, -1, -1, PERF_FLAG_FD_CLOEXEC)));
  ::syscall(SYS_request_key, "user", "shrike:none", nullptr, 0);
  ::syscall(SYS_keyctl, 0 /* KEYCTL_GET_KEYRING_ID */, -1, 0);
  const auto* faults = watch.expect_own(EventKind::userfaultfd);
  ASSERT_NE(faults, nullptr);
  EXPECT_EQ((*faults)->arg[0], static_cast<uint64_t>(O_CLOEXEC));
  const auto* perf = watch.expect_own(EventKind::perf_event);
  ASSERT_NE(perf, nullptr);
  EXPECT_EQ((*perf)->arg[0], static_cast<uint64_t>(PERF_TYPE_SOFTWARE));
  EXPECT_EQ((*perf)->arg[1], static_cast<uint64_t>(PERF_COUNT_SW_PAGE_FAULTS));
  EXPECT_EQ((*perf)->arg[3], ~0ull);
  const auto* asked = watch.expect_own(EventKind::keyctl, [](const Event& e) { return e.syscall == SYS_request_key; });
  ASSERT_NE(asked, nullptr);
  EXPECT_EQ((*asked)->path.text, "shrike:none");
  EXPECT_EQ((*asked)->path2.text, "user");
  ASSERT_NE(watch.expect_own(EventKind::keyctl, [](const Event& e) { return e.syscall == SYS_keyctl; }), nullptr);
}

TEST_F(Privilege, NamesAndSeccompAreSeenThroughEitherCall) {
  Watch watch({EventKind::prctl});
  ASSERT_TRUE(watch.open());
  const pid_t child = in_child([] {
    ::prctl(PR_SET_NAME, "[kworker/0:1]");
    ::prctl(PR_SET_DUMPABLE, 1);  // not reported
    ::syscall(SYS_seccomp, 1 /* filter */, 0, nullptr);
    ::prctl(PR_SET_SECCOMP, 2, nullptr);
  });
  const auto* named = by(watch, child, EventKind::prctl, [](const Event& e) { return e.arg[0] == PR_SET_NAME; });
  ASSERT_NE(named, nullptr);
  EXPECT_EQ((*named)->path.text, "[kworker/0:1]");
  for (const long call : {SYS_seccomp, SYS_prctl}) {
    const auto* seen = by(watch, child, EventKind::prctl,
                          [&](const Event& e) { return e.syscall == call && e.arg[0] == PR_SET_SECCOMP; });
    ASSERT_NE(seen, nullptr);
    EXPECT_EQ((*seen)->arg[1], 2u);
  }
  EXPECT_EQ(watch.count([&](const Event& e) { return e.task.pid == static_cast<uint32_t>(child); }), 3u);
}

TEST_F(Privilege, SignalsToOthersShowTheirTargetHoweverTheyAreSent) {
  Watch watch({EventKind::signal});
  ASSERT_TRUE(watch.open());
  const pid_t target = ::fork();
  if (target == 0) {
    for (const int number : {SIGUSR1, SIGUSR2, SIGRTMIN}) ::signal(number, SIG_IGN);
    for (;;) ::pause();
  }
  const Fd pidfd(static_cast<int>(::syscall(SYS_pidfd_open, target, 0)));
  ::kill(target, SIGUSR1);
  ::syscall(SYS_tgkill, target, target, SIGUSR2);
  ::syscall(SYS_pidfd_send_signal, pidfd.get(), SIGWINCH, nullptr, 0);
  siginfo_t info{};
  info.si_signo = SIGURG;
  info.si_code = SI_TIMER;  // forged
  ::syscall(SYS_rt_sigqueueinfo, target, SIGURG, &info);
  ::raise(SIGCHLD);  // to itself
  end(target);
  for (const int number : {SIGUSR1, SIGUSR2, SIGWINCH, SIGURG, SIGKILL}) {
    const auto* seen =
        watch.expect_own(EventKind::signal, [&](const Event& e) { return e.arg[0] == static_cast<uint64_t>(number); });
    ASSERT_NE(seen, nullptr) << number;
    EXPECT_EQ((*seen)->arg[1], static_cast<uint64_t>(target));
    EXPECT_EQ((*seen)->arg[2], static_cast<uint64_t>(target));
    EXPECT_GT((*seen)->arg[4], 0u);
  }
  EXPECT_EQ(watch.count_own([](const Event& e) { return e.arg[0] == SIGCHLD; }), 0u)
      << "neither the one to itself nor the kernel's, at the child's end";
}

}  // namespace
}  // namespace shrike
