#include <gtest/gtest.h>

#include "tests/unit/rules/allocations.h"
#include "tests/unit/rules/scene.h"

namespace shrike::scoring {
namespace {

using K = EventKind;

RuleSet compiled(const std::string& text) { return RuleSet::compile({{"t.yaml", text}}, nullptr).value(); }

TEST(Engine, FillsAnAlert) {
  Scene s(K::open);
  s.program("/usr/bin/cat", {"/etc/shadow"}).uid(0).reads("/etc/shadow").in_container();
  s.event.task.tty = 136u << 20 | 3;
  s.self().cwd = "/root";
  const RuleSet rules = compiled(
      "- rule: R\n  condition: fd.name=/etc/shadow\n  output: \"%user.name read %fd.name by %proc.aname[1] at 100%% "
      "%fd.sip.\"\n"
      "  priority: Critical\n  confidence: 0.5\n  tags: [T1003.008, host, T1003, TA0006, T10038]\n");
  std::vector<Alert> alerts;
  rules.evaluate(s.event, alerts);
  ASSERT_EQ(alerts.size(), 1u);
  const Alert& a = alerts[0];
  EXPECT_EQ(a.rule, "R");
  EXPECT_EQ(a.source, AlertSource::falco);
  EXPECT_EQ(a.severity, Severity::critical);
  EXPECT_DOUBLE_EQ(a.confidence, 0.5);
  EXPECT_DOUBLE_EQ(a.risk, 0.5);
  EXPECT_EQ(a.message, "root read /etc/shadow by bash at 100% <NA>.");
  EXPECT_EQ(a.attack, (std::vector<std::string>{"T1003.008", "T1003"}));
  EXPECT_EQ(a.time_ns, s.event.time_ns);
  EXPECT_EQ(a.process.pid, 200u);
  EXPECT_EQ(a.process.name, "cat");
  EXPECT_EQ(a.process.exe, "/usr/bin/cat");
  EXPECT_EQ(a.process.cmdline, "cat /etc/shadow");
  EXPECT_EQ(a.process.cwd, "/root");
  EXPECT_EQ(a.process.user, "root");
  EXPECT_EQ(a.process.tty, "pts/3");
  EXPECT_EQ(a.process.container_id, "0123456789ab");
  EXPECT_EQ(a.process.start_ns, s.event.time_ns - 1'000'000'000);
  EXPECT_EQ(a.ancestors, (std::vector<std::string>{"bash", "systemd"}));
  EXPECT_EQ(a.fields[1], (std::pair<std::string, std::string>{"fd.name", "/etc/shadow"}));
  EXPECT_EQ(a.uid.size(), 32u);
}

TEST(Engine, SaysWhatIsKnownOfAnUnknownProcess) {
  const RuleSet rules = compiled(
      "- rule: R\n  condition: evt.kind=bpf\n  output: \"%proc.exepath %proc.name %proc.cmdline by %proc.pname "
      "%proc.puid "
      "as %user.name in %container.id\"\n  priority: Warning\n");
  const auto message = [&](const Event& event) {
    std::vector<Alert> alerts;
    rules.evaluate(event, alerts);
    EXPECT_EQ(alerts.at(0).fields.at(0), (std::pair<std::string, std::string>{"proc.exepath", "<NA>"}));
    return alerts.at(0).message;
  };
  Scene s(K::bpf);
  s.program("loader").uid(1000);
  s.event.process = nullptr;
  EXPECT_EQ(message(s.event), "[loader] loader [loader] by pid 100 <NA> as uid 1000 in host");

  Process seen;  // as the table makes it of a first event
  seen.name = "loader";
  seen.task = s.event.task;
  s.event.process = &seen;
  EXPECT_EQ(message(s.event), "[loader] loader loader by pid 100 <NA> as uid 1000 in host");

  s.event.task.comm.fill(0);
  s.event.process = nullptr;
  EXPECT_EQ(message(s.event), "pid 200 pid 200 pid 200 by pid 100 <NA> as uid 1000 in host");
}

TEST(Engine, RoundsRiskSoThatItPrintsShort) {
  Scene s(K::exec);
  const RuleSet rules =
      compiled("- rule: R\n  condition: evt.kind=exec\n  output: o\n  priority: Error\n  confidence: 0.9\n");
  std::vector<Alert> alerts;
  rules.evaluate(s.event, alerts);
  ASSERT_EQ(alerts.size(), 1u);
  EXPECT_EQ(alerts[0].risk, 0.72);
}

TEST(Engine, PrioritiesBecomeSeverities) {
  Scene s(K::exec);
  for (const auto& [priority, severity] :
       std::vector<std::pair<std::string, Severity>>{{"EMERGENCY", Severity::critical},
                                                     {"Alert", Severity::critical},
                                                     {"CRITICAL", Severity::critical},
                                                     {"ERROR", Severity::high},
                                                     {"warning", Severity::medium},
                                                     {"NOTICE", Severity::low},
                                                     {"INFORMATIONAL", Severity::info},
                                                     {"INFO", Severity::info},
                                                     {"DEBUG", Severity::info}}) {
    std::vector<Alert> alerts;
    compiled("- rule: R\n  condition: proc.name exists\n  output: o\n  priority: " + priority + "\n")
        .evaluate(s.event, alerts);
    ASSERT_EQ(alerts.size(), 1u);
    EXPECT_EQ(alerts[0].severity, severity) << priority;
  }
}

TEST(Engine, TheSameEventHasTheSameUidAndAnotherRuleAnother) {
  Scene s(K::exec);
  const RuleSet rules = compiled(rule_text("proc.name exists") +
                                 "- rule: S\n  condition: proc.name exists\n  output: o\n  priority: INFO\n");
  std::vector<Alert> alerts;
  rules.evaluate(s.event, alerts);
  rules.evaluate(s.event, alerts);
  ASSERT_EQ(alerts.size(), 4u);
  EXPECT_EQ(alerts[0].uid, alerts[2].uid);
  EXPECT_NE(alerts[0].uid, alerts[1].uid);
}

TEST(Engine, DigestFollowsWhatDecides) {
  const auto digest = [](const std::string& text) { return compiled(text).digest(); };
  EXPECT_EQ(digest(rule_text("proc.name=a")).size(), 64u);
  EXPECT_EQ(digest(rule_text("proc.name=a")), digest(rule_text("m", "- macro: m\n  condition: (proc.name = \"a\")\n")));
  EXPECT_NE(digest(rule_text("proc.name=a")), digest(rule_text("proc.name=b")));
  EXPECT_NE(digest(rule_text("proc.name in (a, b)")), digest(rule_text("proc.name in (\"a b\")")));
}

TEST(Engine, AllocatesNothingWhenNothingMatches) {
  const RuleSet rules = compiled(rule_text(
      "(proc.cmdline contains zzz or proc.aname=zzz or tolower(proc.args)=zzz or evt.arg.flags contains zzz or "
      "thread.cap_effective contains zzz or fd.name regex 'zzz.*' or proc.acmdline contains zzz or fd.name in "
      "(a,b,c,d,e,f))"));
  Scene s(K::open);
  s.program("/usr/bin/example", {"--one", "--two"}).reads("/etc/hosts");
  std::vector<Alert> alerts;
  for (int i = 0; i < 10; ++i) rules.evaluate(s.event, alerts);
  const size_t before = allocations_made();
  for (int i = 0; i < 100; ++i) rules.evaluate(s.event, alerts);
  EXPECT_EQ(allocations_made(), before);
  EXPECT_TRUE(alerts.empty());
}

TEST(Engine, SurvivesHugeTexts) {
  Scene s(K::exec);
  s.program("/usr/bin/example", std::vector<std::string>(100, std::string(100'000, 'x')));
  std::vector<Alert> alerts;
  compiled(
      "- rule: R\n  condition: proc.cmdline contains xxx and toupper(proc.arg[1]) startswith X and evt.args exists\n"
      "  output: \"%proc.cmdline %proc.acmdline %evt.args\"\n  priority: INFO\n")
      .evaluate(s.event, alerts);
  ASSERT_EQ(alerts.size(), 1u);
  EXPECT_LE(alerts[0].message.size(), 8192u);
}

}  // namespace
}  // namespace shrike::scoring
