#include "agent/respond/policy.h"

#include <gtest/gtest.h>

namespace shrike::respond {
namespace {

Alert alert(const std::string& rule, double risk, double tree_risk, AlertSource source = AlertSource::falco) {
  Alert out;
  out.rule = rule;
  out.risk = risk;
  out.tree_risk = tree_risk;
  out.source = source;
  return out;
}

TEST(Policy, ObservesUnlessToldOtherwise) {
  EXPECT_EQ(Policy{}.wanted(alert("r", 1, 1)), Action::observe);
  EXPECT_FALSE(Policy{}.acts());
}

TEST(Policy, ARulesOwnEntryGoesBeforeItsRisk) {
  Policy policy;
  policy.rules = {{"kill me", Action::kill}, {"leave me", Action::observe}};
  policy.risk = {{0.5, Action::stop}};
  EXPECT_EQ(policy.wanted(alert("kill me", 0.1, 0.1)), Action::kill);
  EXPECT_EQ(policy.wanted(alert("leave me", 1, 1)), Action::observe);
  EXPECT_EQ(policy.wanted(alert("other", 0.2, 0.6)), Action::stop);
  EXPECT_TRUE(policy.acts());
}

TEST(Policy, TheHighestRiskThatIsReachedDecides) {
  Policy policy;
  policy.risk = {{0.5, Action::stop}, {0.7, Action::cut}, {0.9, Action::kill}};
  EXPECT_EQ(policy.wanted(alert("r", 0.49, 0)), Action::observe);
  EXPECT_EQ(policy.wanted(alert("r", 0.5, 0)), Action::stop);
  EXPECT_EQ(policy.wanted(alert("r", 0, 0.89)), Action::cut);
  EXPECT_EQ(policy.wanted(alert("r", 0.9, 0.1)), Action::kill);
}

TEST(Policy, AlertsAboutTheAgentItselfAskForSomethingOnlyByName) {
  Policy policy;
  policy.rules = {{"Signal to the agent", Action::stop}};
  policy.risk = {{0.1, Action::kill}};
  for (const auto source : {AlertSource::integrity, AlertSource::response})
    EXPECT_EQ(policy.wanted(alert("Events lost", 1, 1, source)), Action::observe);
  EXPECT_EQ(policy.wanted(alert("Signal to the agent", 1, 1, AlertSource::integrity)), Action::stop);
}

TEST(Policy, NamesAreFoundByNameAndByValue) {
  for (const auto action : {Action::observe, Action::stop, Action::cut, Action::kill, Action::deny})
    EXPECT_EQ(action_named(action_name(action)), action);
  EXPECT_FALSE(action_named("Kill"));
}

}  // namespace
}  // namespace shrike::respond
