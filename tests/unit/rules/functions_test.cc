// Operators, transformers, val() and the words behind operators, with Falco's meaning.
#include <gtest/gtest.h>

#include "tests/unit/rules/scene.h"

namespace shrike::scoring {
namespace {

using K = EventKind;

void expect(const Event& event, std::initializer_list<const char*> yes, std::initializer_list<const char*> no) {
  for (const char* condition : yes) EXPECT_TRUE(holds(condition, event)) << condition;
  for (const char* condition : no) EXPECT_FALSE(holds(condition, event)) << condition;
}

TEST(Operators, CompareBytesGivenAsHexadecimalDigits) {
  Scene s(K::exec);
  s.program("/usr/bin/example", {"\x7f"
                                 "ELF"});
  expect(s.event, {"proc.args bcontains 454c46", "proc.args bstartswith 7F45", "proc.args bcontains \"7f\""},
         {"proc.args bstartswith 454c46", "proc.args bcontains 00"});
}

TEST(Operators, IgnoreCaseOnlyWhereTheyBeginWithI) {
  Scene s(K::exec);
  s.program("/usr/bin/example", {"--Decode"});
  expect(s.event, {"proc.args icontains dEcOdE", "proc.args iglob *DECODE", "proc.args regex '(?i)--dec.*'"},
         {"proc.args contains decode", "proc.args glob *decode", "proc.args regex '--dec.*'"});
}

TEST(Operators, PmatchTakesPatternsPartByPart) {
  Scene s(K::open);
  s.reads("/home/alice/.ssh/id_rsa");
  expect(s.event, {"fd.name pmatch (/home/*/.ssh)", "fd.name pmatch (/etc, /home/al?ce)", "fd.name pmatch (/)"},
         {"fd.name pmatch (/home/*/id_rsa)", "fd.name pmatch (/home/*/.ssh/id_rsa/x)", "fd.name pmatch (/hom)",
          "fd.name pmatch (/home/*/*/*/*)"});
}

TEST(Operators, TakeHowManyOfTheirValuesHaveToPass) {
  Scene s(K::exec);
  s.program("/usr/bin/example");
  expect(
      s.event,
      {"proc.name = oneof (example, bash)", "proc.name = anyof (bash, example)", "proc.name = allof (example)",
       "proc.name != allof (bash, sh)", "proc.name != anyof (example, sh)", "proc.name != oneof (example, sh)",
       "proc.name contains allof (exam, ple)", "proc.name contains oneof (exam, zzz)",
       "proc.name startswith anyof (x, ex)", "proc.name endswith allof (e, le)", "proc.name glob anyof (a*, e*)",
       "proc.name regex allof (e.*, .*e)", "proc.name icontains anyof (X, EXAM)", "user.uid = anyof (0, 1000)"},
      {"proc.name = oneof (example, example)", "proc.name = allof (example, bash)", "proc.name != allof (example, sh)",
       "proc.name contains oneof (exam, ple)", "proc.name contains allof (exam, zzz)",
       "proc.name startswith anyof (x, y)", "proc.name regex oneof (e.*, .*e)", "user.uid = allof (0, 1000)"});
  s.program("/usr/bin/anyof");
  expect(s.event, {"proc.name = anyof", "proc.name in (oneof, anyof)"}, {"proc.name = allof and proc.name = anyof"});
}

TEST(Operators, CompareFieldsWithFields) {
  Scene s(K::open);
  s.program("/usr/bin/example").child_of("/usr/bin/example").reads("/usr/bin/example");
  expect(s.event,
         {"proc.name = val(proc.pname)", "fd.name=val(proc.exepath)", "proc.exepath endswith val(proc.name)",
          "fd.name startswith val(fd.directory)", "user.uid = val(group.gid)", "proc.pid > val(proc.ppid)",
          "proc.name = basename(proc.exepath)", "tolower(proc.name) = tolower(proc.pname)",
          "proc.pname in val(proc.aname)", "proc.name <= val(proc.pname)"},
         {"proc.name != val(proc.pname)", "proc.name = val(proc.exepath)", "user.uid != val(group.gid)",
          "proc.name < val(proc.pname)", "proc.name = toupper(proc.pname)"});
}

TEST(Operators, OfFieldsThatAreMissingOnEitherSideAreFalse) {
  Scene s(K::exec);
  expect(s.event, {"not proc.name = val(fd.name)"},
         {"proc.name = val(fd.name)", "proc.name != val(fd.name)", "fd.name != val(proc.name)",
          "proc.name != val(proc.aname[9])", "concat(fd.name, \"x\") exists", "tolower(fd.name) != x",
          "join(\"-\", (fd.name, \"x\")) != y"});
}

TEST(Operators, NameValuesThatLookLikeTransformers) {
  Scene s(K::exec);
  s.program("/usr/bin/val");
  expect(s.event, {"proc.name = val", "proc.name in (val, len)", "(proc.name = val)"}, {"proc.name = len"});
}

TEST(Operators, KnowPortsByName) {
  Scene s(K::connect);
  s.tcp({10, 1, 2, 3}, 40000, {93, 184, 216, 34}, 443);
  expect(s.event, {"fd.sport=https", "fd.sport in (http, https)"}, {"fd.sport=ssh"});
}

TEST(Functions, ChangeTexts) {
  Scene s(K::exec);
  s.program("/usr/bin/Example", {"ZWNobyBoaQ==", "a/b/", "a b"});
  expect(s.event,
         {"tolower(proc.name)=example", "toupper(proc.exepath)=/USR/BIN/EXAMPLE", "basename(proc.exepath)=Example",
          "len(proc.name)=7", "b64(proc.arg[1])=\"echo hi\"", "tolower(toupper(proc.name)) = example",
          "len(b64(proc.arg[1]))=7", "basename(proc.arg[2])=\"\"", "len(basename(proc.exepath)) > 6",
          "b64(proc.arg[1]) contains echo"},
         {"b64(proc.arg[3]) exists", "b64(proc.arg[1]) = echo", "basename(proc.exepath)=/usr/bin/Example"});
  s.program("/usr/bin/e", {"ZWNobyBoaQ", "ZWNobyBoa"});
  expect(s.event, {"b64(proc.arg[1])=\"echo hi\""}, {"b64(proc.arg[2]) exists"});
}

TEST(Functions, PutTextsTogether) {
  Scene s(K::open);
  s.reads("/tmp/file_to_run");
  expect(s.event,
         {"join(\"-\", (fd.name,fd.directory)) = /tmp/file_to_run-/tmp", "join(\"->\", (\"aaa\",\"bbb\")) = aaa->bbb",
          "join(\"->\", (\"aaa\")) = aaa", "join(\"->\", (toupper(fd.name), \"aaa\")) = /TMP/FILE_TO_RUN->aaa",
          "join(\",\", (\"aaa\",\"bbb\")) = \"aaa,bbb\"", "join(\",\", (fd.num, fd.num)) = \"3,3\"",
          "join(\",\", ()) = \"\"", "concat(fd.name, \"aaa\", fd.directory) = /tmp/file_to_runaaa/tmp",
          "toupper(join(\"-\", (\"aaa\", \"bbb\"))) = AAA-BBB", "len(join(\"-\", (fd.name, fd.directory))) = 21",
          "b64(join(\"W\", (\"YWFhL\", \"JiYg\"))) = \"aaa-bbb\"", "b64(concat(\"YWFh\", \"YmJi\")) = \"aaabbb\"",
          "len(concat(fd.name, fd.directory)) >= 20", "concat(fd.num, \"x\") = 3x"},
         {"join(\",\", (\"aaa\",\"bbb\")) = \"aaa-bbb\"", "join(\",\", ()) = \",\"",
          "concat(\"aaa\", \"bbb\") = \"aaa-bbb\""});
}

TEST(Functions, ReadOptionsAsGetoptDoes) {
  Scene s(K::exec);
  expect(s.event,
         {R"(getopt(("-n",""), "n") intersects ("n"))", R"(getopt(("-nt", "hello"), "nt:") intersects ("hello"))",
          R"(getopt(("-thello"), "t:") intersects ("hello"))", R"(getopt(("-x", "-n"), "n") intersects ("?"))",
          R"(getopt(("-lpe", "/bin/sh"), "lpe:") intersects ("/bin/sh"))", R"(getopt(("-t"), "t:") intersects (""))",
          R"(getopt(("-t"), ":t:") intersects (""))", R"(getopt(("-t", "-123"), "t:") intersects ("-123"))",
          R"(getopt(("-nat", "hello"), "na:t") in ("n", "a", "t"))",
          R"(getopt(("--exec", "-n"), "n") intersects ("n"))", R"(getopt(("-t", "a", "-tb"), "t:")[t] = b)",
          R"(getopt(("-n"), "n")[n] = n)", R"(getopt(("-n", "--", "-t"), "nt:") in ("n"))",
          R"(len(getopt(("-abc"), "abc")) = 3)", R"(join("", getopt(("-b", "-a"), "ab")) = ba)"},
         {R"(getopt(("-n", "--", "-t"), "nt:") intersects ("t"))", R"(getopt(("-x", "-n"), "n") intersects ("x"))",
          R"(getopt(("arg1", "-n", "arg2"), "n") intersects ("n"))", R"(getopt(("-", "-n"), "n") intersects ("n"))",
          R"(getopt(("-t"), "t:") intersects ("t"))", R"(getopt(("-n"), "nt")[t] exists)",
          R"(getopt(("-n", "-t"), "") intersects ("n"))", R"(getopt(("-nx"), "n") in ("n"))"});
  s.program("/usr/bin/nc", {"-lvp", "4444", "-e", "/bin/sh"});
  expect(s.event,
         {R"(getopt(proc.arg, "lvp:e:")[e] = /bin/sh)", R"(getopt(proc.arg, "lvp:e:")[p] in (4444))",
          R"(getopt(proc.arg, "lvp:e:") intersects (l))"},
         {R"(getopt(proc.arg, "lvp:e:")[x] exists)"});
}

TEST(Functions, StandInOutputs) {
  Scene s(K::exec);
  s.program("/usr/bin/example");
  const auto rules = RuleSet::compile({{"t",
                                        "- rule: R\n  condition: proc.name=example\n  output: a %toupper(proc.name) "
                                        "b %proc.name-%proc.name. %concat(proc.name, \"!\")\n  priority: INFO\n"}},
                                      nullptr);
  std::vector<Alert> alerts;
  rules.value().evaluate(s.event, alerts);
  ASSERT_EQ(alerts.size(), 1u);
  EXPECT_EQ(alerts[0].message, "a EXAMPLE b example-example. example!");
}

TEST(Functions, NestedTooDeepAreErrors) {
  std::string deep = "proc.name";
  for (int i = 0; i < 100; ++i) deep = "tolower(" + deep + ")";
  EXPECT_NE(compile_error(rule_text(deep + "=a")).find("nested too deep"), std::string::npos);
}

}  // namespace
}  // namespace shrike::scoring
