// Every error names file, line and column of what the user has to edit.
#include <gtest/gtest.h>

#include "tests/unit/rules/scene.h"

namespace shrike::scoring {
namespace {

TEST(Errors, PointIntoFoldedConditions) {
  const std::string text =
      "- rule: R\n  desc: d\n  condition: >\n    proc.name=a\n    and proc.nme=b\n    and proc.name=c\n"
      "  output: o\n  priority: INFO\n";
  EXPECT_EQ(compile_error(text), "t.yaml:5:9: unknown field \"proc.nme\"");
}

TEST(Errors, PointIntoPlainAndQuotedConditions) {
  EXPECT_EQ(compile_error("- macro: m\n  condition: proc.name=a and (proc.name=b\n"), "t.yaml:2:42: expected \")\"");
  EXPECT_EQ(compile_error("- macro: m\n  condition: 'proc.name=''a'' xor proc.name=b'\n"),
            "t.yaml:2:31: expected \"and\", \"or\" or the end here");
}

TEST(Errors, PointAtTheListsNameInsideTheCondition) {
  const std::string text = "- list: l\n  items: ['a\"b']\n" + rule_text("proc.name in (x, l)");
  EXPECT_EQ(compile_error(text), "t.yaml:6:22: expected \",\" or \")\"");
}

struct Case {
  const char* condition;
  const char* message;
};

TEST(Errors, SayWhatIsWrongWithACondition) {
  for (const Case& c : std::vector<Case>{
           {"proc.name", "expected an operator behind \"proc.name\""},
           {"proc.name is a", "unknown operator \"is\""},
           {"proc.name=", "expected a value"},
           {"proc.name in a", "expected \"(\" and a list, or the name of a list in parentheses"},
           {"proc.name in (a b)", "expected \",\" or \")\""},
           {"proc.name < a", "operator \"<\" does not fit \"proc.name\", which is a text"},
           {"fd.num contains 3", "operator \"contains\" does not fit \"fd.num\", which is a number"},
           {"fd.num=three", "\"three\" is not a number, and \"fd.num\" is compared with one"},
           {"fd.net=10.0.0.0/33", "\"10.0.0.0/33\" is not an address, and \"fd.net\" is compared with one"},
           {"evt.failed=maybe", "\"maybe\" is not true or false, and \"evt.failed\" is compared with one"},
           {"proc.aname[x]=a", "field \"proc.aname\" takes a number from 0 to 63: proc.aname[1]"},
           {"proc.name[1]=a", "field \"proc.name\" takes no argument"},
           {"evt.arg=a", "field \"evt.arg\" needs an argument's name: evt.arg.flags"},
           {"evt.arg.nonsense=a", "no system call has an argument \"nonsense\""},
           {"proc.name regex '('", "wrong regular expression: missing ): ("},
           {"proc.name bcontains 0", "\"0\" is not an even number of hexadecimal digits"},
           {"proc.name bcontains 0g", "\"0g\" is not an even number of hexadecimal digits"},
           {"upper(proc.name)=a", "unknown transformer \"upper()\""},
           {"proc.name=val(proc.nothing)", "unknown field \"proc.nothing\""},
           {"proc.name=val(fd.num)", "\"proc.name\" is a text and \"fd.num\" is a number"},
           {"proc.name regex val(proc.pname)", "operator \"regex\" compares with texts only, not with a field"},
           {"fd.ip=val(fd.sip)", "a field of either end cannot be compared with a field"},
           {"concat(proc.name)=a", "concat() takes at least two texts"},
           {"concat(\"a\", (\"b\", \"c\"))=a", "concat() takes texts, not lists"},
           {"join(\"-\", \"a\")=a", "join() takes a list as its second argument: join(\"-\", (proc.name, fd.name))"},
           {"join(\"-\")=a", "join() takes a separator and a list"},
           {"getopt(proc.name, \"n\") intersects (n)",
            "getopt() takes a list as its first argument: getopt(proc.arg, \"ab:\")"},
           {"getopt(proc.arg, \"n\")[ab]=x", "getopt() takes one option's letter in brackets"},
           {"getopt(proc.arg, \"n\")=x",
            "\"getopt(proc.arg, \"1:n\")\" is a list: \"in\", \"intersects\" and \"exists\" fit, \"=\" does not"},
           {"len(fd.num)=1", "len() takes a text or a list"},
           {"nonsense", "unknown macro \"nonsense\""},
           {"tolower(fd.num)=3", "tolower() takes a text"},
           {"()", "expected a field, a macro, \"not\" or \"(\""},
       }) {
    const std::string error = compile_error(rule_text(c.condition));
    EXPECT_TRUE(error.ends_with(std::string(": ") + c.message)) << c.condition << "\n" << error;
    EXPECT_TRUE(error.starts_with("t.yaml:4:")) << error;
  }
}

TEST(Errors, SayWhatIsWrongWithAFile) {
  EXPECT_EQ(compile_error("a: b"),
            "t.yaml:1:1: expected a list of items: each begins with \"- rule:\", \"- macro:\" or \"- list:\"");
  EXPECT_EQ(compile_error("- colour: red"),
            "t.yaml:1:3: expected \"rule\", \"macro\" or \"list\" among the item's keys");
  EXPECT_EQ(compile_error("- rule: a\n  condition: x\n  condition: y\n"), "t.yaml:3:3: \"condition\" is given twice");
  EXPECT_EQ(compile_error("- rule: R\n  condition: proc.name=a\n  output: o\n  priority: LOUD\n"),
            "t.yaml:4:13: unknown priority \"LOUD\": emergency, alert, critical, error, warning, notice, informational "
            "or debug");
  EXPECT_EQ(compile_error("- rule: R\n  condition: proc.name=a\n  priority: INFO\n"),
            "t.yaml:1:9: rule \"R\" has no output");
  EXPECT_EQ(compile_error("- rule: R\n  condition: proc.name=a\n  output: a %proc.nam b\n  priority: INFO\n"),
            "t.yaml:3:13: in the output: unknown field \"proc.nam\"");
  EXPECT_TRUE(compile_error("- rule: [").starts_with("t.yaml:1:"));
  EXPECT_EQ(compile_error(""), "");
}

TEST(Errors, TextBehindADocumentIsNotDropped) {
  EXPECT_EQ(compile_error(","), "t.yaml:1:1: unexpected text");
  EXPECT_TRUE(compile_error("- macro: m\n  condition: proc.name=a\n, x\n- rule: R\n").starts_with("t.yaml:"));
  EXPECT_EQ(compile_error("---\n- macro: m\n  condition: proc.name=a\n---\n- macro: n\n  condition: m and\n"),
            "t.yaml:6:19: expected a field, a macro, \"not\" or \"(\"");
  std::string many;
  for (int i = 0; i < 100000; ++i) many += "---\n";
  EXPECT_NE(compile_error(many), "");
}

TEST(Errors, DeepNestingIsAnErrorAndNotACrash) {
  EXPECT_NE(compile_error(rule_text(std::string(5000, '(') + "proc.name=a" + std::string(5000, ')'))).find("too deep"),
            std::string::npos);
  EXPECT_NE(compile_error(std::string(20000, '[')), "");
}

TEST(Statuses, TellTheFateOfEveryRule) {
  const std::string text =
      rule_text("evt.type=execve and proc.name=a") +
      "- rule: off\n  condition: proc.name=a\n  output: o\n  priority: INFO\n  enabled: false\n"
      "- rule: other\n  condition: ka.verb=get\n  output: o\n  priority: INFO\n  source: k8s_audit\n"
      "- rule: skipped\n  condition: proc.nothing=a\n  output: o\n  priority: INFO\n  skip-if-unknown-filter: true\n"
      "- rule: never\n  condition: evt.type=execve and fd.name exists\n  output: o\n  priority: INFO\n"
      "- rule: broad\n  condition: evt.type=openat and proc.name=x\n  output: o\n  priority: INFO\n";
  std::vector<RuleStatus> all;
  ASSERT_TRUE(RuleSet::compile({{"t.yaml", text}}, &all).ok());
  ASSERT_EQ(all.size(), 6u);
  EXPECT_EQ(all[0].state, RuleStatus::State::loaded);
  EXPECT_EQ(all[0].reason, "");
  EXPECT_EQ(all[1].state, RuleStatus::State::disabled);
  EXPECT_EQ(all[2].state, RuleStatus::State::unsupported);
  EXPECT_EQ(all[3].state, RuleStatus::State::unsupported);
  EXPECT_EQ(all[3].reason, "unknown field \"proc.nothing\"");
  EXPECT_EQ(all[4].reason, "never fires: its checks exclude each other for every kind of event");
  EXPECT_EQ(all[5].reason, "expensive: no path can be derived, so every open leaves the kernel");
  EXPECT_EQ(all[4].line, 23);
  EXPECT_EQ(all[4].column, 9);
}

TEST(Statuses, AreGivenForTheGoodRulesOfABrokenFileToo) {
  std::vector<RuleStatus> all;
  const auto rules = RuleSet::compile(
      {{"t.yaml", "- rule: bad\n  condition: a.b=c\n  output: o\n  priority: INFO\n" + rule_text("proc.name=a")}},
      &all);
  ASSERT_FALSE(rules.ok());
  EXPECT_EQ(rules.error().message, "t.yaml:2:14: unknown field \"a.b\"");
  ASSERT_EQ(all.size(), 2u);
  EXPECT_EQ(all[0].state, RuleStatus::State::wrong);
  EXPECT_EQ(all[1].state, RuleStatus::State::loaded);
}

}  // namespace
}  // namespace shrike::scoring
