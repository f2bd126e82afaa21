#include "scoring/rules/explain.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/rules/scene.h"

namespace shrike::scoring {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

Explanation explained(const std::string& condition, const std::string& before = {}) {
  const auto rules = RuleSet::compile({{"t.yaml", rule_text(condition, before)}}, nullptr);
  return rules.value().explain("R").value();
}

TEST(Explain, SpellsTheConditionWithListsAndMacrosInIt) {
  const auto out =
      explained("m and not (proc.args contains \"a b\" or fd.snet != 10.0.0.0/8)",
                "- list: l\n  items: [x, y z]\n- macro: m\n  condition: evt.type=connect and proc.name in (l)\n");
  EXPECT_EQ(
      out.condition,
      "evt.type = connect and proc.name in (x, \"y z\") and not (fd.snet != 10.0.0.0/8 or proc.args contains \"a b\")");
  EXPECT_THAT(out.fields, ElementsAre("evt.type", "fd.snet", "proc.args", "proc.name"));
  ASSERT_EQ(out.kinds.size(), 2u);  // the other is toctou, which has every call's name
  EXPECT_EQ(out.kinds[0].kind, "connect");
  EXPECT_THAT(out.kinds[0].condition, testing::Not(HasSubstr("evt.type")));
  EXPECT_TRUE(out.filter.kinds.test(static_cast<size_t>(EventKind::connect)));
  EXPECT_TRUE(out.never.empty());
}

TEST(Explain, SaysWhyARuleCanNeverFire) {
  EXPECT_THAT(explained("evt.type=execve and proc.env contains x").never,
              ElementsAre(HasSubstr("no event has \"proc.env\"")));
  EXPECT_THAT(explained("evt.type=execve and evt.type=openat").never,
              ElementsAre("its checks exclude each other for every kind of event"));
}

TEST(Explain, TellsTheGuardARuleIsBegunBy) {
  std::string text;
  for (int i = 0; i < 10; ++i)
    text += "- rule: R" + std::to_string(i) + "\n  condition: evt.type=execve and user.uid!=7 and proc.name=p" +
            std::to_string(i) + "\n  output: o\n  priority: INFO\n";
  const auto rules = RuleSet::compile({{"t", text}}, nullptr);
  const auto out = rules.value().explain("R3").value();
  EXPECT_THAT(out.kinds.at(0).guard, ElementsAre("proc.name = p3"));
  EXPECT_THAT(out.kinds.at(0).gates, testing::Contains("user.uid != 7"));
  EXPECT_LT(out.kinds.at(0).begun, 0.5);
  EXPECT_FALSE(rules.value().explain("nobody").has_value());
}

// What is spelt is the same condition again.
TEST(Explain, SpellsWhatCanBeLoaded) {
  for (const char* condition :
       {"proc.name = val(proc.pname)", "tolower(proc.name) contains anyof (a, \"b c\")", "proc.args bcontains 00ff",
        "join(\"-\", (proc.name, fd.name)) = a-b", "getopt(proc.arg, \"ab:\")[b] = x", "proc.aname[2] in (a, b)",
        "fd.net in (10.0.0.0/8, 1.2.3.4)", "evt.failed = true", "proc.args = \"\"", "proc.args = \"a\\\\b\\\"c\"",
        "not (proc.name = a or proc.name = b) and fd.num >= -1"}) {
    const std::string once = explained(condition).condition;
    EXPECT_EQ(explained(once).condition, once);
  }
}

}  // namespace
}  // namespace shrike::scoring
