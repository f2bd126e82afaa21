#include "collector/verifier.h"

#include <gmock/gmock.h>

#include "collector/state.h"
#include "tests/unit/collector/folder.h"
#include "tests/unit/collector/made.h"

namespace shrike::collector {
namespace {

class Verifiers : public test::Folder {
 protected:
  void SetUp() override {
    Folder::SetUp();
    index.emplace(Index::open(index_path(dir)).value());
    registry.emplace(Registry::open({dir + "/nodes.toml", "", true}).value());
    open();
  }
  void open() {
    auto reader = IndexReader::open(index_path(dir)).value();
    const auto nodes = reader.nodes().value();
    verifier.emplace(Lane::telemetry, *registry, std::move(reader), committed, nodes);
  }
  Checked check(const std::string& bytes) {
    auto checked = verifier->check({Lane::telemetry, "web-1"}, bytes, now);
    EXPECT_TRUE(checked.ok()) << checked.error().message;
    if (checked->verdict == Verdict::accepted) {
      checked->row.serial = ++serial;
      verifier->taken(*checked, serial);
      waiting.push_back(checked->row);
    }
    return std::move(checked).value();
  }
  std::string_view verdict(const std::string& bytes) { return verdict_name(check(bytes).verdict); }
  void commit() {
    ASSERT_TRUE(index->begin().ok());
    for (const BatchRow& row : waiting) ASSERT_TRUE(index->add_batch(row).ok());
    ASSERT_TRUE(index->commit({1, serial * 1000}, serial).ok());
    waiting.clear();
    committed = serial;
  }
  std::optional<Index> index;
  std::optional<Registry> registry;
  std::atomic<uint64_t> committed{0};
  std::optional<Verifier> verifier;
  std::vector<BatchRow> waiting;
  uint64_t serial = 0;
  uint64_t now = 1000;
  test::MadeChain chain;
};

TEST_F(Verifiers, AcceptAChainAndNameRepeatsBeforeAndAfterTheCommit) {
  const std::string one = chain.batch(), two = chain.batch(), three = chain.batch();
  EXPECT_EQ(verdict(one), "accepted");
  EXPECT_EQ(verdict(two), "accepted");
  EXPECT_EQ(verdict(one), "duplicate");
  commit();
  EXPECT_EQ(verdict(one), "duplicate");
  EXPECT_EQ(verdict(three), "accepted");
  open();
  EXPECT_EQ(verdict(two), "duplicate");
}

TEST_F(Verifiers, NameAForkBeforeAndAfterTheCommit) {
  test::MadeChain twin = chain;
  twin.key = chain.key;
  EXPECT_EQ(verdict(chain.batch()), "accepted");
  const std::string other = twin.batch(9);
  EXPECT_EQ(verdict(other), "forked");
  commit();
  const Checked checked = check(other);
  EXPECT_EQ(verdict_name(checked.verdict), "forked");
  EXPECT_TRUE(checked.authentic);
  EXPECT_NE(checked.reason.find("node web-1, lane telemetry, seq 1"), std::string::npos) << checked.reason;
}

TEST_F(Verifiers, NameARepeatOfADroppedRangeOnlyWithinIt) {
  EXPECT_EQ(verdict(chain.batch()), "accepted");
  test::MadeChain lost = chain;
  const std::string dropped_second = lost.batch(), dropped_third = lost.batch();
  EXPECT_EQ(verdict(chain.drop(2, false)), "accepted");
  EXPECT_EQ(verdict(dropped_second), "duplicate");
  commit();
  EXPECT_EQ(verdict(dropped_second), "duplicate");
  EXPECT_EQ(verdict(dropped_third), "duplicate");
  EXPECT_EQ(verdict(chain.batch()), "accepted");
}

TEST_F(Verifiers, NameAnOlderBootThatGoesOn) {
  EXPECT_EQ(verdict(chain.batch()), "accepted");
  test::MadeChain old = chain;
  chain.reboot(2);
  EXPECT_EQ(verdict(chain.batch()), "accepted");
  EXPECT_EQ(verdict(old.batch()), "rolled_back");
  commit();
  open();
  EXPECT_EQ(verdict(chain.batch()), "accepted");
}

TEST_F(Verifiers, AcceptNothingBehindAGap) {
  EXPECT_EQ(verdict(chain.batch()), "accepted");
  const std::string missing = chain.batch();
  const std::string later = chain.batch();
  EXPECT_EQ(verdict(later), "gap");
  EXPECT_EQ(verdict(missing), "accepted");
  EXPECT_EQ(verdict(later), "accepted");
}

TEST_F(Verifiers, WaitForTheBeginningOfAnUnknownNodesChain) {
  const std::string one = chain.batch(), two = chain.batch(), three = chain.batch();
  EXPECT_EQ(verdict(three), "gap");
  EXPECT_EQ(verdict(two), "gap");
  EXPECT_EQ(verdict(one), "accepted");
  EXPECT_EQ(verdict(two), "accepted");
  EXPECT_EQ(verdict(three), "accepted");
}

TEST_F(Verifiers, BeginWithTheLowestOfAnUnknownNodeWhenNothingEarlierComes) {
  chain.batch();
  const std::string two = chain.batch(), three = chain.batch();
  EXPECT_EQ(verdict(three), "gap");
  EXPECT_EQ(verdict(two), "gap");
  now += 16'000'000'000;
  EXPECT_EQ(verdict(three), "gap");
  const Checked checked = check(two);
  EXPECT_EQ(verdict_name(checked.verdict), "accepted");
  EXPECT_TRUE(checked.unlinked);
  EXPECT_EQ(verdict(three), "accepted");
}

TEST_F(Verifiers, RefuseWhatIsNotTheNodesOwn) {
  EXPECT_EQ(verdict(chain.batch()), "accepted");
  test::MadeChain other = chain;
  other.key = PrivateKey::generate();
  const Checked foreign = check(other.batch());
  EXPECT_EQ(verdict_name(foreign.verdict), "forged");
  EXPECT_FALSE(foreign.authentic);
  EXPECT_NE(foreign.reason.find("another key"), std::string::npos);
  std::string flipped = chain.batch();
  flipped[flipped.size() / 2] = static_cast<char>(flipped[flipped.size() / 2] ^ 1);
  EXPECT_NE(verdict(flipped), "accepted");
  test::MadeChain stranger;
  stranger.node = "web-2";
  const Checked wrong_subject = check(stranger.batch());
  EXPECT_EQ(verdict_name(wrong_subject.verdict), "forged");
  EXPECT_EQ(wrong_subject.header.node, "web-1");
  test::MadeChain wrong_lane = chain;
  wrong_lane.lane = Lane::alerts;
  EXPECT_EQ(verdict(wrong_lane.batch_of({test::made_alert()})), "forged");
  EXPECT_EQ(verdict(""), "malformed");
  EXPECT_EQ(verdict(std::string(2u << 20, 'x')), "malformed");
}

TEST_F(Verifiers, PinAKeyOnlyWithARightBatch) {
  std::string broken = chain.batch();
  broken.back() = static_cast<char>(broken.back() ^ 1);
  EXPECT_EQ(verdict(broken), "forged");
  EXPECT_FALSE(registry->find("web-1"));
}

TEST_F(Verifiers, GiveAlertsWithTheirEvidence) {
  auto reader = IndexReader::open(index_path(dir)).value();
  Verifier lane(Lane::alerts, *registry, std::move(reader), committed, {});
  chain.lane = Lane::alerts;
  Alert alert = test::made_alert();
  alert.time_ns = 1'000'000;
  const auto checked = lane.check({Lane::alerts, "web-1"}, chain.batch_of({test::made_alert(), alert}), 3'000'000);
  ASSERT_TRUE(checked.ok());
  ASSERT_EQ(checked->alerts.size(), 2u);
  EXPECT_EQ(checked->alerts[1].node, "web-1");
  EXPECT_EQ(checked->alerts[1].evidence, (Evidence{"alerts", 1, 1, "accepted"}));
  EXPECT_EQ(checked->alerts[1].latency_us, 2000);
}

TEST(Notes, OfABatchAreTheReportsAndTheNewsThatCanBeRead) {
  test::MadeChain chain;
  CommandNews news{"job-1", {}, CommandKind::detonate, CommandState::done, "", {}};
  const auto notes = [&](const std::string& id, const std::string& report) {
    const std::string bytes = chain.batch_of_notes(id, report, news);
    const auto batch = open_batch(bytes);
    const auto payload = open_payload(*batch);
    std::vector<DetonationRow> detonations;
    std::vector<CommandNews> commands;
    notes_of(batch->header, *payload, detonations, commands);
    EXPECT_EQ(commands, std::vector<CommandNews>{news});
    return detonations.empty() ? std::string("none") : detonations.front().json;
  };
  const std::string json = notes("job-1", "{\"risk\":0.5,\n\"x\":{}}");
  EXPECT_THAT(json,
              testing::HasSubstr(R"("node":"web-1","id":"job-1","caller":"local:0","evidence":{"lane":"telemetry",)"));
  EXPECT_THAT(json, testing::EndsWith(R"("detail":{"risk":0.5, "x":{}}})"));
  EXPECT_EQ(notes("../x", "{}"), "none");
  EXPECT_EQ(notes("job-1", "[]"), "none");
  EXPECT_EQ(notes("job-1", std::string(1000, '[')), "none");
}

}  // namespace
}  // namespace shrike::collector
