#include "sandbox/policy.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <linux/audit.h>
#include <linux/prctl.h>
#include <netinet/in.h>
#include <sched.h>
#include <seccomp.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <set>

#include "tests/unit/sandbox/classic_bpf.h"

namespace shrike::sandbox {
namespace {

constexpr uint32_t x32_bit = 0x4000'0000;
constexpr int numbers = 1024;

std::vector<Policy> all_policies() {
  std::vector<Policy> all;
  for (const Profile profile : {Profile::strict, Profile::observe})
    for (const Network network : {Network::none, Network::sink}) all.push_back(policy_for(profile, network));
  all.push_back(PolicyBuilder(Profile::strict).build());
  return all;
}

seccomp_data data_of(CallAbi abi, int number, const CallArguments& args) {
  seccomp_data data{};
  data.arch = abi == CallAbi::i386 ? AUDIT_ARCH_I386 : AUDIT_ARCH_X86_64;
  data.nr = abi == CallAbi::x32 ? static_cast<int>(static_cast<uint32_t>(number) | x32_bit) : number;
  std::copy(args.begin(), args.end(), data.args);
  return data;
}

/// Arguments worth trying for one call: those that its rules look at, nearly those, and what stands above 32 bits.
std::vector<CallArguments> tries(const Policy& policy, int number) {
  std::vector<CallArguments> all = {{}, {1, 2, 3, 4, 5, 6}, {~0ull, ~0ull, ~0ull, ~0ull, ~0ull, ~0ull}};
  for (const auto& rule : policy.rules()) {
    if (rule.number != number) continue;
    CallArguments exact{}, above{}, near{}, other{~0ull, ~0ull, ~0ull, ~0ull, ~0ull, ~0ull};
    for (const auto& c : rule.conditions) {
      exact[c.argument] = above[c.argument] = near[c.argument] = c.value;
      other[c.argument] = c.value | ~c.mask;
      above[c.argument] |= 0xdead'beef'0000'0000ull;
      near[c.argument] ^= 1;
    }
    all.insert(all.end(), {exact, above, near, other});
    for (const auto& c : rule.conditions) {
      auto one = exact;
      one[c.argument] ^= c.mask & (0 - c.mask);
      all.push_back(one);
    }
  }
  return all;
}

uint32_t answer_of(const Policy& policy, CallAbi abi, int number, const CallArguments& args, uint32_t refused) {
  switch (policy.evaluate(abi, number, args)) {
    case Verdict::allow:
      return SECCOMP_RET_ALLOW;
    case Verdict::unknown:
      return SECCOMP_RET_ERRNO | ENOSYS;
    case Verdict::absent:
      return SECCOMP_RET_ERRNO | static_cast<uint32_t>(policy.error_of(abi, number, args));
    case Verdict::refuse:
      break;
  }
  return refused;
}

TEST(Policy, TheFilterAnswersAsTheEvaluationForEveryCall) {
  const std::vector<std::pair<Answer, uint32_t>> answers = {{Answer::error, SECCOMP_RET_ERRNO | EPERM},
                                                            {Answer::kill, SECCOMP_RET_KILL_PROCESS},
                                                            {Answer::notify, SECCOMP_RET_USER_NOTIF}};
  for (const auto& policy : all_policies()) {
    for (const auto& [answer, refused] : answers) {
      const auto filter = policy_filter(policy, answer, false);
      ASSERT_TRUE(filter.ok()) << filter.error().message;
      size_t tried = 0;
      for (int number = -1; number < numbers; ++number) {
        for (const auto& args : tries(policy, number)) {
          for (const CallAbi abi : {CallAbi::x86_64, CallAbi::i386, CallAbi::x32}) {
            const uint32_t expected = answer_of(policy, abi, number, args, refused);
            ASSERT_EQ(test::run_filter(*filter, data_of(abi, number, args)), expected)
                << refused_call(abi, number, args) << " " << args[0] << " " << args[1] << " " << args[2];
            ++tried;
          }
        }
      }
      EXPECT_GT(tried, 3u * 3u * numbers);
    }
  }
}

TEST(Policy, ToldByNotificationWhatIsAllowedIsNotified) {
  const Policy policy = policy_for(Profile::observe, Network::sink);
  const auto filter = policy_filter(policy, Answer::notify, true);
  ASSERT_TRUE(filter.ok()) << filter.error().message;
  EXPECT_EQ(test::run_filter(*filter, data_of(CallAbi::x86_64, SYS_getpid, {})), SECCOMP_RET_USER_NOTIF);
  EXPECT_EQ(test::run_filter(*filter, data_of(CallAbi::i386, 20, {})), SECCOMP_RET_USER_NOTIF);
  EXPECT_EQ(test::run_filter(*filter, data_of(CallAbi::x86_64, SYS_clone3, {})), SECCOMP_RET_USER_NOTIF);
}

/// Every call, by number: what is allowed is exactly what was meant to be, so that a change of the lists shows here.
TEST(Policy, WhatIsNeverAllowedIsRefusedWithAnyArguments) {
  const std::set<int> never = {SYS_io_uring_setup,
                               SYS_io_uring_enter,
                               SYS_io_uring_register,
                               SYS_userfaultfd,
                               SYS_bpf,
                               SYS_perf_event_open,
                               SYS_add_key,
                               SYS_request_key,
                               SYS_keyctl,
                               SYS_ptrace,
                               SYS_process_vm_readv,
                               SYS_process_vm_writev,
                               SYS_process_madvise,
                               SYS_pidfd_getfd,
                               SYS_kcmp,
                               SYS_mount,
                               SYS_umount2,
                               SYS_pivot_root,
                               SYS_open_tree,
                               SYS_move_mount,
                               SYS_fsopen,
                               SYS_fsconfig,
                               SYS_fsmount,
                               SYS_fspick,
                               SYS_mount_setattr,
                               SYS_chroot,
                               SYS_unshare,
                               SYS_setns,
                               SYS_kexec_load,
                               SYS_kexec_file_load,
                               SYS_init_module,
                               SYS_finit_module,
                               SYS_delete_module,
                               SYS_open_by_handle_at,
                               SYS_fanotify_init,
                               SYS_seccomp,
                               SYS_reboot,
                               SYS_swapon,
                               SYS_syslog,
                               SYS_acct,
                               SYS_quotactl,
                               SYS_settimeofday,
                               SYS_clock_settime,
                               SYS_adjtimex,
                               SYS_sethostname,
                               SYS_iopl,
                               SYS_ioperm,
                               SYS_modify_ldt,
                               SYS_move_pages,
                               SYS_mbind,
                               SYS_set_mempolicy,
                               SYS_io_submit};
  for (const auto& policy : all_policies()) {
    for (int number = 0; number < numbers; ++number) {
      for (const auto& args : tries(policy, number)) {
        const bool allowed = policy.evaluate(CallAbi::x86_64, number, args) == Verdict::allow;
        EXPECT_FALSE(allowed && never.contains(number)) << call_name(CallAbi::x86_64, number);
        EXPECT_FALSE(allowed && call_name(CallAbi::x86_64, number).starts_with("call ")) << number;
        EXPECT_EQ(policy.evaluate(CallAbi::i386, number, args), Verdict::refuse);
        EXPECT_EQ(policy.evaluate(CallAbi::x32, number, args), Verdict::refuse);
      }
    }
  }
}

TEST(Policy, ArgumentsDecideWhereTheyMust) {
  const Policy sink = policy_for(Profile::observe, Network::sink);
  const Policy none = policy_for(Profile::observe, Network::none);
  const auto allowed = [](const Policy& p, long number, CallArguments args) {
    return p.evaluate(CallAbi::x86_64, static_cast<int>(number), args) == Verdict::allow;
  };
  EXPECT_TRUE(allowed(sink, SYS_socket, {AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 6}));
  EXPECT_TRUE(allowed(sink, SYS_socket, {AF_INET6, SOCK_DGRAM, 0}));
  EXPECT_FALSE(allowed(none, SYS_socket, {AF_INET, SOCK_STREAM, 0}));
  EXPECT_TRUE(allowed(none, SYS_socket, {AF_UNIX, SOCK_STREAM, 0}));
  for (const uint64_t family : {AF_PACKET, AF_NETLINK, AF_ALG, AF_VSOCK, AF_KEY, AF_UNSPEC})
    EXPECT_FALSE(allowed(sink, SYS_socket, {family, SOCK_DGRAM, 0})) << family;
  EXPECT_FALSE(allowed(sink, SYS_socket, {AF_INET, SOCK_RAW, 1}));
  EXPECT_FALSE(allowed(sink, SYS_socket, {AF_INET, SOCK_STREAM, 132 /* SCTP */}));
  EXPECT_FALSE(allowed(sink, SYS_socket, {AF_INET, SOCK_STREAM, 262 /* MPTCP */}));
  EXPECT_FALSE(allowed(sink, SYS_ioctl, {0, TIOCSTI}));
  EXPECT_FALSE(allowed(sink, SYS_ioctl, {0, TIOCSTI | 1ull << 32})) << "the kernel takes 32 bits of it";
  EXPECT_FALSE(allowed(sink, SYS_ioctl, {0, TIOCLINUX}));
  EXPECT_TRUE(allowed(sink, SYS_ioctl, {0, TCGETS | 7ull << 40}));
  EXPECT_TRUE(allowed(sink, SYS_clone, {CLONE_VM | CLONE_THREAD | 17}));
  for (const uint64_t flag :
       {CLONE_NEWNS, CLONE_NEWUSER, CLONE_NEWPID, CLONE_NEWNET, CLONE_NEWIPC, CLONE_NEWUTS, CLONE_NEWCGROUP})
    EXPECT_FALSE(allowed(sink, SYS_clone, {CLONE_VM | flag})) << flag;
  EXPECT_EQ(sink.evaluate(CallAbi::x86_64, SYS_clone3, {}), Verdict::unknown);
  EXPECT_FALSE(allowed(sink, SYS_prctl, {PR_SET_SECCOMP, 2}));
  EXPECT_FALSE(allowed(sink, SYS_prctl, {PR_SET_MM, 1}));
}

TEST(Policy, WhatOrdinaryProgramsAskInPassingFailsAsWhereItIsNot) {
  for (const Network network : {Network::none, Network::sink}) {
    const Policy policy = policy_for(Profile::strict, network);
    const auto error = [&](long number, CallArguments args) {
      const int call = static_cast<int>(number);
      EXPECT_EQ(policy.evaluate(CallAbi::x86_64, call, args), Verdict::absent) << call_name(CallAbi::x86_64, call);
      return policy.error_of(CallAbi::x86_64, call, args);
    };
    EXPECT_EQ(error(SYS_ioctl, {3, 0x40049409 /* FICLONE */}), ENOTTY);
    EXPECT_EQ(error(SYS_socket, {AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, 0 /* NETLINK_ROUTE */}), EAFNOSUPPORT);
    EXPECT_EQ(error(SYS_socket, {AF_INET, SOCK_DGRAM, IPPROTO_ICMP}), EACCES);
    EXPECT_EQ(error(SYS_socket, {AF_INET, SOCK_STREAM, 262 /* MPTCP */}), EPROTONOSUPPORT);
    EXPECT_EQ(error(SYS_name_to_handle_at, {}), EOPNOTSUPP);
    EXPECT_EQ(policy.evaluate(CallAbi::x86_64, SYS_socket, {AF_NETLINK, SOCK_RAW, 12}), Verdict::refuse) << "netfilter";
    EXPECT_EQ(policy.error_of(CallAbi::x86_64, SYS_bpf, {}), EPERM);
    EXPECT_EQ(policy.error_of(CallAbi::x86_64, SYS_clone3, {}), ENOSYS);
  }
}

TEST(Policy, EachWeakeningAddsWhatItsNameSays) {
  const Policy base = PolicyBuilder(Profile::strict).build();
  const auto allowed = [](const Policy& p, long number, CallArguments args) {
    return p.evaluate(CallAbi::x86_64, static_cast<int>(number), args) == Verdict::allow;
  };
  const CallArguments writable_code = {0, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS};
  EXPECT_FALSE(allowed(base, SYS_mmap, writable_code));
  EXPECT_TRUE(allowed(base, SYS_mmap, {0, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE}));
  EXPECT_FALSE(allowed(base, SYS_mmap, {0, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS}));
  EXPECT_FALSE(allowed(base, SYS_fork, {}));
  EXPECT_FALSE(allowed(base, SYS_clone, {CLONE_VM}));
  EXPECT_FALSE(allowed(base, SYS_socket, {AF_UNIX, SOCK_STREAM, 0}));
  EXPECT_TRUE(allowed(PolicyBuilder(Profile::strict).allow(ExecutableMemory{}).build(), SYS_mmap, writable_code));
  EXPECT_TRUE(allowed(PolicyBuilder(Profile::strict).allow(MoreProcesses{}).build(), SYS_fork, {}));
  EXPECT_TRUE(
      allowed(PolicyBuilder(Profile::strict).allow(UnixSockets{}).build(), SYS_socket, {AF_UNIX, SOCK_STREAM, 0}));
}

TEST(Policy, ItsHashTellsPoliciesApart) {
  std::set<std::string> hashes;
  for (const auto& policy : all_policies()) {
    EXPECT_EQ(policy.sha256().size(), 64u);
    hashes.insert(policy.sha256());
  }
  EXPECT_EQ(hashes.size(), all_policies().size());
  EXPECT_EQ(policy_for(Profile::strict, Network::sink).sha256(), policy_for(Profile::strict, Network::sink).sha256());
}

TEST(Policy, SaysWhatWasRefusedAndWhy) {
  EXPECT_EQ(refused_call(CallAbi::x86_64, SYS_ioctl, {0, TIOCSTI}), "ioctl(TIOCSTI)");
  EXPECT_EQ(refused_call(CallAbi::x86_64, SYS_socket, {AF_PACKET, SOCK_RAW}), "socket(AF_PACKET, SOCK_RAW)");
  EXPECT_EQ(refused_call(CallAbi::x86_64, SYS_unshare, {CLONE_NEWUSER | CLONE_NEWNS}),
            "unshare(CLONE_NEWNS|CLONE_NEWUSER)");
  EXPECT_EQ(refused_call(CallAbi::x86_64, SYS_prctl, {PR_SET_SECCOMP}), "prctl(PR_SET_SECCOMP)");
  EXPECT_EQ(refused_call(CallAbi::x86_64, SYS_ioctl, {0, 0xdead}), "ioctl(0xdead)");
  EXPECT_EQ(refused_call(CallAbi::i386, 4, {}), "int 0x80: write");
  EXPECT_EQ(refused_call(CallAbi::x32, 0, {}), "x32: read");
  EXPECT_EQ(refused_call(CallAbi::x86_64, 4000, {}), "call 4000");
  EXPECT_EQ(refused_reason(CallAbi::x86_64, SYS_io_uring_setup, {}, Verdict::refuse), "never allowed: io_uring");
  EXPECT_EQ(refused_reason(CallAbi::i386, 4, {}, Verdict::refuse), "never allowed: foreign architecture");
  EXPECT_EQ(refused_reason(CallAbi::x86_64, SYS_clone3, {}, Verdict::unknown), "not supported");
}

// Irrevocable, so in a child: the kernel takes the filter and answers as it says.
TEST(Policy, TheKernelTakesTheFilter) {
  const Policy policy = policy_for(Profile::observe, Network::none);
  const auto filter = policy_filter(policy, Answer::error, false);
  ASSERT_TRUE(filter.ok());
  ASSERT_LE(filter->size(), static_cast<size_t>(BPF_MAXINSNS));
  const pid_t child = ::fork();
  if (child == 0) {
    sock_fprog program{static_cast<unsigned short>(filter->size()), const_cast<sock_filter*>(filter->data())};
    if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) ::_exit(1);
    if (::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0) ::_exit(2);
    if (::syscall(SYS_getpid) <= 0) ::_exit(3);
    if (::syscall(SYS_ptrace, 0, 0, 0, 0) != -1 || errno != EPERM) ::_exit(4);
    if (::syscall(SYS_clone3, nullptr, 0) != -1 || errno != ENOSYS) ::_exit(5);
    if (::syscall(x32_bit | SYS_getpid) != -1 || errno != EPERM) ::_exit(6);
    ::_exit(0);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFEXITED(status));
  EXPECT_EQ(WEXITSTATUS(status), 0);
}

}  // namespace
}  // namespace shrike::sandbox
