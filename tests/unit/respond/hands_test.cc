// Real processes of the test's own; a plain user can run all but the network.

#include "agent/respond/hands.h"

#include <gmock/gmock.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>

#include "agent/respond/process_stat.h"

namespace shrike::respond {
namespace {

using testing::HasSubstr;

/// A child that waits to be ended.
class Waiting {
 public:
  Waiting() : pid_(::fork()) {
    if (pid_ != 0) return;
    for (;;) ::pause();
  }
  ~Waiting() {
    if (pid_ <= 0) return;
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
  }
  Waiting(const Waiting&) = delete;
  Waiting& operator=(const Waiting&) = delete;
  [[nodiscard]] Target target() const {
    Target out;
    out.pid = static_cast<uint32_t>(pid_);
    out.start_ns =
        process_stat(out.pid)->start_ticks * (1'000'000'000 / static_cast<uint64_t>(::sysconf(_SC_CLK_TCK))) + 5;
    return out;
  }
  /// The status of its next change.
  int wait() {
    int status = 0;
    ::waitpid(pid_, &status, WUNTRACED);
    if (WIFSIGNALED(status)) pid_ = 0;
    return status;
  }

 private:
  pid_t pid_;
};

class HandsTest : public ::testing::Test {
 protected:
  KernelHands hands{Protected{}, [](uint32_t) { return nullptr; }, [] { return Result<void>(); }};
};

TEST_F(HandsTest, KillTheProcessThatIsMeant) {
  Waiting child;
  ASSERT_TRUE(hands.signal(child.target(), SIGKILL));
  const int status = child.wait();
  EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

TEST_F(HandsTest, StopItAndLeaveItThere) {
  Waiting child;
  ASSERT_TRUE(hands.signal(child.target(), SIGSTOP));
  EXPECT_TRUE(WIFSTOPPED(child.wait()));
}

TEST_F(HandsTest, AProcessThatOnlyHasThePidIsLeftAlone) {
  Waiting child;
  Target other = child.target();
  other.start_ns -= 1'000'000'000;
  const auto done = hands.signal(other, SIGKILL);
  ASSERT_FALSE(done);
  EXPECT_THAT(done.error().message, HasSubstr("another process"));
  other.start_ns += 2'000'000'000;
  EXPECT_FALSE(hands.signal(other, SIGKILL));
  EXPECT_EQ(::kill(static_cast<pid_t>(other.pid), 0), 0);
}

TEST_F(HandsTest, OneThatHasEndedIsNoTarget) {
  Target gone;
  {
    Waiting child;
    gone = child.target();
  }
  EXPECT_EQ(hands.signal(gone, SIGKILL).error().code, ESRCH);
  EXPECT_FALSE(hands.cut(gone));
  Waiting child;
  const Target zombie = child.target();
  ::kill(static_cast<pid_t>(zombie.pid), SIGKILL);
  siginfo_t info{};
  ::waitid(P_PID, static_cast<id_t>(zombie.pid), &info, WEXITED | WNOWAIT);
  EXPECT_EQ(hands.signal(zombie, SIGKILL).error().code, ESRCH);
}

TEST_F(HandsTest, TheNetworkIsNotCutWhereUnknownProcessesAreToo) {
  // This test's own cgroup holds the test and more, none of them known to `hands`; or it is the root's.
  Waiting child;
  EXPECT_FALSE(hands.cut(child.target()));
}

TEST(ProcessStat, IsReadWhateverTheNameHolds) {
  const auto stat = parse_process_stat("7 (a) R 1 (b) ) S 42 7 7 0 -1 4194560 1 0 0 0 0 0 0 0 20 0 1 0 98765 1 2 3\n");
  ASSERT_TRUE(stat);
  EXPECT_EQ(stat->parent, 42u);
  EXPECT_EQ(stat->start_ticks, 98765u);
  for (const char* wrong :
       {"", "7 (a", "7 (a) S", "7 (a) S x 7 7 0 -1 0 1 0 0 0 0 0 0 0 20 0 1 0 98765", "7 (a) S 1 2 3 4"})
    EXPECT_FALSE(parse_process_stat(wrong)) << wrong;
}

TEST(ProcessStat, OfThisProcessHasItsParent) {
  const auto stat = process_stat(static_cast<uint32_t>(::getpid()));
  ASSERT_TRUE(stat);
  EXPECT_EQ(stat->parent, static_cast<uint32_t>(::getppid()));
  EXPECT_FALSE(process_stat(UINT32_MAX));
}

TEST(Protected, HoldsThisProcessItsAncestorsAndWhatIsNamed) {
  const Protected here = protected_here({"/bin/sh"});
  EXPECT_TRUE(here.pids.contains(static_cast<uint32_t>(::getpid())));
  EXPECT_TRUE(here.pids.contains(static_cast<uint32_t>(::getppid())) || ::getppid() == 1);
  EXPECT_TRUE(here.paths.contains("/bin/sh"));
  EXPECT_TRUE(here.paths.contains("/usr/sbin/sshd"));
  EXPECT_FALSE(here.objects.empty());
  EXPECT_NE(here.mount_namespace, 0u);
}

}  // namespace
}  // namespace shrike::respond
