#include <gtest/gtest.h>

#include "tests/unit/sigma/rules.h"

namespace shrike::scoring::sigma {
namespace {

// Selections a, b, c and _d hold when the command line has that letter behind a plus.
bool holds_of(const std::string& condition, std::vector<std::string> given) {
  Scene scene(EventKind::exec);
  scene.program("/usr/bin/example", std::move(given));
  return fires(rule("    sel_a:\n        CommandLine|contains: '+a'\n"
                    "    sel_b:\n        CommandLine|contains: '+b'\n"
                    "    other_c:\n        CommandLine|contains: '+c'\n"
                    "    _d:\n        CommandLine|contains: '+d'\n"
                    "    condition: " +
                    condition + "\n"),
               scene.event);
}
std::string fault(const std::string& condition) {
  return refusal(
      rule("    sel_a:\n        Image: x\n    sel_b:\n        Image: y\n    condition: " + condition + "\n"));
}

TEST(SigmaCondition, NotBindsStrongerThanAndAndThatStrongerThanOr) {
  EXPECT_TRUE(holds_of("sel_a or sel_b and other_c", {"+a"}));
  EXPECT_FALSE(holds_of("(sel_a or sel_b) and other_c", {"+a"}));
  EXPECT_TRUE(holds_of("not sel_a and sel_b", {"+b"}));
  EXPECT_FALSE(holds_of("not sel_a and sel_b", {"+a", "+b"}));
  EXPECT_TRUE(holds_of("not (sel_a and sel_b)", {"+a"}));
  EXPECT_TRUE(holds_of("not not sel_a", {"+a"}));
  EXPECT_TRUE(holds_of("sel_a AND NOT sel_b", {"+a"}));
}

TEST(SigmaCondition, OneOfAndAllOfTakePatterns) {
  EXPECT_TRUE(holds_of("1 of sel_*", {"+b"}));
  EXPECT_FALSE(holds_of("1 of sel_*", {"+c"}));
  EXPECT_TRUE(holds_of("any of sel_*", {"+b"}));
  EXPECT_FALSE(holds_of("all of sel_*", {"+b"}));
  EXPECT_TRUE(holds_of("all of sel_*", {"+b", "+a"}));
  EXPECT_TRUE(holds_of("all of *_c", {"+c"}));
  EXPECT_TRUE(holds_of("1 of sel_a", {"+a"}));
  EXPECT_TRUE(holds_of("2 of them", {"+c", "+a"}));
  EXPECT_FALSE(holds_of("2 of them", {"+c"}));
  EXPECT_TRUE(holds_of("3 of them", {"+a", "+b", "+c"}));
  EXPECT_TRUE(holds_of("sel_a and not 1 of other_*", {"+a"}));
  EXPECT_FALSE(holds_of("sel_a and not 1 of other_*", {"+a", "+c"}));
}

TEST(SigmaCondition, ThemLeavesOutNamesThatBeginWithAnUnderscore) {
  EXPECT_FALSE(holds_of("1 of them", {"+d"}));
  EXPECT_TRUE(holds_of("1 of them", {"+c"}));
  EXPECT_TRUE(holds_of("all of them", {"+a", "+b", "+c"}));
  EXPECT_TRUE(holds_of("_d", {"+d"}));
}

TEST(SigmaCondition, AListOfConditionsIsEitherOfThem) {
  EXPECT_TRUE(holds_of("[sel_a and sel_b, other_c]", {"+c"}));
  EXPECT_FALSE(holds_of("[sel_a and sel_b, other_c]", {"+a"}));
}

TEST(SigmaCondition, SelectionsAreMapsListsOfMapsAndBoth) {
  Scene scene(EventKind::exec);
  scene.program("/usr/bin/nc", {"-e"});
  const auto holds = [&](const std::string& detection) { return fires(rule(detection), scene.event); };
  EXPECT_TRUE(holds("    s:\n        Image|endswith: /nc\n        CommandLine|contains: -e\n    condition: s\n"));
  EXPECT_FALSE(holds("    s:\n        Image|endswith: /nc\n        CommandLine|contains: -l\n    condition: s\n"));
  EXPECT_TRUE(holds("    s:\n        - Image|endswith: /nc\n        - CommandLine|contains: -l\n    condition: s\n"));
  EXPECT_TRUE(
      holds("    s:\n        - Image|endswith: /x\n        - Image|endswith: /nc\n          CommandLine|contains: "
            "-e\n    condition: s\n"));
  EXPECT_FALSE(
      holds("    s:\n        - Image|endswith: /x\n        - Image|endswith: /nc\n          "
            "CommandLine|contains: -l\n    condition: s\n"));
}

TEST(SigmaCondition, FaultsNameTheirPlace) {
  EXPECT_EQ(fault("sel_a and sel_c"), "wrong: no selection \"sel_c\" in the detection");
  EXPECT_EQ(fault("1 of filter_*"), "wrong: no selection is named \"filter_*\"");
  EXPECT_EQ(fault("sel_a and"), "wrong: the condition ends where a selection is expected");
  EXPECT_EQ(fault("(sel_a"), "wrong: \"(\" is not closed");
  EXPECT_EQ(fault("sel_a sel_b"), "wrong: unexpected \"sel_b\"");
  EXPECT_EQ(fault("sel_a)"), "wrong: unexpected \")\"");
  EXPECT_EQ(fault("and sel_a"), "wrong: no selection \"and\" in the detection");
  EXPECT_EQ(fault("5 of them"), "wrong: \"5 of\" asks for more than the 2 selections there are");
  EXPECT_EQ(fault("0 of them"), "wrong: \"0 of\" holds of everything");
  EXPECT_EQ(fault("sel_a | count() by User > 5"),
            "unsupported: aggregations (\"| count()\") look at many events, a rule of ours at one");
  EXPECT_EQ(fault(std::string(150, '(') + "sel_a" + std::string(150, ')')), "wrong: parentheses nested too deep");

  std::vector<RuleStatus> statuses;
  const std::string text = rule("    sel_a:\n        Image: x\n    condition: sel_a and sel_c\n");
  static_cast<void>(compile_rules({{"t.yml", text}}, &statuses));
  ASSERT_EQ(statuses.size(), 1u);
  EXPECT_EQ(statuses[0].line, 15);
  EXPECT_EQ(statuses[0].column, 26);
}

TEST(SigmaCondition, ConditionsThatGrowWithoutBoundAreRefused) {
  std::string many = "    condition: 1 of them";
  for (int i = 0; i < 1000; ++i) many += " or 1 of them";
  std::string detection;
  for (int i = 0; i < 900; ++i) detection += "    s" + std::to_string(i) + ":\n        Image: x\n";
  EXPECT_EQ(refusal(rule(detection + many + "\n")), "wrong: the condition is too large");
  std::string longest = "    s:\n        Image: x\n    condition: s";
  for (int i = 0; i < 5000; ++i) longest += " or s";
  EXPECT_EQ(refusal(rule(longest + "\n")), "wrong: the condition is longer than 16 KiB");
}

}  // namespace
}  // namespace shrike::scoring::sigma
