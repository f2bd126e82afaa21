#include "scoring/risk/tree_risk.h"

#include <gmock/gmock.h>

#include <cmath>

namespace shrike::scoring {
namespace {

constexpr uint64_t minute = 60'000'000'000;

Process make(uint32_t pid, const Process* parent, uint64_t cgroup = 1) {
  Process process;
  process.pid = pid;
  process.start_ns = pid * 1000;
  process.parent = parent;
  process.task.cgroup_id = cgroup;
  return process;
}

class TreeRiskTest : public ::testing::Test {
 protected:
  Alert add(const Process* process, const std::string& rule, double risk, uint64_t at = 0,
            AlertSource source = AlertSource::falco) {
    Event event;
    event.process = process;
    Alert alert;
    alert.rule = rule;
    alert.risk = risk;
    alert.source = source;
    trees.add(event, alert, at);
    return alert;
  }
  Process init = make(1, nullptr);
  Process service = make(10, &init);
  Process shell = make(11, &service);
  Process other = make(20, &init);
  TreeRisk trees;
};

TEST_F(TreeRiskTest, OneAlertsRiskIsItsTrees) {
  const Alert alert = add(&shell, "a", 0.35);
  EXPECT_DOUBLE_EQ(alert.tree_risk, 0.35);
  EXPECT_DOUBLE_EQ(alert.risk, 0.35);
  EXPECT_THAT(alert.scores, testing::ElementsAre(testing::Pair("rules", 0.35)));
}

TEST_F(TreeRiskTest, DifferentCausesOfATreeAddUpAndOtherTreesDoNotFeelIt) {
  add(&shell, "a", 0.5);
  EXPECT_DOUBLE_EQ(add(&service, "b", 0.5).tree_risk, 0.75);
  const Alert third = add(&shell, "new calls", 0.4, 0, AlertSource::sequence);
  EXPECT_DOUBLE_EQ(third.tree_risk, 0.85);
  EXPECT_THAT(third.scores,
              testing::UnorderedElementsAre(testing::Pair("rules", 0.75), testing::Pair("sequence", 0.4)));
  EXPECT_DOUBLE_EQ(add(&other, "a", 0.1).tree_risk, 0.1);
}

TEST_F(TreeRiskTest, ComingAgainMakesItFreshAndNotLarger) {
  for (int i = 0; i < 1000; ++i) EXPECT_DOUBLE_EQ(add(&shell, "noise", 0.1).tree_risk, 0.1);
  add(&shell, "noise", 0.1, 10 * minute);
  EXPECT_DOUBLE_EQ(add(&shell, "noise", 0.1, 11 * minute).tree_risk, 0.1);
}

TEST_F(TreeRiskTest, HalfOfTheStrengthIsGoneInTenMinutes) {
  add(&shell, "a", 0.75);
  EXPECT_NEAR(add(&shell, "b", 0, 10 * minute).tree_risk, 0.5, 1e-4);
  EXPECT_NEAR(add(&shell, "b", 0, 20 * minute).tree_risk, 1 - std::sqrt(0.5), 1e-4);
  EXPECT_LT(add(&shell, "b", 0, 600 * minute).tree_risk, 1e-4);
}

TEST_F(TreeRiskTest, IsAShareWhateverComes) {
  for (int i = 0; i < 100; ++i) {
    const double risk = i % 3 == 0 ? 1.0 : i % 3 == 1 ? 7.0 : std::nan("");
    const Alert alert = add(&shell, std::to_string(i), risk, static_cast<uint64_t>(100 - i));
    EXPECT_GE(alert.tree_risk, 0);
    EXPECT_LE(alert.tree_risk, 1);
  }
}

TEST_F(TreeRiskTest, ATreeEndsAtPidOneTheContainersEdgeAndTheCgroups) {
  EXPECT_EQ(tree_of(shell), (TreeId{10, 10'000}));
  Container box;
  Process inside = make(30, &shell), child = make(31, &inside);
  inside.container = child.container = &box;
  EXPECT_EQ(tree_of(child), (TreeId{30, 30'000}));
  const Process session = make(40, &shell, 2), login = make(41, &session, 2);
  EXPECT_EQ(tree_of(login), (TreeId{40, 40'000}));
}

TEST_F(TreeRiskTest, WithoutAProcessOnlyTheAlertCounts) {
  add(&shell, "a", 0.5);
  EXPECT_DOUBLE_EQ(add(nullptr, "lost", 0.25, 0, AlertSource::integrity).tree_risk, 0.25);
  EXPECT_EQ(trees.trees(), 1u);
}

TEST_F(TreeRiskTest, ManyTreesAndCausesStayWithinTheBounds) {
  trees = TreeRisk({.trees = 8, .causes = 4});
  for (uint32_t pid = 100; pid < 300; ++pid) {
    const Process process = make(pid, &init);
    for (int rule = 0; rule < 20; ++rule) add(&process, std::to_string(rule), 0.1);
    EXPECT_LE(trees.trees(), 8u);
  }
  // Four causes of 0.1 are all that is left of twenty.
  const Process last = make(299, &init);
  EXPECT_NEAR(add(&last, "19", 0.1).tree_risk, 1 - std::pow(0.9, 4), 1e-4);
}

TEST_F(TreeRiskTest, AStrongCauseIsNotDrivenOutByManyWeakOnes) {
  trees = TreeRisk({.causes = 4});
  add(&shell, "grave", 0.9);
  for (int rule = 0; rule < 100; ++rule) add(&shell, std::to_string(rule), 0.01);
  EXPECT_GT(add(&shell, "0", 0.01).tree_risk, 0.9);
}

TEST_F(TreeRiskTest, WhatADetectorSaidOfItsPartsStays) {
  Event event;
  event.process = &shell;
  Alert alert;
  alert.source = AlertSource::sequence;
  alert.risk = 0.5;
  alert.scores = {{"distance", 0.3}, {"sequence", 0.9}};
  trees.add(event, alert, 0);
  EXPECT_THAT(alert.scores,
              testing::UnorderedElementsAre(testing::Pair("distance", 0.3), testing::Pair("sequence", 0.5)));
}

}  // namespace
}  // namespace shrike::scoring
