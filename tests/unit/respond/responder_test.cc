#include "agent/respond/responder.h"

#include <gmock/gmock.h>

#include <csignal>
#include <optional>

namespace shrike::respond {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

constexpr uint64_t second = 1'000'000'000;

class FakeHands : public Hands {
 public:
  Result<void> signal(const Target& target, int number) override {
    calls.push_back((number == SIGKILL   ? "kill "
                     : number == SIGSTOP ? "stop "
                                         : "other ") +
                    std::to_string(target.pid));
    if (broken) return Error{"it has ended"};
    return {};
  }
  Result<void> cut(const Target& target) override {
    calls.push_back("cut " + std::to_string(target.pid));
    return {};
  }
  Result<void> stop_denying() override {
    calls.push_back("stop denying");
    if (broken) return Error{"the kernel says no"};
    return {};
  }
  std::vector<std::string> calls;
  bool broken = false;
};

class ResponderTest : public ::testing::Test {
 protected:
  ResponderTest() {
    policy.rules = {{"kill", Action::kill}, {"stop", Action::stop}, {"cut", Action::cut}, {"deny", Action::deny}};
    untouchable.pids = {50, 51};
    untouchable.objects = {{8, 900}};
    untouchable.paths = {"/usr/sbin/sshd"};
    untouchable.mount_namespace = 4;
  }
  /// What was told of a call of a process that the kernel refused, or would have, for a rule of this number.
  std::vector<Alert> denied(uint32_t pid, uint64_t number, bool refused, uint32_t uid = 0, uint64_t at = 0) {
    event = Event{};
    event.task.uid = uid;
    event.kind = EventKind::denied;
    event.task.pid = pid;
    event.task.start_ns = 1000 + pid;
    event.arg = {number, 1u << 16, refused ? 1u : 0u, 0, 0, 1};
    event.real_path = "/etc/shadow";
    process.exe = "/usr/bin/cat";
    event.process = &process;
    std::vector<Alert> told;
    responder->denied(event, Alert{}, at, told);
    return told;
  }
  /// What was told of the alert of `rule` about a process.
  std::vector<Alert> alert(const std::string& rule, uint32_t pid, uint64_t at = 0) {
    if (!responder) responder.emplace(policy, untouchable, hands);
    event.kind = EventKind::open;
    event.task.pid = pid;
    event.task.start_ns = 1000 + pid;
    event.task.ns_mnt = namespace_;
    event.task.exe_dev = 8;
    event.task.exe_inode = inode;
    process.exe = exe;
    event.process = &process;
    Alert cause;
    cause.rule = rule;
    cause.uid = "cause";
    cause.severity = Severity::high;
    std::vector<Alert> told;
    responder->respond(event, cause, at, told);
    return told;
  }
  static std::string field(const Alert& alert, const std::string& name) {
    for (const auto& [key, value] : alert.fields)
      if (key == name) return value;
    return "?";
  }

  Policy policy;
  Protected untouchable;
  FakeHands hands;
  std::optional<Responder> responder;
  Event event;
  Process process;
  uint32_t namespace_ = 4;
  uint64_t inode = 1;
  std::string exe = "/bin/evil";
};

TEST_F(ResponderTest, DoesWhatTheRuleSaysAndTellsIt) {
  const auto told = alert("kill", 100);
  EXPECT_THAT(hands.calls, ElementsAre("kill 100"));
  ASSERT_EQ(told.size(), 1u);
  EXPECT_EQ(told[0].rule, "Response taken");
  EXPECT_EQ(told[0].source, AlertSource::response);
  EXPECT_EQ(field(told[0], "action"), "kill");
  EXPECT_EQ(field(told[0], "outcome"), "taken");
  EXPECT_EQ(field(told[0], "cause_rule"), "kill");
  EXPECT_EQ(field(told[0], "cause_uid"), "cause");
  EXPECT_EQ(field(told[0], "target_pid"), "100");
  alert("stop", 101);
  alert("cut", 102);
  EXPECT_THAT(hands.calls, ElementsAre("kill 100", "stop 101", "cut 102"));
  EXPECT_EQ(responder->counts().taken, 3u);
}

TEST_F(ResponderTest, ObservesWhatNobodyAskedFor) {
  EXPECT_TRUE(alert("other", 100).empty());
  EXPECT_TRUE(hands.calls.empty());
}

TEST_F(ResponderTest, TheSameToTheSameProcessIsDoneOnceAndToANewOneWithItsPidAgain) {
  alert("stop", 100);
  EXPECT_TRUE(alert("stop", 100).empty());
  EXPECT_EQ(alert("kill", 100).size(), 1u);
  EXPECT_TRUE(alert("stop", 100).empty());  // killed: its last events are still on their way
  event.task.start_ns = 0;
  EXPECT_THAT(hands.calls, ElementsAre("stop 100", "kill 100"));
  std::vector<Alert> told;
  event.task.start_ns = 77;
  Alert cause;
  cause.rule = "kill";
  responder->respond(event, cause, 0, told);
  EXPECT_EQ(hands.calls.size(), 3u);
}

TEST_F(ResponderTest, NeverTouchesInitTheAgentItsAncestorsKernelThreadsAndTheListed) {
  const auto withheld = [&](uint32_t pid, const std::string& why) {
    const auto told = alert("kill", pid);
    ASSERT_EQ(told.size(), 1u);
    EXPECT_EQ(told[0].rule, "Response withheld");
    EXPECT_THAT(told[0].message, HasSubstr(why));
    EXPECT_EQ(field(told[0], "outcome"), "withheld");
  };
  withheld(1, "pid 1");
  withheld(2, "kernel thread");
  withheld(50, "ancestors");
  withheld(51, "ancestors");
  event.flags = flag_kthread;
  withheld(100, "kernel thread");
  event.flags = 0;
  event.task.ppid = 2;
  withheld(100, "kernel thread");
  event.task.ppid = 0;
  inode = 900;
  withheld(100, "never touched");
  inode = 1;
  exe = "/usr/sbin/sshd";
  withheld(100, "never touched");
  exe.clear();
  inode = 0;
  withheld(100, "not known");
  EXPECT_TRUE(hands.calls.empty());
  EXPECT_EQ(responder->counts().withheld, 9u);
}

TEST_F(ResponderTest, APathInAnotherMountNamespaceProtectsNobody) {
  exe = "/usr/sbin/sshd";
  namespace_ = 5;
  alert("kill", 100);
  EXPECT_THAT(hands.calls, ElementsAre("kill 100"));
}

TEST_F(ResponderTest, ADryRunOnlySaysWhatItWouldDo) {
  policy.dry_run = true;
  for (uint32_t pid = 100; pid < 200; ++pid) {
    const auto told = alert("kill", pid);
    ASSERT_EQ(told.size(), 1u);
    EXPECT_THAT(told[0].message, HasSubstr("dry run"));
  }
  EXPECT_TRUE(hands.calls.empty());
  EXPECT_FALSE(responder->counts().breaker_open);
}

TEST_F(ResponderTest, DenyIsWithheldAndSaysWhyWhereTheKernelDoesNot) {
  responder.emplace(policy, untouchable, hands);
  responder->set_denying({.rules = {}, .why_not = {{"deny", "BPF LSM is not active"}}});
  EXPECT_THAT(alert("deny", 100).at(0).message, HasSubstr("BPF LSM is not active"));
  responder->set_denying({.rules = {{7, "deny"}}, .why_not = {}});
  EXPECT_TRUE(alert("deny", 100).empty()) << "the kernel decides, and tells by itself";
}

TEST_F(ResponderTest, ARefusedCallIsToldWithItsRuleAndFile) {
  responder.emplace(policy, untouchable, hands);
  responder->set_denying({.rules = {{7, "deny"}}, .why_not = {}});
  const auto told = denied(100, 7, true);
  ASSERT_EQ(told.size(), 1u);
  EXPECT_EQ(told[0].rule, "Call refused");
  EXPECT_EQ(told[0].source, AlertSource::response);
  EXPECT_THAT(told[0].message, HasSubstr("/usr/bin/cat (pid 100) was refused to open /etc/shadow because of \"deny\""));
  EXPECT_THAT(told[0].fields, testing::Contains(std::pair<std::string, std::string>("cause_rule", "deny")));
  EXPECT_EQ(responder->counts().taken, 1u);
  EXPECT_THAT(denied(100, 8, true).at(0).message, HasSubstr("no longer in force"));
}

TEST_F(ResponderTest, ADryRunTellsWhatWouldHaveBeenRefused) {
  policy.dry_run = true;
  responder.emplace(policy, untouchable, hands);
  responder->set_denying({.rules = {{7, "deny"}}, .why_not = {}});
  const auto told = denied(100, 7, false);
  ASSERT_EQ(told.size(), 1u);
  EXPECT_EQ(told[0].rule, "Response withheld");
  EXPECT_THAT(told[0].message, HasSubstr("dry run"));
  EXPECT_EQ(responder->counts().withheld, 1u);
}

TEST_F(ResponderTest, TheBreakerStopsTheKernelFromRefusingAndCountsEachProcessOnce) {
  policy.max_per_minute = 3;
  responder.emplace(policy, untouchable, hands);
  responder->set_denying({.rules = {{7, "deny"}}, .why_not = {}});
  for (int again = 0; again < 10; ++again)
    for (uint32_t pid = 100; pid < 103; ++pid) EXPECT_EQ(denied(pid, 7, true).size(), 1u);
  EXPECT_FALSE(responder->counts().breaker_open);
  const auto told = denied(103, 7, true);
  ASSERT_EQ(told.size(), 2u);
  EXPECT_EQ(told[1].rule, "Response breaker open");
  EXPECT_THAT(hands.calls, ElementsAre("stop denying"));
  EXPECT_TRUE(responder->counts().breaker_open);
  EXPECT_THAT(denied(104, 7, false).at(0).message, HasSubstr("the breaker is open"));
}

TEST_F(ResponderTest, NoUserButRootCanOpenTheBreakerByWhatHeIsRefused) {
  policy.max_per_minute = 3;
  responder.emplace(policy, untouchable, hands);
  responder->set_denying({.rules = {{7, "deny"}}, .why_not = {}});
  for (uint32_t pid = 100; pid < 200; ++pid) EXPECT_EQ(denied(pid, 7, true, 1000, pid).size(), 1u) << "all are told";
  EXPECT_FALSE(responder->counts().breaker_open);
  untouchable.user_namespace = 77;  // then these are ids of somebody's own namespace
  responder->set_policy(policy, untouchable, true);
  for (uint32_t pid = 200; pid < 300; ++pid) (void)denied(pid, 7, true, 100'000 + pid, pid);
  EXPECT_FALSE(responder->counts().breaker_open);
  untouchable.user_namespace = 0;
  responder->set_policy(policy, untouchable, false);
  (void)denied(300, 7, true, 1001, 300);
  (void)denied(301, 7, true, 1002, 301);
  (void)denied(303, 7, true, 1004, 303);
  EXPECT_FALSE(responder->counts().breaker_open);
  (void)denied(302, 7, true, 1003, 302);
  EXPECT_TRUE(responder->counts().breaker_open) << "many users are no attacker, but a rule that is wrong";
}

TEST_F(ResponderTest, WhoPosesAsAProgramThatIsNeverTouchedIsTouched) {
  process.run_dev = 8;
  process.run_inode = 1;
  inode = 900;  // what it has the kernel say
  EXPECT_EQ(alert("kill", 100).at(0).rule, "Response taken");
}

TEST_F(ResponderTest, AKernelThatGoesOnRefusingIsSaidLoudly) {
  policy.max_per_minute = 1;
  hands.broken = true;
  responder.emplace(policy, untouchable, hands);
  responder->set_denying({.rules = {{7, "deny"}}, .why_not = {}});
  (void)denied(100, 7, true);
  const auto told = denied(101, 7, true);
  ASSERT_EQ(told.size(), 2u);
  EXPECT_THAT(told[1].message, HasSubstr("goes on refusing calls: the kernel says no"));
}

TEST_F(ResponderTest, MoreThanNInAMinuteOpenTheBreakerWhichStaysOpenUntilSomebodyLooked) {
  policy.max_per_minute = 3;
  for (uint32_t pid = 100; pid < 103; ++pid) EXPECT_EQ(alert("kill", pid, pid * second).at(0).rule, "Response taken");
  const auto told = alert("kill", 103, 103 * second);
  ASSERT_EQ(told.size(), 2u);
  EXPECT_EQ(told[0].rule, "Response breaker open");
  EXPECT_EQ(told[0].severity, Severity::critical);
  EXPECT_EQ(told[1].rule, "Response withheld");
  EXPECT_EQ(hands.calls.size(), 3u);
  EXPECT_TRUE(responder->counts().breaker_open);
  EXPECT_EQ(alert("kill", 104, 100'000 * second).size(), 1u);
  EXPECT_EQ(hands.calls.size(), 3u);
  responder->set_policy(policy, untouchable, false);
  EXPECT_TRUE(responder->counts().breaker_open) << "the agent reloads by itself too";
  responder->set_policy(policy, untouchable, true);
  alert("kill", 105, 100'001 * second);
  EXPECT_EQ(hands.calls.size(), 4u);
}

TEST_F(ResponderTest, AFewActionsAMinuteForHoursDoNotOpenIt) {
  policy.max_per_minute = 3;
  for (uint32_t i = 0; i < 600; ++i) alert("kill", 1000 + i, i * 20 * second);
  EXPECT_EQ(hands.calls.size(), 600u);
  EXPECT_FALSE(responder->counts().breaker_open);
}

TEST_F(ResponderTest, WhatFailedIsToldAndTriedAgainTheNextTime) {
  hands.broken = true;
  const auto told = alert("kill", 100);
  ASSERT_EQ(told.size(), 1u);
  EXPECT_EQ(told[0].rule, "Response failed");
  EXPECT_EQ(field(told[0], "reason"), "it has ended");
  alert("kill", 100);
  EXPECT_EQ(hands.calls.size(), 2u);
  EXPECT_EQ(responder->counts().failed, 2u);
}

TEST_F(ResponderTest, AnAlertThatNoProcessCausedHasNoTarget) {
  responder.emplace(policy, untouchable, hands);
  std::vector<Alert> told;
  Alert cause;
  cause.rule = "kill";
  responder->respond(Event{}, cause, 0, told);
  EXPECT_TRUE(told.empty());
  EXPECT_TRUE(hands.calls.empty());
}

}  // namespace
}  // namespace shrike::respond
