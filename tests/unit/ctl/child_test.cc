#include "collector/ctl/child.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/unit/ctl/temporary.h"

namespace shrike::ctl {
namespace {

using std::chrono::milliseconds;

Result<Child> shell(const Temporary& files, const std::string& script) {
  return Child::start({"shell", {"/bin/sh", "-c", script}, {"SHRIKE_TEST=yes"}, files.dir() + "/log"});
}

TEST(Child, LogsToItsFileAndTellsHowItEnded) {
  const Temporary files;
  auto child = shell(files, "echo one; echo $SHRIKE_TEST >&2; printf 'bad\\033[31m\\n'; exit 7");
  ASSERT_TRUE(child.ok()) << child.error().message;
  const auto end = child->ended(milliseconds(20'000));
  ASSERT_TRUE(end.has_value());
  EXPECT_EQ(end->exit_code, 7);
  EXPECT_EQ(end->sentence(), "exited with status 7");
  EXPECT_THAT(last_lines(child->log_file(), 9), testing::ElementsAre("one", "yes", "bad\\x1b[31m"));
  EXPECT_THAT(last_lines(child->log_file(), 1), testing::SizeIs(1));
  EXPECT_EQ(child->ended()->exit_code, 7) << "asked again";
}

TEST(Child, ThatCannotBeStartedIsAnErrorThatNamesIt) {
  const Temporary files;
  const auto child = Child::start({"none", {files.dir() + "/none"}, {}, files.dir() + "/log"});
  ASSERT_FALSE(child.ok());
  EXPECT_THAT(child.error().message, testing::HasSubstr("/none"));
  EXPECT_EQ(child.error().code, ENOENT);
}

TEST(Child, IsStoppedPolitelyThenByForce) {
  const Temporary files;
  auto polite = shell(files, "trap 'exit 3' TERM; touch " + files.dir() + "/ready; while :; do sleep 0.02; done");
  ASSERT_TRUE(polite.ok());
  while (!polite->ended(milliseconds(5)) && access((files.dir() + "/ready").c_str(), F_OK) != 0) {
  }
  EXPECT_EQ(polite->stop(milliseconds(20'000)).exit_code, 3);

  auto deaf = shell(files, "trap '' TERM; touch " + files.dir() + "/deaf; while :; do sleep 0.02; done");
  ASSERT_TRUE(deaf.ok());
  while (!deaf->ended(milliseconds(5)) && access((files.dir() + "/deaf").c_str(), F_OK) != 0) {
  }
  EXPECT_EQ(deaf->stop(milliseconds(50)).signal, SIGKILL);
  EXPECT_EQ(deaf->stop(milliseconds(50)).signal, SIGKILL) << "asked again";
}

TEST(Child, TakesItsWholeGroupAlong) {
  const Temporary files;
  pid_t grandchild = 0;
  {
    auto child = shell(files, "sleep 1000 & echo $!; wait");
    ASSERT_TRUE(child.ok());
    while (last_lines(child->log_file(), 1).empty() && !child->ended(milliseconds(5))) {
    }
    ASSERT_FALSE(last_lines(child->log_file(), 1).empty());
    grandchild = static_cast<pid_t>(std::stol(last_lines(child->log_file(), 1)[0]));
    EXPECT_EQ(getpgid(grandchild), child->pid());
  }
  // Killed, it is gone once whoever adopted it has reaped it; until then it is a zombie of a dead group.
  while (kill(grandchild, 0) == 0) {
    std::ifstream stat("/proc/" + std::to_string(grandchild) + "/stat");
    std::string pid, name, state;
    stat >> pid >> name >> state;
    if (state == "Z" || state == "X" || state.empty()) break;
  }
}

TEST(Child, DiesWhenItsParentIsKilled) {
  const Temporary files;
  const std::string log = files.dir() + "/log";
  const pid_t middle = fork();
  if (middle == 0) {
    auto child = Child::start({"sleep", {"/bin/sh", "-c", "echo $$; exec sleep 1000"}, {}, log});
    if (!child.ok()) _exit(1);
    for (;;) pause();
  }
  std::vector<std::string> lines;
  while ((lines = last_lines(log, 1)).empty() && waitpid(middle, nullptr, WNOHANG) == 0) {
  }
  ASSERT_FALSE(lines.empty());
  const auto pid = static_cast<pid_t>(std::stol(lines[0]));
  kill(middle, SIGKILL);
  waitpid(middle, nullptr, 0);
  for (;;) {  // the test's own deadline ends this when the child lives on
    std::ifstream stat("/proc/" + std::to_string(pid) + "/stat");
    std::string number, name, state;
    stat >> number >> name >> state;
    if (state.empty() || state == "Z" || state == "X") break;
  }
}

TEST(Program, IsFoundOnThePathAndNotInTheCurrentFolder) {
  EXPECT_EQ(find_program("no-such-program-anywhere"), "");
  EXPECT_NE(find_program("sh"), "");
}

}  // namespace
}  // namespace shrike::ctl
