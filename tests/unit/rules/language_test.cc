#include <gtest/gtest.h>

#include "tests/unit/rules/scene.h"

namespace shrike::scoring {
namespace {

using K = EventKind;

TEST(Condition, AndBindsTighterThanOr) {
  Scene s(K::exec);
  EXPECT_TRUE(holds("proc.name=example or proc.name=a and proc.name=b", s.event));
  EXPECT_FALSE(holds("(proc.name=example or proc.name=a) and proc.name=b", s.event));
  EXPECT_TRUE(holds("not proc.name=a and not (proc.name=b or proc.name=c)", s.event));
  EXPECT_TRUE(holds("not(proc.name=a)and(proc.name=example)", s.event));
}

TEST(Condition, ComparesTexts) {
  Scene s(K::exec);
  s.program("/usr/bin/example", {"--File", "a b"});
  for (const char* yes :
       {"proc.name=example", "proc.name == example", "proc.name != other", "proc.args contains File",
        "proc.args icontains \"--FILE A\"", "proc.exepath startswith /usr/", "proc.exepath endswith /example",
        "proc.exepath glob /usr/*/ex?mple", "proc.exepath glob '/usr/[a-c]in/*'", "proc.exepath iglob /USR/*",
        "proc.exepath regex '/usr/[a-z]+/exa.*'", "proc.name in (a, example)", "proc.exepath pmatch (/etc, /usr/bin)",
        "proc.name exists", "tolower(proc.args) contains file", "toupper(proc.name)=EXAMPLE",
        "basename(proc.exepath)=example", "len(proc.name)=7", "proc.aname intersects (x, systemd)"})
    EXPECT_TRUE(holds(yes, s.event)) << yes;
  for (const char* no : {"proc.name=Example", "proc.args contains file", "proc.exepath regex usr",
                         "proc.exepath glob /usr/?xample", "proc.exepath pmatch (/usr/b, /us)", "proc.name in ()",
                         "proc.name in (exampl, examples)", "proc.exepath glob '/usr/[!a-c]in/*'"})
    EXPECT_FALSE(holds(no, s.event)) << no;
}

TEST(Condition, FindsTextsInLongLists) {
  Scene s(K::exec);
  EXPECT_TRUE(holds("proc.name in (a, bb, ccc, dddd, eeeee, ffffff, example, hhhhhhhh)", s.event));
  EXPECT_FALSE(holds("proc.name in (a, bb, ccc, dddd, eeeee, ffffff, exampl3, hhhhhhhh)", s.event));
}

TEST(Condition, ComparesNumbers) {
  Scene s(K::open);
  s.reads("/etc/hosts");
  for (const char* yes :
       {"fd.num=3", "fd.num>=3", "fd.num<4", "fd.num!=4", "fd.num in (0x3, 9)", "user.uid>-1", "fd.num<=3"})
    EXPECT_TRUE(holds(yes, s.event)) << yes;
  for (const char* no : {"fd.num>3", "fd.num=4", "fd.num<3"}) EXPECT_FALSE(holds(no, s.event)) << no;
}

TEST(Condition, ComparesAddressesWithNetworks) {
  Scene s(K::connect);
  s.tcp({10, 1, 2, 3}, 40000, {93, 184, 216, 34}, 443);
  for (const char* yes :
       {"fd.net=10.0.0.0/8", "fd.snet != 10.0.0.0/8", "fd.sip=93.184.216.34", "fd.cip in (\"10.1.0.0/16\")",
        "fd.ip=10.1.2.3", "fd.ip=93.184.216.34", "fd.ip!=1.2.3.4", "fd.sport=443", "fd.port in (443, 80)",
        "fd.rip=93.184.216.34 and fd.lport=40000", "fd.name=\"10.1.2.3:40000->93.184.216.34:443\"",
        "fd.l4proto=tcp and fd.typechar=4 and fd.type=ipv4"})
    EXPECT_TRUE(holds(yes, s.event)) << yes;
  // Either end may be the one: != asks both.
  for (const char* no : {"fd.net != 10.0.0.0/8", "fd.ip != 93.184.216.34", "fd.port != 443", "fd.snet=10.0.0.0/9"})
    EXPECT_FALSE(holds(no, s.event)) << no;
}

TEST(Condition, AMissingFieldMakesEveryCheckFalse) {
  Scene s(K::exec);
  for (const char* no : {"fd.name=a", "fd.name!=a", "fd.name exists", "fd.num>=0", "k8s.ns.name!=kube-system",
                         "container.image.repository != x", "proc.aname[9]!=x"})
    EXPECT_FALSE(holds(no, s.event)) << no;
  EXPECT_TRUE(holds("not fd.name exists and not fd.name!=a and not k8s.ns.name=x", s.event));
}

TEST(Condition, WordsMayBeValues) {
  Scene s(K::exec);
  s.program("/usr/bin/and");
  EXPECT_TRUE(holds("proc.name=and", s.event));
  EXPECT_TRUE(holds("proc.name in (or, and, not)", s.event));
}

TEST(Condition, QuotedValuesKeepEscapesThatAreNotTheirs) {
  Scene s(K::exec);
  s.program("/usr/bin/example", {"a\"b", "12"});
  EXPECT_TRUE(holds(R"(proc.args contains "a\"b")", s.event));
  EXPECT_TRUE(holds(R"(proc.arg[2] regex "\d+")", s.event));
}

TEST(Lists, AreSubstitutedAsTextAtTokenBoundaries) {
  Scene s(K::exec);
  const std::string lists =
      "- list: inner\n  items: [b, 'two words', '\"quoted itself\"']\n- list: names\n  items: [inner, example]\n"
      "- list: empty\n  items: []\n";
  EXPECT_TRUE(holds("proc.name in (names)", s.event, lists));
  EXPECT_TRUE(holds("proc.name in (a, empty, names, empty)", s.event, lists));
  EXPECT_TRUE(holds("proc.name in (empty, example)", s.event, lists));
  EXPECT_FALSE(holds("proc.name in (empty)", s.event, lists));
  EXPECT_FALSE(holds("proc.name in (names2, xnames)", s.event, lists));
  s.self().name = "two words";
  EXPECT_TRUE(holds("proc.name in (names)", s.event, lists));
  s.self().name = "quoted itself";
  EXPECT_TRUE(holds("proc.name in (names)", s.event, lists));
  s.self().name = "names";
  EXPECT_TRUE(holds("proc.name = \"names\"", s.event, lists));  // not inside quotes
}

TEST(Lists, ThatNameThemselvesAreText) {
  Scene s(K::exec);
  s.self().name = "loop";
  EXPECT_TRUE(holds("proc.name in (loop)", s.event, "- list: loop\n  items: [a, loop]\n"));
}

TEST(Macros, SeeOnlyEarlierMacrosButRulesSeeAll) {
  Scene s(K::exec);
  const std::string a = "- macro: a\n  condition: proc.name=example\n",
                    b = "- macro: b\n  condition: (a or proc.name=x)\n";
  EXPECT_TRUE(holds("b", s.event, a + b));
  EXPECT_EQ(compile_error(rule_text("b", b + a)), "t.yaml:2:15: macro \"a\" is defined behind the macro that uses it");
  const std::string rule_first = rule_text("a");
  EXPECT_EQ(compile_error(rule_first + a), "");
}

TEST(Macros, ThatUseThemselvesAreErrors) {
  const std::string text =
      "- macro: m\n  condition: proc.name=a\n- macro: n\n  condition: m\n- macro: m\n  condition: n\n";
  EXPECT_EQ(compile_error(rule_text("m", text)), "t.yaml:4:14: macro \"m\" uses itself");
}

TEST(Macros, DoubledOverAndOverAreErrorsAndNotASlowLoad) {
  std::string text = "- macro: m0\n  condition: (proc.name=a or proc.name=b)\n";
  for (int i = 1; i < 60; ++i) {
    const std::string before = "m" + std::to_string(i - 1);
    text += "- macro: m" + std::to_string(i) + "\n  condition: (" + before + " or " + before + ")\n";
  }
  EXPECT_NE(compile_error(rule_text("m59", text)).find("too large with its macros"), std::string::npos);
}

TEST(Changes, AppendAddsToConditionsListsAndRules) {
  Scene s(K::exec);
  const std::string base =
      "- list: l\n  items: [a]\n- macro: m\n  condition: proc.name=a\n" + rule_text("proc.name in (l)");
  const auto fires = [&](const std::string& more) {
    return !fired(RuleSet::compile({{"1", base}, {"2", more}}, nullptr).value(), s.event).empty();
  };
  EXPECT_FALSE(fires(""));
  EXPECT_TRUE(fires("- list: l\n  append: true\n  items: [example]\n"));
  EXPECT_TRUE(fires("- list: l\n  items: [example]\n  override: {items: append}\n"));
  EXPECT_TRUE(fires("- rule: R\n  condition: or proc.name=example\n  append: true\n"));
  EXPECT_TRUE(fires("- rule: R\n  condition: or proc.name=example\n  override: {condition: append}\n"));
  EXPECT_TRUE(fires("- rule: R\n  condition: proc.name=example\n  override: {condition: replace}\n"));
  EXPECT_FALSE(
      fires("- rule: R\n  condition: proc.name exists\n  enabled: false\n  override: {condition: replace, enabled: "
            "replace}\n"));
  EXPECT_FALSE(fires("- rule: R\n  enabled: false\n"));
}

TEST(Changes, ToWhatIsNotThereAreErrors) {
  EXPECT_EQ(compile_error("- rule: X\n  append: true\n  condition: and a.b=c\n"),
            "t.yaml:1:9: no rule \"X\" before this to change");
  EXPECT_EQ(compile_error("- list: X\n  append: true\n  items: []\n"),
            "t.yaml:1:9: no list \"X\" before this to change");
}

TEST(Exceptions, TakeTheirValuesOut) {
  Scene s(K::exec);
  s.program("/usr/bin/example", {"--safe"});
  const auto fires = [&](const std::string& exceptions) {
    return !fired(RuleSet::compile({{"1", rule_text("proc.name exists") + exceptions}}, nullptr).value(), s.event)
                .empty();
  };
  EXPECT_TRUE(fires("  exceptions:\n    - name: e\n      fields: [proc.name, proc.args]\n"));
  EXPECT_FALSE(
      fires("  exceptions:\n    - name: e\n      fields: [proc.name, proc.args]\n      comps: [=, contains]\n"
            "      values:\n        - [other, x]\n        - [example, safe]\n"));
  EXPECT_TRUE(
      fires("  exceptions:\n    - name: e\n      fields: [proc.name, proc.args]\n      comps: [=, contains]\n"
            "      values:\n        - [example, unsafe]\n"));
  EXPECT_FALSE(fires("  exceptions:\n    - name: e\n      fields: proc.name\n      values: [other, example]\n"));
  EXPECT_FALSE(
      fires("  exceptions:\n    - name: e\n      fields: [proc.name]\n      comps: [in]\n      values:\n        - [[a, "
            "example]]\n"));
}

}  // namespace
}  // namespace shrike::scoring
