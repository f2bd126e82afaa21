#include "collector/ctl/demo_files.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "collector/config.h"
#include "collector/ctl/child.h"
#include "common/wire/keys.h"
#include "common/wire/subjects.h"
#include "tests/require.h"
#include "tests/unit/ctl/temporary.h"

namespace shrike::ctl {
namespace {

using testing::Contains;
using testing::HasSubstr;
using testing::Not;

TEST(NodeId, IsMadeOfAnyHostName) {
  for (const std::string& host : {std::string("web-1"), std::string("Web_1.example.org"), std::string(),
                                  std::string("\xff\xfe"), std::string("."), std::string(300, 'x')}) {
    EXPECT_TRUE(check_node_id(node_id_of(host)).ok()) << host;
  }
  EXPECT_EQ(node_id_of("Web_1.example.org"), "web-1");
}

TEST(Quoted, KeepsWhatItIsGivenInsideTheQuotes) { EXPECT_EQ(in_quotes("a\"b\\c\nd"), "\"a\\\"b\\\\c\\u000ad\""); }

TEST(Permissions, OfAnAgentAreItsOwnSubjectsOnly) {
  const NatsUser user = agent_user("web-1", "UX");
  EXPECT_THAT(user.publish, testing::UnorderedElementsAre(batch_subject(Lane::alerts, "web-1"),
                                                          batch_subject(Lane::telemetry, "web-1")));
  EXPECT_THAT(user.subscribe,
              testing::UnorderedElementsAre("shrike.v1.ack.web-1", "shrike.v1.cmd.web-1", "_INBOX.web-1.>"));
}

TEST(Permissions, OfTheCollectorCannotPurgeOrDelete) {
  for (const std::string& subject : collector_user("UX").publish) {
    EXPECT_NE(subject, "$JS.>");
    EXPECT_NE(subject, "$JS.API.>");
    EXPECT_THAT(subject, Not(HasSubstr("PURGE")));
    EXPECT_THAT(subject, Not(HasSubstr("STREAM.*")));
  }
}

TEST(NatsConf, IsAcceptedByNatsServer) {
  const std::string server = find_program("nats-server");
  SHRIKE_NEED("nats", !server.empty());
  const Temporary files;
  const std::string odd = files.dir() + "/a \"b\"";
  std::filesystem::create_directory(odd);
  const std::string conf =
      files.file("nats.conf", nats_conf(odd, {agent_user("web-1", PrivateKey::generate().public_key().nkey()),
                                              collector_user(PrivateKey::generate().public_key().nkey())}));
  auto child = Child::start({"nats-server", {server, "-t", "-c", conf}, {}, files.dir() + "/log"});
  ASSERT_TRUE(child.ok()) << child.error().message;
  const auto end = child->ended(std::chrono::seconds(20));
  ASSERT_TRUE(end.has_value());
  EXPECT_EQ(end->exit_code, 0) << testing::PrintToString(last_lines(files.dir() + "/log", 5));
}

TEST(NatsUrl, IsReadFromThePortsFileOnceItIsWhole) {
  EXPECT_EQ(nats_url_of(R"({"nats":["nats://127.0.0.1:35729"],"monitoring":[]})"), "nats://127.0.0.1:35729");
  for (const char* text : {"", "{", "{}", R"({"nats":[]})", R"({"nats":[5]})", R"({"nats":"x"})", "[]"}) {
    EXPECT_EQ(nats_url_of(text), "") << text;
  }
}

TEST(CollectorToml, IsAcceptedByTheCollector) {
  const auto config = collector::parse_config(
      collector_toml({"/tmp/a \"b\" \\ c", "web-1", "nats://127.0.0.1:4", {}, ""}), "collector.toml");
  ASSERT_TRUE(config.ok()) << config.error().message;
  EXPECT_EQ(config->state_dir, "/tmp/a \"b\" \\ c/collector");
  EXPECT_EQ(config->nats.nkey_seed_file, "/tmp/a \"b\" \\ c/collector/nkey.seed");
  EXPECT_TRUE(config->nodes.trust_first);
  EXPECT_EQ(config->api.listen, "127.0.0.1:0");
  EXPECT_TRUE(collector::check_config(*config).ok());
}

TEST(AgentToml, NamesRulesOnlyWhenThereAreAny) {
  EXPECT_THAT(agent_toml({"/s", "web-1", "nats://127.0.0.1:4", {}, ""}), Not(HasSubstr("[rules]")));
  EXPECT_THAT(agent_toml({"/s", "web-1", "nats://127.0.0.1:4", {"/a.yaml", "/b.yaml"}, "127.0.0.1:9"}),
              HasSubstr("files = [\"/a.yaml\", \"/b.yaml\"]"));
}

}  // namespace
}  // namespace shrike::ctl
