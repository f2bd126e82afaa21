// Rule files: what Falco allows in them, what it refuses, and Falco's own files where they are at hand.
#include <gtest/gtest.h>

#include <filesystem>

#include "common/base/file.h"
#include "common/wire/container_info.h"
#include "tests/data.h"
#include "tests/require.h"
#include "tests/unit/rules/scene.h"

namespace shrike::scoring {
namespace {

using K = EventKind;

const std::string base =
    "- rule: R\n  desc: d\n  condition: proc.name=a\n  output: o\n  priority: WARNING\n  tags: [x]\n"
    "  exceptions:\n  - name: e\n    fields: [proc.pname]\n    comps: [=]\n    values: [[p]]\n";

TEST(Requirements, AreMetUpToTheEngineWeUnderstand) {
  for (const char* version : {"0.57.0", "0.63.0", "50", "0.31.0-alpha"})
    EXPECT_EQ(compile_error("- required_engine_version: " + std::string(version) + "\n"), "") << version;
  EXPECT_EQ(compile_error("- required_engine_version: 0.99.0\n"),
            "t.yaml:1:28: the file needs Falco's rule engine 0.99.0; this one understands what 0.63 does");
  EXPECT_EQ(compile_error("- required_engine_version: 1.0.0\n"),
            "t.yaml:1:28: the file needs Falco's rule engine 1.0.0; this one understands what 0.63 does");
  for (const char* wrong : {"new", "0.1", "1.2.3.4", "-1", "0..1"})
    EXPECT_NE(compile_error("- required_engine_version: \"" + std::string(wrong) + "\"\n"), "") << wrong;
}

TEST(Requirements, OfPluginsAreMetByTheContainerPluginAlone) {
  EXPECT_EQ(compile_error("- required_plugin_versions:\n  - name: container\n    version: 0.4.0\n"), "");
  EXPECT_EQ(compile_error("- required_plugin_versions:\n  - name: x\n    version: 1.0.0\n    alternatives:\n"
                          "    - name: container\n      version: 0.1.0\n"),
            "");
  EXPECT_EQ(
      compile_error("- required_plugin_versions:\n  - name: cloudtrail\n    version: 0.9.0\n"),
      "t.yaml:2:5: the file needs Falco's plugin \"cloudtrail\", which is not there: its events and fields are not "
      "known");
  EXPECT_EQ(compile_error("- required_plugin_versions:\n  - name: container\n"),
            "t.yaml:2:5: plugin \"container\" has no version");
}

TEST(Overrides, TakeEveryKeyFalcoAllows) {
  const std::string change =
      "- rule: R\n  condition: and user.uid=7\n  output: more\n  desc: e\n  priority: ERROR\n  enabled: true\n"
      "  tags: [y]\n  warn_evttypes: false\n  skip-if-unknown-filter: true\n  capture: true\n  capture_duration: 5\n"
      "  exceptions:\n  - name: e\n    values: [[q]]\n"
      "  override: {condition: append, output: append, desc: append, priority: replace, enabled: replace, tags: "
      "append, "
      "warn_evttypes: replace, skip-if-unknown-filter: replace, exceptions: append, capture: replace, "
      "capture_duration: "
      "replace}\n";
  const auto rules = RuleSet::compile({{"t", base + change}}, nullptr);
  ASSERT_TRUE(rules.ok()) << rules.error().message;
  Scene s(K::exec);
  s.program("/usr/bin/a").uid(7);
  std::vector<Alert> alerts;
  rules.value().evaluate(s.event, alerts);
  ASSERT_EQ(alerts.size(), 1u);
  EXPECT_EQ(alerts[0].message, "o more");
  EXPECT_EQ(alerts[0].severity, Severity::high);
  for (const char* parent : {"/bin/p", "/bin/q"}) {
    s.child_of(parent);
    EXPECT_TRUE(fired(rules.value(), s.event).empty()) << parent;
  }
}

TEST(Overrides, RefuseWhatFalcoRefuses) {
  struct Case {
    const char* change;
    const char* message;
  };
  for (const Case& c : std::vector<Case>{
           {"  priority: ERROR\n  override: {priority: append}\n", "\"priority\" cannot be appended to, only replaced"},
           {"  source: x\n  override: {source: replace}\n", "\"source\" cannot be overridden"},
           {"  condition: and a=b\n  output: p\n  override: {condition: append}\n",
            "\"output\" is given, and \"override\" does not say what to do with it"},
           {"  override: {condition: append}\n", "\"condition\" is to be overridden and is not there"},
           {"  condition: and a=b\n  append: true\n  override: {condition: append}\n",
            "\"append\" and \"override\" cannot stand together: use \"override\""},
           {"  condition: and a=b\n  override: {condition: prepend}\n", "an override is \"append\" or \"replace\""},
       }) {
    const std::string error = compile_error(base + "- rule: R\n" + c.change);
    EXPECT_TRUE(error.ends_with(c.message)) << error;
  }
  EXPECT_NE(compile_error("- rule: S\n  enabled: false\n").find("no rule \"S\" before this"), std::string::npos);
}

TEST(Overrides, OfTheOldFormAppendConditionAndExceptionsOnly) {
  std::vector<RuleStatus> all;
  const auto rules = RuleSet::compile(
      {{"t", base + "- rule: R\n  append: true\n  condition: and user.uid=7\n  priority: ERROR\n"}}, &all);
  ASSERT_TRUE(rules.ok());
  EXPECT_NE(all[0].reason.find("takes condition and exceptions only"), std::string::npos);
  Scene s(K::exec);
  s.program("/usr/bin/a").uid(7);
  std::vector<Alert> alerts;
  rules.value().evaluate(s.event, alerts);
  ASSERT_EQ(alerts.size(), 1u);
  EXPECT_EQ(alerts[0].severity, Severity::medium);
}

TEST(Exceptions, CompareInWhatWayTheySay) {
  Scene s(K::exec);
  s.program("/usr/bin/a", {"--help"}).child_of("/usr/bin/make");
  const auto fires = [&](const std::string& exception) {
    auto rules =
        RuleSet::compile({{"t",
                           "- list: parents\n  items: [make, ninja]\n- rule: R\n  condition: proc.name=a\n  output: o\n"
                           "  priority: INFO\n  exceptions:\n  - name: e\n" +
                               exception}},
                         nullptr);
    return !fired(rules.value(), s.event).empty();
  };
  EXPECT_FALSE(fires("    fields: proc.pname\n    values: [make]\n"));
  EXPECT_FALSE(
      fires("    fields: [proc.pname, proc.args]\n    comps: [in, contains]\n    values:\n    - [[parents], help]\n"));
  EXPECT_FALSE(
      fires("    fields: [proc.pname, proc.args]\n    comps: [in, startswith]\n    values: [[parents, --]]\n"));
  EXPECT_FALSE(fires("    fields: proc.args\n    comps: startswith oneof\n    values: [--h, x]\n"));
  EXPECT_FALSE(fires("    fields: [proc.pname]\n    values: [[gcc], [make]]\n"));
  EXPECT_TRUE(fires("    fields: [proc.pname, proc.args]\n    comps: [in, =]\n    values: [[[parents], help]]\n"));
  EXPECT_TRUE(fires("    fields: [proc.pname]\n"));
}

TEST(First, OnlyTheFirstMatchingRuleFiresWhereItIsAskedFor) {
  const std::string text =
      "- rule: wide\n  condition: proc.name=a\n  output: o\n  priority: INFO\n"
      "- rule: narrow\n  condition: proc.name=a and user.uid=7\n  output: o\n  priority: INFO\n"
      "- rule: twin\n  condition: user.uid=7 and proc.name=a\n  output: o\n  priority: INFO\n";
  Scene s(K::exec);
  s.program("/usr/bin/a").uid(7);
  std::vector<RuleStatus> all;
  const auto every = RuleSet::compile({{"t", text}}, &all);
  EXPECT_EQ(fired(every.value(), s.event), (std::vector<std::string>{"wide", "narrow", "twin"}));
  EXPECT_EQ(all[1].reason.find("shadowed"), std::string::npos);
  EXPECT_NE(all[2].reason.find("shadowed: \"narrow\" has the same condition"), std::string::npos);
  all.clear();
  const auto first = RuleSet::compile({{"t", text}}, &all, {.hostname = "", .first = true});
  EXPECT_EQ(fired(first.value(), s.event), (std::vector<std::string>{"wide"}));
  EXPECT_NE(all[1].reason.find("shadowed: \"wide\" comes first"), std::string::npos);
}

TEST(Statuses, SayWhenARuleIsJudgedForEverything) {
  std::vector<RuleStatus> all;
  const std::string rule = "- rule: R\n  condition: proc.name=a\n  output: o\n  priority: INFO\n";
  ASSERT_TRUE(RuleSet::compile({{"t", rule}}, &all).ok());
  EXPECT_NE(all[0].reason.find("no evt.type"), std::string::npos);
  all.clear();
  ASSERT_TRUE(RuleSet::compile({{"t", rule + "  warn_evttypes: false\n"}}, &all).ok());
  EXPECT_EQ(all[0].reason.find("no evt.type"), std::string::npos);
}

TEST(Statuses, TellThatADisabledRuleWouldNotLoad) {
  std::vector<RuleStatus> all;
  ASSERT_TRUE(RuleSet::compile(
                  {{"t", "- rule: R\n  condition: no.such=a\n  output: o\n  priority: INFO\n  enabled: false\n"}}, &all)
                  .ok());
  EXPECT_EQ(all[0].state, RuleStatus::State::disabled);
  EXPECT_EQ(all[0].reason, "would not load: unknown field \"no.such\"");
}

TEST(Hosts, HaveTheNamesTheCallerResolved) {
  auto rules = RuleSet::compile(
      {{"t", rule_text("evt.type=connect and fd.sip.name=\"kubernetes.default.svc.cluster.local\"")}}, nullptr);
  EXPECT_EQ(rules.value().host_names(), std::vector<std::string>{"kubernetes.default.svc.cluster.local"});
  Scene s(K::connect);
  s.tcp({10, 1, 2, 3}, 40000, {10, 96, 0, 1}, 443);
  EXPECT_TRUE(fired(rules.value(), s.event).empty());
  auto hosts = std::make_shared<HostNames>();
  hosts->names[std::string("\x0a\x60\x00\x01", 4)] = {"other", "kubernetes.default.svc.cluster.local"};
  rules.value().set_hosts(hosts);
  EXPECT_FALSE(fired(rules.value(), s.event).empty());
}

TEST(Containers, AreWhatTheirRuntimeSays) {
  Scene s(K::exec);
  s.in_container();
  for (const char* no : {"container.image.repository exists", "container.privileged=false", "k8s.ns.name!=x",
                         "container.mount.dest[/proc] exists", "container.name exists"})
    EXPECT_FALSE(holds(no, s.event)) << no;
  auto info = std::make_shared<ContainerInfo>();
  info->name = "web";
  info->image_repository = "docker.io/library/nginx";
  info->image_tag = "1.25";
  info->privileged = false;
  info->pod_namespace = "shop";
  info->mounts = {{"/proc", "/host/proc", "ro", "rprivate", false}, {"/srv/data", "/data", "rw", "", true}};
  info->labels = {{"app", "shop"}};
  s.container().info = info;
  for (const char* yes :
       {"container.image.repository endswith /nginx", "container.image.tag=1.25", "container.privileged=false",
        "k8s.ns.name=shop", "container.mount.dest[/proc*]=/host/proc", "container.mount.dest[1]=/data",
        "container.mount.source[/data]=/srv/data", "container.mount.rdwr[/srv/*]=true", "container.name=web",
        "container.mounts contains /proc:/host/proc:ro:false:rprivate", "container.label[app]=shop"})
    EXPECT_TRUE(holds(yes, s.event)) << yes;
}

TEST(Containers, ArePrivilegedWhenAProcessInThemProvesIt) {
  Scene s(K::exec);
  s.in_container();
  s.event.task.cap_effective = 0x1fffeffffff;
  s.event.task.ns_user = 4026531837;
  EXPECT_TRUE(holds("container.privileged=true", s.event));
  s.event.task.ns_user = 4026532000;  // capabilities of a user namespace of its own
  EXPECT_FALSE(holds("container.privileged=true", s.event));
  s.event.task.ns_user = 4026531837;
  s.event.task.cap_effective = 0xa80425fb;  // what docker gives without being asked
  EXPECT_FALSE(holds("container.privileged exists", s.event));
}

TEST(Containers, NameTheirPodByTheCgroup) {
  Scene s(K::exec);
  s.in_container();
  s.container().cgroup =
      "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod01234567_89ab_cdef_0123_456789abcdef.slice/x";
  EXPECT_TRUE(holds("k8s.pod.uid=01234567-89ab-cdef-0123-456789abcdef", s.event));
  s.container().cgroup = "/kubepods/besteffort/pod01234567-89ab-cdef-0123-456789abcdef/x";
  EXPECT_TRUE(holds("k8s.pod.uid=01234567-89ab-cdef-0123-456789abcdef", s.event));
  s.container().cgroup = "/docker/x";
  EXPECT_FALSE(holds("k8s.pod.uid exists", s.event));
}

TEST(FalcosFile, LoadsByteForByteWithEveryRuleActive) {
  const std::string file = shrike::test::data_folder() / "falco/falco_rules.yaml";
  SHRIKE_NEED("data", std::filesystem::exists(file));
  std::vector<RuleStatus> all;
  const auto rules = RuleSet::compile({{"falco_rules.yaml", read_file(file).value()}}, &all);
  ASSERT_TRUE(rules.ok()) << rules.error().message;
  EXPECT_EQ(rules.value().size(), 25u);
  ASSERT_EQ(all.size(), 25u);
  for (const RuleStatus& status : all) {
    EXPECT_EQ(status.state, RuleStatus::State::loaded) << status.rule << ": " << status.reason;
    EXPECT_EQ(status.reason.find("never"), std::string::npos) << status.rule << ": " << status.reason;
  }
}

}  // namespace
}  // namespace shrike::scoring
