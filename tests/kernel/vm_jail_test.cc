// The process of a machine as if it had been taken over: hostile code in its jail reaches nothing, and outlives nobody.
// Each attempt is made in a jail of its own; once with everything around it, and once as if the filter let it through.

#include <linux/sched.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <sys/wait.h>

#include <algorithm>
#include <csignal>
#include <cstddef>
#include <filesystem>
#include <fstream>

#include "sandbox/microvm/vmm.h"
#include "sandbox/microvm/vmm_filter.h"
#include "sandbox/pidfd.h"
#include "tests/kernel/vm_jail_attempts.h"
#include "tests/kernel/vm_rig.h"
#include "tests/require.h"

namespace shrike::sandbox::test {
namespace {

using namespace microvm;

constexpr int channel_fd = 3, kvm_fd = 5, first_joined = 6;
constexpr char reached = 'r', refused = '-', no_jail = '!';

volatile std::sig_atomic_t signalled = 0;

struct Ended {
  int status = 0;
  char said = 0;
};

class VmJail : public InMachine {
 protected:
  void SetUp() override {
    InMachine::SetUp();
    if (IsSkipped()) return;
    auto opened = VmmHost::open();
    ASSERT_TRUE(opened.ok()) << opened.error().message;
    host.emplace(std::move(opened).value());
    ::setpgid(0, 0);
    ::signal(SIGUSR1, [](int) { signalled = 1; });
    outside.test = ::getpid();
    outside.secret_at = reinterpret_cast<uint64_t>(&outside);
    listen();
  }

  void TearDown() override { EXPECT_EQ(signalled, 0) << "a signal came out of a jail"; }

  /// Something that would answer, were it reached.
  void listen() {
    tcp.reset(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    outside.tcp.sin_family = AF_INET;
    outside.tcp.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof outside.tcp;
    ASSERT_EQ(::bind(tcp.get(), reinterpret_cast<sockaddr*>(&outside.tcp), size), 0);
    ASSERT_EQ(::listen(tcp.get(), 16), 0);
    ::getsockname(tcp.get(), reinterpret_cast<sockaddr*>(&outside.tcp), &size);
    abstract.reset(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    outside.abstract.sun_family = AF_UNIX;
    const std::string name = "shrike-jail-" + std::to_string(::getpid());
    name.copy(outside.abstract.sun_path + 1, sizeof outside.abstract.sun_path - 1);
    outside.abstract_bytes = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + 1 + name.size());
    ASSERT_EQ(::bind(abstract.get(), reinterpret_cast<sockaddr*>(&outside.abstract), outside.abstract_bytes), 0);
    ASSERT_EQ(::listen(abstract.get(), 16), 0);
  }

  /// As the machine's process makes itself one. `mapped`: -1 where it joins the empty namespaces; else what tells that
  /// the user namespace around its own is mapped. Never returns.
  [[noreturn]] void live_in_jail(int channel, int mapped, bool filtered, const Attempt& attempt) {
    char byte = 0;
    const bool is_mapped = mapped >= 0 && ::read(mapped, &byte, 1) == 1;
    std::vector<int> keep{channel, channel, host->kvm.get()}, join;
    for (const Fd* fd :
         {&host->empty.mounts, &host->empty.network, &host->empty.ipc, &host->empty.names, &host->empty.cgroups}) {
      if (mapped >= 0) break;
      join.push_back(first_joined + static_cast<int>(join.size()));
      keep.push_back(fd->get());
    }
    const auto say = [](char what) {
      iovec piece{&what, 1};
      msghdr message{};
      message.msg_iov = &piece;
      message.msg_iovlen = 1;
      ::sendmsg(channel_fd, &message, MSG_NOSIGNAL);
    };
    std::vector<std::string> notes;
    if (!arrange_descriptors(keep) || !enter_jail(join, is_mapped) || !give_up_rights(notes)) {
      say(no_jail);
      ::_exit(1);
    }
    std::unique_ptr<Machine> machine;
    {
      const Fd kvm(kvm_fd);
      if (auto made = Machine::create(kvm, host->features, 16u << 20)) machine = std::move(made).value();
    }
    if (!machine) {
      say(no_jail);
      ::_exit(1);
    }
    VmmFilterPlan plan;
    plan.kvm_requests = Machine::kvm_requests(false);
    plan.guest_begin = reinterpret_cast<uint64_t>(machine->physical().host());
    plan.guest_end = plan.guest_begin + machine->physical().size_bytes();
    plan.channel = channel_fd;
    plan.broker = channel_fd + 1;
    plan.error = 2;
    sock_filter everything{BPF_RET | BPF_K, 0, 0, SECCOMP_RET_ALLOW};
    const auto filter = vmm_filter(plan);
    if (!close_jail({.address_space_bytes = 1u << 30},
                    filtered ? std::span<const sock_filter>(filter) : std::span<const sock_filter>(&everything, 1))) {
      say(no_jail);
      ::_exit(1);
    }
    say(attempt.reaches(outside) ? reached : refused);
    ::_exit(0);
  }

  /// `joins`: the empty namespaces, as with CAP_SYS_ADMIN; else it has its own, as under the service's unit.
  Ended make(const Attempt& attempt, bool filtered, bool joins) {
    Ended ended;
    int words[2];
    EXPECT_EQ(::pipe2(words, O_CLOEXEC), 0);
    const Fd is_mapped(words[0]), tell_mapped(words[1]);
    int ends[2];
    EXPECT_EQ(::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends), 0);
    const Fd ours(ends[0]);
    Fd its(ends[1]);
    clone_args arguments{};
    arguments.flags = jail_clone_flags(joins);
    arguments.exit_signal = SIGCHLD;
    const long pid = ::syscall(SYS_clone3, &arguments, sizeof arguments);
    if (pid == 0) live_in_jail(its.get(), joins ? -1 : is_mapped.get(), filtered, attempt);
    if (!joins) {
      const auto done = map_jail(static_cast<pid_t>(pid));
      EXPECT_TRUE(done.ok() && *done);
      EXPECT_EQ(::write(tell_mapped.get(), "m", 1), 1);
    }
    its.reset();
    EXPECT_EQ(::waitpid(static_cast<pid_t>(pid), &ended.status, 0), pid);
    if (::recv(ours.get(), &ended.said, 1, MSG_DONTWAIT) != 1) ended.said = 0;
    return ended;
  }

  std::optional<VmmHost> host;
  Outside outside;
  Fd tcp, abstract;
};

TEST_F(VmJail, NoAttemptReachesAnythingWithTheFilter) {
  SHRIKE_NEED("root", host->empty.valid());
  for (const bool joins : {true, false})
    for (const Attempt& attempt : attempts) {
      const Ended ended = make(attempt, true, joins);
      EXPECT_TRUE(WIFSIGNALED(ended.status) && WTERMSIG(ended.status) == SIGSYS)
          << attempt.name << ": was not killed, joins " << joins << ", status " << ended.status << ", said "
          << ended.said;
      EXPECT_EQ(ended.said, 0) << attempt.name;
    }
}

TEST_F(VmJail, NoAttemptReachesAnythingWereTheFilterNotThere) {
  SHRIKE_NEED("root", host->empty.valid());
  for (const bool joins : {true, false})
    for (const Attempt& attempt : attempts) {
      if (attempt.filter_only) continue;
      const Ended ended = make(attempt, false, joins);
      EXPECT_EQ(ended.said, refused) << attempt.name << ", joins " << joins << ", status " << ended.status;
    }
}

// The attempts themselves work where nothing holds them: otherwise they would show nothing.
TEST_F(VmJail, OutsideOfAJailTheSameAttemptsReachWhatTheyWant) {
  const auto reaches = [&](const char* name) {
    const auto found =
        std::ranges::find_if(attempts, [&](const Attempt& each) { return std::string(each.name) == name; });
    EXPECT_NE(found, std::end(attempts)) << name;
    return found->reaches(outside);
  };
  for (const char* name : {"a file of this host", "its own program", "a folder", "TCP to this host", "UDP to this host",
                           "an abstract socket", "a signal to who has made it", "memory of another",
                           "a descriptor of another", "memory that can be executed"})
    EXPECT_TRUE(reaches(name)) << name;
}

std::string status_line(pid_t pid, const std::string& name) {
  std::ifstream in("/proc/" + std::to_string(pid) + "/status");
  for (std::string line; std::getline(in, line);)
    if (line.starts_with(name + ":")) {
      const size_t begin = line.find_first_not_of(" \t", name.size() + 1);
      return begin == std::string::npos ? std::string() : line.substr(begin);
    }
  return {};
}

TEST_F(VmJail, TheProcessOfARealMachineHasNothingButItsMachine) {
  auto vmm = Vmm::start(*host, {.ahead = true});
  ASSERT_TRUE(vmm.ok()) << vmm.error().message;
  const pid_t pid = (*vmm)->pid();
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  while (status_line(pid, "Seccomp") != "2")
    ASSERT_LT(std::chrono::steady_clock::now(), deadline) << "its jail stays open";
  EXPECT_EQ(status_line(pid, "NoNewPrivs"), "1");
  for (const char* set : {"CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"})
    EXPECT_EQ(status_line(pid, set), "0000000000000000") << set;
  EXPECT_EQ(status_line(pid, "Uid"), "65534\t65534\t65534\t65534");
  EXPECT_EQ(status_line(pid, "Groups"), "");
  const std::string process = "/proc/" + std::to_string(pid);
  for (const auto& entry : std::filesystem::directory_iterator(process + "/fd")) {
    const std::string target = std::filesystem::read_symlink(entry.path()).string();
    EXPECT_TRUE(target == "/dev/null" || target.starts_with("socket:") || target == "anon_inode:kvm-vm" ||
                target.starts_with("anon_inode:kvm-vcpu"))
        << target;
  }
  EXPECT_TRUE(std::filesystem::is_empty(process + "/root/"));
  for (const char* kind : {"mnt", "net", "ipc", "uts", "pid", "user", "cgroup"})
    EXPECT_NE(std::filesystem::read_symlink(process + "/ns/" + kind),
              std::filesystem::read_symlink(std::string("/proc/self/ns/") + kind))
        << kind;
  std::ifstream maps(process + "/maps");
  for (std::string line; std::getline(maps, line);) EXPECT_FALSE(line.find("rwx") != std::string::npos) << line;
}

TEST_F(VmJail, AMachineEndsWithWhoHasStartedIt) {
  int ends[2];
  ASSERT_EQ(::pipe2(ends, O_CLOEXEC), 0);
  Fd from(ends[0]), to(ends[1]);
  const pid_t starter = ::fork();
  if (starter == 0) {
    auto vmm = Vmm::start(*host, {.ahead = true});
    const pid_t pid = vmm.ok() ? (*vmm)->pid() : -1;
    if (::write(to.get(), &pid, sizeof pid) != sizeof pid) ::_exit(1);
    for (;;) ::pause();
  }
  to.reset();
  pid_t pid = -1;
  ASSERT_EQ(::read(from.get(), &pid, sizeof pid), static_cast<ssize_t>(sizeof pid));
  ASSERT_GT(pid, 0);
  const Fd pidfd = open_pidfd(pid);
  ASSERT_TRUE(pidfd.valid());
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  while (status_line(pid, "Seccomp") != "2") ASSERT_LT(std::chrono::steady_clock::now(), deadline);
  ::kill(starter, SIGKILL);
  ::waitpid(starter, nullptr, 0);
  pollfd ended{pidfd.get(), POLLIN, 0};
  EXPECT_EQ(::poll(&ended, 1, 20'000), 1) << "it lives on";
}

}  // namespace
}  // namespace shrike::sandbox::test
