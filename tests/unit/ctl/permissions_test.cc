// NATS permissions are spelt twice: for demos in demo_files.cc, for real set-ups in the script shrike-add-node, which
// must run where nothing of ours is but itself. This holds the two equal.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <re2/re2.h>

#include "collector/ctl/child.h"
#include "collector/ctl/demo_files.h"
#include "common/base/file.h"
#include "common/wire/keys.h"
#include "common/wire/subjects.h"
#include "tests/unit/ctl/temporary.h"

namespace shrike::ctl {
namespace {

constexpr const char* script = SHRIKE_SOURCE_DIR "/packaging/nats/shrike-add-node";

/// Runs shrike-add-node on `files`, with `input` on its stdin; its exit code, or -1.
int add_node(const Temporary& files, const std::string& arguments, const std::string& input = {}) {
  const std::string command =
      "SHRIKE_ETC='" + files.dir() + "' '" + script + "' " + arguments + " <'" + files.file("input", input) + "'";
  auto child = Child::start({"shrike-add-node", {"/bin/sh", "-c", command}, {}, files.dir() + "/log"});
  if (!child.ok()) return -1;
  const auto end = child->ended(std::chrono::seconds(30));
  return end.has_value() ? end->exit_code : -1;
}

/// The subjects that `nkey` may publish or subscribe to in what shrike-add-node wrote.
std::vector<std::string> allowed(const Temporary& files, const std::string& nkey, const std::string& verb) {
  const std::string conf = read_file(files.dir() + "/nats-nodes.conf").value();
  std::string list;
  if (!RE2::PartialMatch(conf, "nkey: " + nkey + ", .*" + verb + R"(: \[([^\]]*)\])", &list)) return {};
  std::vector<std::string> out;
  re2::StringPiece rest(list);
  for (std::string subject; RE2::Consume(&rest, R"re((?:, )?"([^"]*)")re", &subject);) out.push_back(subject);
  EXPECT_TRUE(rest.empty()) << list;
  return out;
}

std::string some_nkey() { return PrivateKey::generate().public_key().nkey(); }
std::string some_key() { return PrivateKey::generate().public_key().to_hex(); }

TEST(AddNode, GivesTheCollectorWhatDemosGiveIt) {
  const Temporary files;
  const NatsUser demo = collector_user(some_nkey());
  ASSERT_EQ(add_node(files, "--collector " + demo.nkey), 0);
  EXPECT_THAT(allowed(files, demo.nkey, "publish"), testing::UnorderedElementsAreArray(demo.publish));
  EXPECT_THAT(allowed(files, demo.nkey, "subscribe"), testing::UnorderedElementsAreArray(demo.subscribe));
}

TEST(AddNode, GivesAnAgentWhatDemosGiveItInAnyPartition) {
  const Temporary files;
  const NatsUser demo = agent_user("web-1", some_nkey());
  ASSERT_EQ(add_node(files, "web-1 " + demo.nkey + " " + some_key()), 0);
  // A shell cannot compute a partition; the node's name at the end is what keeps agents apart.
  EXPECT_THAT(allowed(files, demo.nkey, "publish"),
              testing::UnorderedElementsAre("shrike.v1.alerts.*.web-1", "shrike.v1.telemetry.*.web-1"));
  for (std::string subject : demo.publish) {
    ASSERT_TRUE(RE2::Replace(&subject, R"(\.[0-9]+\.)", ".*.")) << subject;
    EXPECT_THAT(allowed(files, demo.nkey, "publish"), testing::Contains(subject));
  }
  EXPECT_THAT(allowed(files, demo.nkey, "subscribe"), testing::UnorderedElementsAreArray(demo.subscribe));
}

TEST(AddNode, ReadsWhatPrintIdentityPrints) {
  const Temporary files;
  const std::string agent = some_nkey(), collector = some_nkey(), key = some_key();
  EXPECT_EQ(add_node(files, "-", "node web-1\nnkey " + agent + "\nkey " + key + "\n"), 0);
  EXPECT_EQ(add_node(files, "-", "collector main\nnkey " + collector + "\nkey " + some_key() + "\n"), 0);
  EXPECT_THAT(allowed(files, agent, "subscribe"), testing::Contains(ack_subject("web-1")));
  EXPECT_THAT(allowed(files, collector, "subscribe"), testing::ElementsAre("_INBOX.>"));
  EXPECT_EQ(read_file(files.dir() + "/nodes.toml").value(), "web-1 = \"" + key + "\"\n");
}

TEST(AddNode, RefusesWhatIsNoIdentity) {
  const std::string good = "node web-1\nnkey " + some_nkey() + "\nkey " + some_key() + "\n";
  for (const std::string& input :
       {std::string(), std::string("node web-1\n"), std::string("Last login: today\n") + good, good + "node web-2\n",
        good + good, std::string("node ../x\n") + good.substr(good.find('\n') + 1)}) {
    const Temporary files;
    EXPECT_EQ(add_node(files, "-", input), 2) << input;
    EXPECT_FALSE(read_file(files.dir() + "/nats-nodes.conf").ok()) << input;
  }
}

}  // namespace
}  // namespace shrike::ctl
