// The escape suite of the process sandbox: each attempt is refused, and told.

#include <sys/syscall.h>

#include <cerrno>
#include <filesystem>

#include "tests/kernel/int80.h"
#include "tests/kernel/sandbox_rig.h"

namespace shrike::sandbox::test {
namespace {

struct Attempt {
  const char* word;
  const char* told;  ///< how the refusal's call begins; empty: there is no such call, nothing was there to refuse
};

constexpr Attempt attempts[] = {{"leaked_descriptors", ""},
                                {"dot_dot", ""},
                                {"tiocsti", "ioctl(TIOCSTI)"},
                                {"tiocsti_high", "ioctl(TIOCSTI)"},
                                {"tioclinux", "ioctl(TIOCLINUX)"},
                                {"x32", "x32: getpid"},
                                {"int80", "int 0x80: getpid"},
                                {"int80_write", "int 0x80: write"},
                                {"io_uring", "io_uring_setup"},
                                {"unshare", "unshare(CLONE_NEWNS|CLONE_NEWUSER)"},
                                {"setns", "setns"},
                                {"clone_namespaces", "clone(CLONE_NEWNS|CLONE_NEWUSER)"},
                                {"clone3_namespaces", "clone3"},
                                {"ptrace_parent", "ptrace"},
                                {"ptrace_me", "ptrace"},
                                {"memory_of_init", "process_vm_readv"},
                                {"own_init", "openat(/proc/1/mem)"},
                                {"rewrite_self", "openat(/proc/self/exe)"},
                                {"write_programs", "openat(/usr/bin/ls)"},
                                {"secrets", "openat(/proc/1/environ)"},
                                {"mount", "mount"},
                                {"fsopen", "fsopen"},
                                {"open_tree", "open_tree"},
                                {"umount", "umount2"},
                                {"pivot_root", "pivot_root"},
                                {"chroot", "chroot"},
                                {"mknod", "mknodat(/tmp/disk)"},
                                {"handle", "open_by_handle_at"},
                                {"keyctl", "keyctl"},
                                {"add_key", "add_key"},
                                {"bpf", "bpf"},
                                {"perf", "perf_event_open"},
                                {"userfaultfd", "userfaultfd"},
                                {"kexec", "kexec_load"},
                                {"module", "init_module"},
                                {"reboot", "reboot"},
                                {"socket_raw", "socket(AF_INET, SOCK_RAW)"},
                                {"socket_packet", "socket(AF_PACKET, SOCK_RAW)"},
                                {"socket_netlink", "socket(AF_NETLINK, SOCK_RAW)"},
                                {"socket_vsock", "socket(AF_VSOCK, SOCK_STREAM)"},
                                {"socket_alg", "socket(AF_ALG, SOCK_SEQPACKET)"},
                                {"listener", "seccomp"},
                                {"kill_init", ""},
                                {"become_root", "chown(/usr)"}};

/// With notification alone, what a call returned is not known, so only what the policy refuses is told as refused.
bool told_by_result(const Attempt& attempt) {
  const std::string_view told = attempt.told;
  return told.find('/') != std::string_view::npos;
}

bool has_landlock_scopes() { return ::syscall(SYS_landlock_create_ruleset, nullptr, 0, 1u /* which version */) >= 6; }

using Escape = Sandboxed;

TEST_P(Escape, ObservedEachAttemptIsRefusedAndTold) {
  std::vector<std::string> words;
  for (const auto& attempt : attempts) {
    if (std::string_view(attempt.word).starts_with("int80") && !shrike::test::has_int80()) continue;
    words.emplace_back(attempt.word);
  }
  const Ran ran = run_here(ask(own_program("sandbox_escape"), words));
  EXPECT_EQ(ran.report.status, Status::ok) << ran.report.cause;
  EXPECT_EQ(ran.report.exit_code, 0);
  for (const auto& attempt : attempts) {
    const std::string word = attempt.word;
    if (std::find(words.begin(), words.end(), word) == words.end()) continue;
    // Without Landlock's scopes (6.12) the kernel takes the signal, and drops it.
    if (word == "kill_init" && ran.out.find("kill_init yes") != std::string::npos && !has_landlock_scopes()) continue;
    EXPECT_NE(("\n" + ran.out).find("\n" + word + " no "), std::string::npos) << word << " was not refused:\n"
                                                                              << ran.out;
    if (GetParam() && told_by_result(attempt)) continue;
    if (attempt.told[0] != '\0') {
      EXPECT_NE(ran.refusal(attempt.told), nullptr) << word << " was not told";
    }
  }
  EXPECT_GE(ran.report.calls_denied, 30u);
  EXPECT_EQ(ran.report.calls_unknown, 1u) << "clone3, whose flags are in memory";
}

TEST_P(Escape, StrictTheFirstAttemptIsTheEndAndTold) {
  for (const auto& attempt : attempts) {
    const std::string told = attempt.told, word = attempt.word;
    // Refused by what is there and what is not, not by the policy: the program gets an error there.
    if (told.empty() || told.find('/') != std::string::npos || word == "clone3_namespaces") continue;
    if (word.starts_with("int80") && !shrike::test::has_int80()) continue;
    Asked asked = ask(own_program("sandbox_escape"), {word, "dot_dot"});
    asked.job.profile = Profile::strict;
    const Ran ran = run_here(std::move(asked));
    EXPECT_EQ(ran.report.status, Status::violation) << word << ": " << ran.report.cause;
    EXPECT_EQ(ran.report.cause.find("it called " + told), 0u) << word << ": " << ran.report.cause;
    EXPECT_EQ(ran.out, "") << word << " got an answer";
    EXPECT_EQ(ran.report.calls_denied, 1u) << word;
    const auto denied = std::find_if(ran.calls.begin(), ran.calls.end(),
                                     [](const Call& call) { return (call.flags & call_denied) != 0; });
    EXPECT_NE(denied, ran.calls.end()) << word;
  }
}

INSTANTIATE_TEST_SUITE_P(Tracer, Escape, ::testing::Values(false, true), tracer_name);

// What a job brings along is put into the tree by descriptors, never over a link and never into what is this host's.
TEST(SandboxFiles, AFileOfTheJobsNeverLandsOutsideItsTree) {
  SHRIKE_NEED("root", ::geteuid() == 0);
  for (const char* path : {"/bin/shrike-test-evil", "/lib/shrike-test-evil", "/usr/bin/shrike-test-evil",
                           "/etc/ssl/shrike-test-evil", "/etc/alternatives/shrike-test-evil"}) {
    if (!std::filesystem::exists(std::filesystem::path(path).parent_path())) continue;
    Asked asked = ask("/bin/busybox", {"true"});
    asked.files[path] = "evil";
    const Ran ran = run(std::move(asked));
    EXPECT_EQ(ran.refused, "");
    EXPECT_EQ(ran.report.status, Status::setup_error) << path;
    EXPECT_NE(::access(path, F_OK), 0) << path << " is on this host";
  }
}

}  // namespace
}  // namespace shrike::sandbox::test
