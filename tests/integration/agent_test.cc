// The agent as a whole: real kernel, real files, real nats-server; what it must do after it gave up its privileges.

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <algorithm>
#include <cstdlib>

#include "tests/integration/agent_rig.h"
#include "tests/integration/nats_server.h"
#include "tests/require.h"

namespace shrike::test {
namespace {

using testing::HasSubstr;

std::vector<std::string> rules_of(const std::vector<Alert>& alerts) {
  std::vector<std::string> out;
  for (const auto& alert : alerts) out.push_back(alert.rule);
  return out;
}

const Alert* find(const std::vector<Alert>& alerts, const std::string& rule) {
  const auto at = std::find_if(alerts.begin(), alerts.end(), [&](const Alert& alert) { return alert.rule == rule; });
  return at == alerts.end() ? nullptr : &*at;
}

std::string status_line(pid_t pid, const std::string& key) {
  const auto text = read_file("/proc/" + std::to_string(pid) + "/status");
  if (!text) return {};
  const size_t at = text->find(key + ":\t");
  return at == std::string::npos ? "" : text->substr(at + key.size() + 2, text->find('\n', at) - at - key.size() - 2);
}

class Agent : public ::testing::Test {
 protected:
  void SetUp() override { SHRIKE_NEED("bpf", AgentRig::can_run()); }
};

TEST_F(Agent, TellsWhatARuleNamesAndItsOwnStartAndStop) {
  AgentRig rig;
  ASSERT_TRUE(rig.start());
  rig.touch();
  const auto end = rig.stop();
  EXPECT_EQ(end.exit_code, 0) << end.sentence() << rig.log();
  const auto alerts = rig.alerts();
  EXPECT_THAT(rules_of(alerts), testing::IsSupersetOf({"Agent started", "shadow", "Agent stopped"}));
  const Alert* alert = find(alerts, "shadow");
  ASSERT_NE(alert, nullptr);
  EXPECT_EQ(alert->message, "read by cat");
  EXPECT_EQ(alert->process.exe.substr(alert->process.exe.rfind('/')), "/cat");
  EXPECT_FALSE(alert->ancestors.empty());
  EXPECT_EQ(find(alerts, "Agent started")->severity, Severity::info);
  // The test stopped it: its parent, which is no alarm.
  ASSERT_NE(find(alerts, "Agent signalled"), nullptr);
  EXPECT_EQ(find(alerts, "Agent signalled")->severity, Severity::info);
}

TEST_F(Agent, HasGivenUpWhatItDoesNotNeed) {
  AgentRig rig;
  ASSERT_TRUE(rig.start());
  const pid_t pid = rig.agent->pid();
  EXPECT_EQ(status_line(pid, "Seccomp"), "2");
  EXPECT_EQ(status_line(pid, "NoNewPrivs"), "1");
  for (const char* set : {"CapEff", "CapPrm", "CapBnd"})
    EXPECT_EQ(std::stoull(status_line(pid, set), nullptr, 16) & ~0xc000000004ull, 0u) << set;
  EXPECT_EQ(rig.stop().exit_code, 0);
}

TEST_F(Agent, ReloadsUnderItsFilterAndKeepsTheOldRulesWhenTheNewAreBroken) {
  AgentRig rig;
  ASSERT_TRUE(rig.start());
  rig.write_rules("broken", "fd.nonsense");
  ::kill(rig.agent->pid(), SIGHUP);
  ASSERT_TRUE(rig.wait_log("reload refused")) << rig.log();
  EXPECT_THAT(rig.log(), HasSubstr("rules.yaml:3:"));
  rig.touch();
  rig.write_rules("renamed");
  ::kill(rig.agent->pid(), SIGHUP);
  ASSERT_TRUE(rig.wait_log("reloaded: 1 rules")) << rig.log();
  rig.touch();
  EXPECT_EQ(rig.stop().exit_code, 0);
  EXPECT_THAT(rules_of(rig.alerts()),
              testing::IsSupersetOf({"Agent reload refused", "shadow", "Agent reloaded", "renamed"}));
}

TEST_F(Agent, RefusesAStateFolderThatAnotherOneUses) {
  AgentRig rig;
  ASSERT_TRUE(rig.start());
  auto second = ctl::Child::start({"second",
                                   {ctl::find_program("shrike-agent"), "--config", rig.files.dir() + "/agent.toml"},
                                   {},
                                   rig.files.dir() + "/second.log"});
  ASSERT_TRUE(second);
  const auto end = second->ended(AgentRig::patience);
  ASSERT_TRUE(end);
  EXPECT_EQ(end->exit_code, 1);
  const auto log = read_file(rig.files.dir() + "/second.log");
  EXPECT_THAT(log ? *log : "", HasSubstr("another agent is using it"));
  EXPECT_EQ(rig.stop().exit_code, 0);
}

TEST_F(Agent, IsNotEndedByASignalThatMeansNothingToIt) {
  AgentRig rig;
  ASSERT_TRUE(rig.start());
  ::kill(rig.agent->pid(), SIGUSR1);
  ::kill(rig.agent->pid(), SIGRTMIN);
  EXPECT_EQ(rig.stop().exit_code, 0);
}

TEST_F(Agent, SaysAfterwardsThatItWasKilled) {
  AgentRig rig;
  ASSERT_TRUE(rig.start());
  ::kill(rig.agent->pid(), SIGKILL);
  ASSERT_TRUE(rig.agent->ended(AgentRig::patience));
  ASSERT_TRUE(rig.start());
  EXPECT_EQ(rig.stop().exit_code, 0);
  const auto alerts = rig.alerts();
  const auto bad = std::find_if(alerts.begin(), alerts.end(), [](const Alert& alert) {
    return alert.rule == "Agent started" && alert.severity == Severity::medium;
  });
  EXPECT_NE(bad, alerts.end());
}

TEST_F(Agent, FindsItsServerByNameOverTlsAndFindsItAgain) {
  SHRIKE_NEED("nats", !NatsServer::program().empty());
  ctl::Temporary files;
  const std::string cert = files.dir() + "/cert.pem", key = files.dir() + "/key.pem";
  const std::string make = "openssl req -x509 -newkey rsa:2048 -nodes -days 1 -subj /CN=localhost -addext " +
                           std::string("subjectAltName=DNS:localhost -keyout ") + key + " -out " + cert +
                           " 2>/dev/null";
  SHRIKE_NEED("openssl", std::system(make.c_str()) == 0);
  auto server = NatsServer::start("tls { cert_file: \"" + cert + "\", key_file: \"" + key + "\" }");
  ASSERT_TRUE(server) << server.error().message;

  AgentRig rig("tls://localhost:" + std::to_string((*server)->port()));
  const auto ca = read_file(cert);
  ASSERT_TRUE(ca);
  rig.files.file("ca.pem", *ca);
  ASSERT_TRUE(rig.start());
  const auto connections = [&] {
    const std::string log = (*server)->log();
    size_t count = 0;
    for (size_t at = 0; (at = log.find("Client connection created", at)) != std::string::npos; ++at) ++count;
    return count;
  };
  (*server)->configure("tls { cert_file: \"" + cert + "\", key_file: \"" + key + "\" }\ndebug: true");
  (*server)->crash();
  ASSERT_TRUE((*server)->resume());
  EXPECT_TRUE(AgentRig::wait([&] { return connections() > 0; })) << rig.log() << (*server)->log();
  EXPECT_TRUE(AgentRig::wait([&] { return (*server)->log().find("shrike-agent rig") != std::string::npos; }))
      << (*server)->log();
  EXPECT_EQ(rig.stop().exit_code, 0);
}

}  // namespace
}  // namespace shrike::test
