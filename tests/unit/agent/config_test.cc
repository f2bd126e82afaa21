#include "agent/config.h"

#include <gtest/gtest.h>

#include "common/wire/subjects.h"

namespace shrike::agent {
namespace {

std::string error_of(const std::string& text) {
  const auto config = parse_config(text, "/etc/shrike/agent.toml");
  return config ? "good" : config.error().message;
}

TEST(Config, OfNothingIsTheDefaults) {
  const auto config = parse_config("", "agent.toml");
  ASSERT_TRUE(config);
  EXPECT_EQ(config->state_dir, "/var/lib/shrike-agent");
  EXPECT_EQ(config->processes.max, 16384u);
  EXPECT_EQ(config->sequence.mode, "off");
  EXPECT_EQ(config->metrics.listen, "127.0.0.1:9478");
}

TEST(Config, TakesEveryKeyOfTheContract) {
  const auto config = parse_config(R"(
node = "web-1"
state_dir = "/x/state"
[nats]
url = "tls://bus:4222"
nkey_seed_file = "/x/nkey.seed"
ca_file = "ca.pem"
[collector]
public_key_file = "/x/collector.pub"
[rules]
files = ["rules.yaml", "/abs.yaml"]
first = true
[containers]
root = "/host"
[spool]
max_bytes = 5_000_000
[rings]
reserved_bytes = 1048576
shard_bytes = 262144
shards = 2
[filter]
kinds = ["open", "connect"]
budget_per_s = 1000
budget_burst = 2000
[processes]
max = 1000
[metrics]
listen = ""
[outputs]
http = { url = "https://[::1]:2801/in?x=1", format = "ocsf", severity = "high", ca_file = "http.pem", queue = 7 }
[findings]
quiet_s = 60
[response]
dry_run = true
max_per_minute = 3
never = ["/usr/bin/backup"]
[response.rules]
"Shadow read" = "kill"
Other = "deny"
[response.risk]
"0.5" = "stop"
"0.95" = "cut"
[sequence]
mode = "detect"
sample = 4
exclude_cgroups = ["/a", "/b"]
learn_s = 5
max_programs = 100
[log]
level = "debug"
)",
                                   "/etc/shrike/agent.toml");
  ASSERT_TRUE(config) << config.error().message;
  EXPECT_EQ(config->node, "web-1");
  EXPECT_EQ(config->nats.url, "tls://bus:4222");
  EXPECT_EQ(config->nats.ca_file, "/etc/shrike/ca.pem");
  EXPECT_EQ(config->rules.files, (std::vector<std::string>{"/etc/shrike/rules.yaml", "/abs.yaml"}));
  EXPECT_TRUE(config->rules.first);
  EXPECT_EQ(config->containers.root, "/host");
  EXPECT_EQ(config->spool.max_bytes, 5'000'000u);
  EXPECT_EQ(config->rings.shards, 2u);
  EXPECT_EQ(config->outputs.http.url, "https://[::1]:2801/in?x=1");
  EXPECT_EQ(config->outputs.http.format, "ocsf");
  EXPECT_EQ(config->outputs.http.ca_file, "/etc/shrike/http.pem");
  EXPECT_EQ(config->outputs.http.queue, 7u);
  EXPECT_EQ(config->findings.quiet_s, 60u);
  EXPECT_EQ(config->sequence.mode, "detect");
  EXPECT_EQ(config->sequence.sample, 4u);
  EXPECT_EQ(config->sequence.exclude_cgroups, (std::vector<std::string>{"/a", "/b"}));
  EXPECT_EQ(config->sequence.limits.programs, 100u);
  EXPECT_TRUE(config->response.dry_run);
  EXPECT_EQ(config->response.rules.at("Shadow read"), respond::Action::kill);
  EXPECT_EQ(config->response.rules.at("Other"), respond::Action::deny);
  EXPECT_EQ(config->response.risk.at(0.95), respond::Action::cut);
  EXPECT_EQ(config->response.never, std::vector<std::string>{"/usr/bin/backup"});
  EXPECT_EQ(config->filter.kinds, (std::vector<EventKind>{EventKind::open, EventKind::connect}));
  EXPECT_EQ(config->filter.budget_burst, 2000u);
  EXPECT_EQ(config->processes.max, 1000u);
  EXPECT_EQ(config->metrics.listen, "");
}

TEST(Config, NamesFileLineAndColumnOfWhatIsWrong) {
  const std::string at = "/etc/shrike/agent.toml:";
  EXPECT_EQ(error_of("\nnodes = \"x\"\n"), at + "2:1: unknown key \"nodes\"");
  EXPECT_EQ(error_of("[nats]\n  uri = \"x\"\n"), at + "2:3: unknown key \"nats.uri\"");
  EXPECT_EQ(error_of("[natz]\nurl = \"x\"\n").substr(0, at.size() + 4), at + "1:2:");
  EXPECT_EQ(error_of("node = 5\n"), at + "1:8: node: must be a text in quotes");
  EXPECT_EQ(error_of("nats = 5\n"), at + "1:8: \"nats\" must be a section: [nats]");
  EXPECT_EQ(error_of("[spool]\nmax_bytes = -1\n"), at + "2:13: spool.max_bytes: -1 is out of range");
  EXPECT_EQ(error_of("[spool]\nmax_bytes = 1\n").substr(0, at.size() + 23), at + "2:13: spool.max_bytes: ");
  EXPECT_EQ(error_of("[rings]\nshards = 4294967297\n"), at + "2:10: rings.shards: 4294967297 is out of range");
  EXPECT_NE(error_of("[filter]\nkinds = [\"opem\"]\n").find("2:9: filter.kinds: \"opem\" is no event kind"),
            std::string::npos);
  EXPECT_NE(error_of("node = \"Not A Node\"").find("1:8: node: "), std::string::npos);
  EXPECT_NE(error_of("[metrics]\nlisten = \"0.0.0.0:9478\"").find("2:10: metrics.listen: "), std::string::npos);
  EXPECT_NE(error_of("[nats]\nurl = \"http://x\"").find("2:7: nats.url: "), std::string::npos);
  EXPECT_NE(error_of("[sequence]\nmode = \"on\"").find("2:8: sequence.mode: "), std::string::npos);
  EXPECT_NE(error_of("[sequence]\nsample = 0").find("2:10: sequence.sample: "), std::string::npos);
  EXPECT_NE(error_of("[sequence]\nexclude_cgroups = [\"a\"]").find("2:19: sequence.exclude_"), std::string::npos);
  EXPECT_NE(error_of("[response.risk]\n\"0.9\" = \"deny\"").find("response.risk: \"deny\" is decided before the call"),
            std::string::npos);
  EXPECT_NE(error_of("[log]\nlevel = \"loud\"").find("2:9: log.level: "), std::string::npos);
  EXPECT_EQ(error_of("node = \n").substr(0, at.size() + 2), at + "1:");
  EXPECT_NE(error_of("[filter]\nbudget_per_s = 0\nbudget_burst = 5\n").find("3:16: filter.budget_burst"),
            std::string::npos);
}

TEST(Config, MakesANodeIdOfAnyHostName) {
  EXPECT_EQ(node_of_host("Web-1.Example.org"), "web-1-example-org");
  EXPECT_EQ(node_of_host(""), "localhost");
  for (const char* host : {"vm", "a_b", "Ünï", "x.y", "."}) EXPECT_TRUE(check_node_id(node_of_host(host))) << host;
  EXPECT_TRUE(check_node_id(node_of_host(std::string(200, 'a'))));
}

TEST(Config, ListensOnLoopbackOnly) {
  EXPECT_TRUE(parse_listen("127.0.0.1:1"));
  EXPECT_EQ(parse_listen("[::1]:9478")->host, "::1");
  for (const char* bad :
       {"", "127.0.0.1", ":80", "127.0.0.1:", "127.0.0.1:0", "127.0.0.1:65536", "10.0.0.1:80", "::1:"})
    EXPECT_FALSE(parse_listen(bad)) << bad;
}

}  // namespace
}  // namespace shrike::agent
