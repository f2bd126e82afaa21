#include "agent/self_watch.h"

#include <gtest/gtest.h>
#include <linux/bpf.h>

#include <csignal>

namespace shrike::agent {
namespace {

constexpr uint64_t second = 1'000'000'000;

class Self : public ::testing::Test {
 protected:
  std::vector<Alert> judge(EventKind kind, uint32_t by, std::array<uint64_t, 6> arg, const Process* target = nullptr) {
    Event event;
    event.kind = kind;
    event.task.pid = by;
    event.arg = arg;
    actor.pid = by;
    event.process = &actor;
    event.target = target;
    std::vector<Alert> alerts;
    watch.evaluate(event, alerts);
    return alerts;
  }
  Process actor;
  SelfWatch watch{{.pid = 100, .parent_pid = 90, .programs = {7}, .maps = {8}, .links = {9}}};
};

TEST_F(Self, ABpfCallThatTakesHoldOfOurObjectsIsTold) {
  EXPECT_EQ(judge(EventKind::bpf, 5, {BPF_PROG_GET_FD_BY_ID, 7}).size(), 1u);
  EXPECT_EQ(judge(EventKind::bpf, 5, {BPF_MAP_GET_FD_BY_ID, 8}).size(), 1u);
  const auto alerts = judge(EventKind::bpf, 5, {BPF_LINK_GET_FD_BY_ID, 9});
  ASSERT_EQ(alerts.size(), 1u);
  EXPECT_EQ(alerts[0].severity, Severity::critical);
  EXPECT_EQ(alerts[0].source, AlertSource::integrity);
  EXPECT_EQ(alerts[0].attack, std::vector<std::string>{"T1562.001"});
  EXPECT_TRUE(judge(EventKind::bpf, 5, {BPF_PROG_GET_FD_BY_ID, 8}).empty());
  EXPECT_TRUE(judge(EventKind::bpf, 5, {BPF_PROG_LOAD, 7}).empty());
  EXPECT_TRUE(judge(EventKind::bpf, 100, {BPF_PROG_GET_FD_BY_ID, 7}).empty());
}

TEST_F(Self, ABpfCallOnADescriptorOfOursIsToldHoweverItCameBy) {
  constexpr uint64_t fd = 3, map = 1, program = 2, ours = 1;
  const auto alerts = judge(EventKind::bpf, 5, {BPF_MAP_UPDATE_ELEM, 8, fd, map, ours});
  ASSERT_EQ(alerts.size(), 1u);
  EXPECT_NE(alerts[0].message.find("took hold of a map (id 8)"), std::string::npos) << alerts[0].message;
  EXPECT_EQ(judge(EventKind::bpf, 5, {BPF_PROG_TEST_RUN, 7, fd, program, ours}).size(), 1u);
  EXPECT_TRUE(judge(EventKind::bpf, 5, {BPF_PROG_TEST_RUN, 7, fd, program, 0}).empty());
  EXPECT_TRUE(judge(EventKind::bpf, 100, {BPF_PROG_TEST_RUN, 7, fd, program, ours}).empty());
}

TEST_F(Self, AProgramThatBeginsToPoseAsAnotherIsToldOnce) {
  Event event;
  event.kind = EventKind::open;
  event.boot_ns = 7;
  event.process = &actor;
  std::vector<Alert> alerts;
  watch.evaluate(event, alerts);
  EXPECT_TRUE(alerts.empty());
  actor.poses_since_ns = 7;
  watch.evaluate(event, alerts);
  ASSERT_EQ(alerts.size(), 1u);
  EXPECT_EQ(alerts[0].rule, "Program poses as another");
  EXPECT_EQ(alerts[0].source, AlertSource::integrity);
  event.boot_ns = 8;
  watch.evaluate(event, alerts);
  EXPECT_EQ(alerts.size(), 1u);
}

TEST_F(Self, SignalsToTheAgentAreToldByWhoSendsThem) {
  EXPECT_EQ(judge(EventKind::signal, 5, {SIGKILL, 100}).at(0).severity, Severity::critical);
  EXPECT_EQ(judge(EventKind::signal, 5, {SIGUSR1, 100}).at(0).severity, Severity::medium);
  EXPECT_EQ(judge(EventKind::signal, 1, {SIGTERM, 100}).at(0).severity, Severity::info);
  EXPECT_EQ(judge(EventKind::signal, 90, {SIGTERM, 100}).at(0).severity, Severity::info);
  EXPECT_TRUE(judge(EventKind::signal, 5, {SIGKILL, 101}).empty());
  EXPECT_TRUE(judge(EventKind::signal, 5, {0, 100}).empty());
}

TEST_F(Self, PtraceOfTheAgentIsTold) {
  Process agent;
  agent.pid = 100;
  EXPECT_EQ(judge(EventKind::ptrace, 5, {16, 100}, &agent).size(), 1u);
  EXPECT_TRUE(judge(EventKind::ptrace, 5, {16, 101}).empty());
}

TEST_F(Self, AnArgumentThatChangedIsToldForAnyProcess) {
  const auto alerts = judge(EventKind::toctou, 5, {});
  ASSERT_EQ(alerts.size(), 1u);
  EXPECT_EQ(alerts[0].rule, "Argument changed during the call");
}

TEST(Health, LossIsToldWhenItGrowsAndThenAtMostOnceInTenSeconds) {
  HealthWatch health;
  HealthWatch::Lost lost;
  EXPECT_TRUE(health.on_losses(1 * second, lost).empty());
  lost.kernel.lost[0][0] = 5;
  auto alerts = health.on_losses(2 * second, lost);
  ASSERT_EQ(alerts.size(), 1u);
  EXPECT_EQ(alerts[0].severity, Severity::high);
  EXPECT_NE(alerts[0].message.find("5 events of class lifecycle were lost (ring_full)"), std::string::npos);
  EXPECT_TRUE(health.on_losses(3 * second, lost).empty());
  lost.kernel.lost[0][0] = 7;
  lost.kernel.lost[2][1] = 1;
  alerts = health.on_losses(4 * second, lost);
  ASSERT_EQ(alerts.size(), 1u);
  EXPECT_NE(alerts[0].message.find("class file"), std::string::npos);
  alerts = health.on_losses(13 * second, lost);
  ASSERT_EQ(alerts.size(), 1u);
  EXPECT_NE(alerts[0].message.find("2 events of class lifecycle"), std::string::npos);
  lost.undecodable = 1;
  EXPECT_EQ(health.on_losses(14 * second, lost).size(), 1u);
}

TEST(Health, AProgramThatStopsIsToldOnceAndWhenItGoesOn) {
  HealthWatch health;
  bool opens = true;
  const auto beat = [&](uint64_t enter, uint64_t exec) {
    return health.on_heartbeat(1, {{"sys_enter", 1, enter}, {"on_exec", 2, exec}}, opens);
  };
  EXPECT_TRUE(beat(5, 1).empty());
  EXPECT_TRUE(beat(6, 1).empty());  // nobody executed anything: that is no failure
  EXPECT_TRUE(beat(6, 1).empty());
  const auto alerts = beat(6, 1);
  ASSERT_EQ(alerts.size(), 1u);
  EXPECT_EQ(alerts[0].severity, Severity::critical);
  EXPECT_TRUE(beat(6, 1).empty());
  EXPECT_EQ(beat(7, 1).size(), 1u);
  EXPECT_TRUE(beat(8, 1).empty());
  // Where no open is wanted its entry is not hooked, and nothing of ours makes the program run.
  opens = false;
  for (int round = 0; round < 4; ++round) EXPECT_TRUE(beat(8, 1).empty());
}

TEST(Health, EachMissingFeatureIsTold) {
  probe::Features features;
  features.notes = {"no BPF LSM: nothing"};
  ASSERT_EQ(feature_alerts(1, features).size(), 1u);
  EXPECT_EQ(feature_alerts(1, features)[0].message, "no BPF LSM: nothing");
}

}  // namespace
}  // namespace shrike::agent
