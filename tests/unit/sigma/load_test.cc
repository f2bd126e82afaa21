#include <gmock/gmock.h>

#include "tests/unit/sigma/rules.h"

namespace shrike::scoring::sigma {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Pair;
using State = RuleStatus::State;

const std::string falco = "- rule: F\n  desc: d\n  condition: evt.kind = exec\n  output: o\n  priority: ERROR\n";

TEST(SigmaLoad, AnAlertShowsTheRulesIdAuthorAndTechniques) {
  std::string text = rule(selection("Image|endswith: /nc"));
  text.replace(text.find("A. Author"), 9, "'100% A.'");
  const auto rules = compile_rules({{"t.yml", text}}, nullptr);
  ASSERT_TRUE(rules.ok()) << rules.error().message;
  Scene scene(EventKind::exec);
  scene.program("/usr/bin/nc", {"-e", "/bin/sh"});
  std::vector<Alert> alerts;
  rules.value().evaluate(scene.event, alerts);
  ASSERT_EQ(alerts.size(), 1u);
  EXPECT_EQ(alerts[0].rule, "T");
  EXPECT_EQ(alerts[0].source, AlertSource::sigma);
  EXPECT_EQ(alerts[0].severity, Severity::high);
  EXPECT_EQ(alerts[0].confidence, 0.8);
  EXPECT_THAT(alerts[0].attack, ElementsAre("T1059.004"));
  EXPECT_THAT(alerts[0].fields, Contains(Pair("sigma.id", "11111111-2222-3333-4444-555555555555")));
  EXPECT_THAT(alerts[0].fields, Contains(Pair("sigma.author", "100% A.")));
  EXPECT_THAT(alerts[0].fields, Contains(Pair("proc.exeline", "nc -e /bin/sh")));
  EXPECT_THAT(alerts[0].message, HasSubstr("[Sigma 11111111-2222-3333-4444-555555555555 by 100% A.]"));
}

TEST(SigmaLoad, FilesOfBothLanguagesAreOneSet) {
  std::vector<RuleStatus> statuses;
  const auto rules = compile_rules({{"s.yml", rule(selection("Image|endswith: /nc"))}, {"f.yaml", falco}}, &statuses);
  ASSERT_TRUE(rules.ok()) << rules.error().message;
  EXPECT_EQ(rules.value().size(), 2u);
  Scene scene(EventKind::exec);
  scene.program("/usr/bin/nc");
  EXPECT_THAT(fired(rules.value(), scene.event), ElementsAre("F", "T"));
  EXPECT_TRUE(rules.value().filter().kinds.test(static_cast<size_t>(EventKind::exec)));
}

TEST(SigmaLoad, AFileMayHoldMoreThanOneRule) {
  const std::string one = rule(selection("Image|endswith: /nc"));
  std::vector<RuleStatus> statuses;
  const auto rules = compile_rules({{"s.yml", one + "---\n" + one}}, &statuses);
  ASSERT_TRUE(rules.ok());
  EXPECT_EQ(rules.value().size(), 2u);
  EXPECT_EQ(statuses.at(1).line, statuses.at(0).line + 16);
}

TEST(SigmaLoad, LevelsAreSeverities) {
  for (const auto& [level, severity] :
       std::vector<std::pair<std::string, Severity>>{{"critical", Severity::critical},
                                                     {"high", Severity::high},
                                                     {"medium", Severity::medium},
                                                     {"low", Severity::low},
                                                     {"informational", Severity::info}}) {
    std::string text = rule(selection("Image|endswith: /nc"));
    text.replace(text.find("level: high"), 11, "level: " + level);
    Loaded loaded = load({"t.yml", text});
    ASSERT_EQ(loaded.rules.size(), 1u);
    EXPECT_EQ(loaded.rules[0].severity, severity) << level;
  }
}

TEST(SigmaLoad, DeprecatedRulesAreDisabled) {
  std::string text = rule(selection("Image|endswith: /nc"));
  text.replace(text.find("stable"), 6, "deprecated");
  EXPECT_EQ(refusal(text), "disabled: its status is deprecated");
}

TEST(SigmaLoad, WhatIsBrokenIsAnErrorWithItsPlace) {
  const auto error = [](const std::string& text) {
    const auto rules = compile_rules({{"t.yml", text}}, nullptr);
    return rules.ok() ? "" : rules.error().message;
  };
  EXPECT_EQ(error("title: T\nlogsource:\n    product: linux\n"), "t.yml:1:1: the rule has no detection");
  EXPECT_EQ(error("title: T\ndetection:\n    s:\n        Image: x\n    condition: s\n"),
            "t.yml:1:1: the rule has no logsource");
  EXPECT_EQ(error("logsource: {product: linux}\ndetection: {s: {Image: x}, condition: s}\n"),
            "t.yml:1:1: the rule has no title");
  EXPECT_EQ(error(rule("    s:\n        Image: x\n")), "t.yml:13:5: the detection has no condition");
  EXPECT_EQ(error(rule("    s: {}\n    condition: s\n")), "t.yml:13:8: the selection is empty");
  EXPECT_EQ(error(rule("    s:\n        Image: []\n    condition: s\n")), "t.yml:14:16: \"Image\" has no values");
  EXPECT_EQ(error(rule("    s:\n        Image: x\n        Image: y\n    condition: s\n")),
            "t.yml:15:9: \"Image\" is given twice");
  EXPECT_EQ(error(rule("    s:\n        Image: {a: b}\n    condition: s\n")),
            "t.yml:14:16: a value of \"Image\" has to be plain text");
  EXPECT_EQ(error(rule("    s:\n        Image||re: x\n    condition: s\n")),
            "t.yml:14:9: \"Image||re\" has an empty modifier");
  EXPECT_THAT(error("title: [T\nlogsource: x\n"), HasSubstr("t.yml:"));
  std::string level = rule(selection("Image: x"));
  level.replace(level.find("level: high"), 11, "level: huge");
  EXPECT_THAT(error(level), HasSubstr("unknown level \"huge\""));
}

TEST(SigmaLoad, DocumentsOfOtherKindsAreSaidToBeUnsupported) {
  EXPECT_THAT(refusal("title: C\ncorrelation:\n    type: event_count\n"), HasSubstr("unsupported: \"correlation\""));
  EXPECT_THAT(refusal(rule("    s:\n        Image: x\n    timeframe: 1m\n    condition: s\n")),
              HasSubstr("unsupported: \"timeframe\""));
}

TEST(SigmaLoad, OneRuleThatIsUnsupportedLeavesTheOthers) {
  std::vector<RuleStatus> statuses;
  const auto rules =
      compile_rules({{"a.yml", rule(selection("md5: x"))}, {"b.yml", rule(selection("Image: x"))}}, &statuses);
  ASSERT_TRUE(rules.ok());
  ASSERT_EQ(statuses.size(), 2u);
  EXPECT_EQ(statuses[0].state, State::unsupported);
  EXPECT_EQ(statuses[0].file, "a.yml");
  EXPECT_EQ(statuses[0].line, 14);
  EXPECT_EQ(statuses[1].state, State::loaded);
}

TEST(SigmaLoad, ExpressionsAreBoundInSizeAndNumber) {
  EXPECT_THAT(refusal(rule(selection("CommandLine|re: '\\pL{1,900}'"))), HasSubstr("pattern too large"));
  std::string many = "    s:\n        CommandLine|re:\n";
  for (int i = 0; i <= 500; ++i) many += "            - 'x" + std::to_string(i) + "'\n";
  EXPECT_EQ(refusal(rule(many + "    condition: s\n")), "wrong: more than 500 regular expressions");
}

TEST(SigmaLoad, AliasesThatGrowOrStandInThemselvesAreRefused) {
  std::string laughs = "title: T\nlogsource: {product: linux}\na0: &a0 [x, x, x, x, x, x, x, x, x, x]\n";
  for (int i = 1; i < 9; ++i) {
    const std::string last = "*a" + std::to_string(i - 1);
    laughs += "a" + std::to_string(i) + ": &a" + std::to_string(i) + " [";
    for (int k = 0; k < 10; ++k) laughs += (k == 0 ? "" : ", ") + last;
    laughs += "]\n";
  }
  EXPECT_EQ(refusal(laughs), "wrong: too many values");
  EXPECT_THAT(refusal("title: T\nlogsource: &a [*a]\ndetection: x\n"), HasSubstr("wrong: "));
  std::string deep = "title: T\nlogsource: x\nb0: &b0 x\n";
  for (int i = 1; i < 5000; ++i)
    deep += "b" + std::to_string(i) + ": &b" + std::to_string(i) + " [*b" + std::to_string(i - 1) + "]\n";
  EXPECT_EQ(refusal(deep), "wrong: nested too deep");
}

}  // namespace
}  // namespace shrike::scoring::sigma
