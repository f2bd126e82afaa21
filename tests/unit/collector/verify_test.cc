#include "collector/verify.h"

#include <functional>

#include "collector/store.h"
#include "common/base/file.h"
#include "tests/unit/collector/folder.h"
#include "tests/unit/collector/made.h"

namespace shrike::collector {
namespace {

class Listed : public BatchSource {
 public:
  explicit Listed(std::vector<std::string> batches) : batches_(std::move(batches)) {}
  Result<bool> next(StoredBatch& batch) override {
    if (at_ == batches_.size()) return false;
    batch = {batches_[at_++], {}, Damage::none};
    return true;
  }

 private:
  std::vector<std::string> batches_;
  size_t at_ = 0;
};

class Verification : public test::Folder {
 protected:
  void SetUp() override {
    Folder::SetUp();
    keys.emplace("web-1", chain.key.public_key());
    for (int i = 0; i < 6; ++i) batches.push_back(chain.batch());
  }
  VerifyReport report() const {
    Listed source(batches);
    auto made = verify_batches(source, keys, options);
    EXPECT_TRUE(made.ok());
    return std::move(made).value();
  }
  /// Exactly this one thing is found, and it names node, lane and seq.
  void expect_only(Tamper tamper, uint64_t seq) const {
    const VerifyReport found = report();
    EXPECT_EQ(found.outcome(), VerifyReport::Outcome::refuted);
    ASSERT_EQ(found.problem_count, 1u) << (found.problems.empty() ? "" : found.problems.back().sentence);
    const Problem& problem = found.problems[0];
    EXPECT_EQ(tamper_name(problem.tamper), tamper_name(tamper)) << problem.sentence;
    EXPECT_EQ(problem.node, "web-1");
    EXPECT_EQ(problem.lane, Lane::telemetry);
    EXPECT_EQ(problem.seq, seq) << problem.sentence;
    EXPECT_NE(problem.sentence.find("node web-1, lane telemetry, seq " + std::to_string(seq)), std::string::npos)
        << problem.sentence;
  }
  test::MadeChain chain;
  std::vector<std::string> batches;
  NodeKeys keys;
  VerifyOptions options;
};

TEST_F(Verification, ProvesAWholeChainOverBootsAndDrops) {
  batches.push_back(chain.drop(3, true));
  batches.push_back(chain.batch());
  batches.push_back(chain.drop(2, false));
  batches.push_back(chain.batch());
  chain.reboot(2);
  batches.push_back(chain.batch());
  const VerifyReport found = report();
  EXPECT_EQ(found.outcome(), VerifyReport::Outcome::proven)
      << (found.problems.empty() ? "" : found.problems[0].sentence);
  EXPECT_EQ(found.batches, 11u);
  EXPECT_EQ(found.events, 27u);
  const auto& lane = found.chains.at({"web-1", Lane::telemetry});
  EXPECT_EQ(lane.dropped_batches, 5u);
  EXPECT_EQ(lane.dropped_events, 15u);
  EXPECT_EQ(lane.boots, 2u);
}

TEST_F(Verification, NamesABatchWithAnyOneBitFlipped) {
  const std::string whole = batches[2];
  for (size_t bit = 0; bit < whole.size() * 8; bit += 7) {
    batches[2] = whole;
    batches[2][bit / 8] = static_cast<char>(batches[2][bit / 8] ^ (1 << (bit % 8)));
    const VerifyReport found = report();
    ASSERT_EQ(found.outcome(), VerifyReport::Outcome::refuted) << bit;
    // Bits of node, boot, lane or seq change what the header claims; the hole that is left names the batch all the
    // same.
    bool named = false;
    for (const Problem& problem : found.problems)
      named = named || (problem.node == "web-1" && problem.lane == Lane::telemetry && problem.seq == 3);
    EXPECT_TRUE(named || !found.unknown_nodes.empty()) << bit;
  }
}

TEST_F(Verification, NamesADroppedBatch) {
  batches.erase(batches.begin() + 3);
  expect_only(Tamper::missing, 4);
}
TEST_F(Verification, NamesADroppedBeginning) {
  batches.erase(batches.begin());
  expect_only(Tamper::missing, 2 - 1);
}
TEST_F(Verification, AllowsAnyBeginningWhenAskedSince) {
  batches.erase(batches.begin());
  options.from_start = false;
  EXPECT_EQ(report().outcome(), VerifyReport::Outcome::proven);
}
TEST_F(Verification, NamesTwoSwappedBatches) {
  std::swap(batches[2], batches[3]);
  expect_only(Tamper::swapped, 3);
}
TEST_F(Verification, NamesABatchStoredTwice) {
  batches.insert(batches.begin() + 4, batches[1]);
  expect_only(Tamper::duplicate, 2);
}
TEST_F(Verification, NamesABatchSignedByAnotherKey) {
  test::MadeChain other = chain;
  other.key = PrivateKey::generate();
  batches.push_back(other.batch());
  expect_only(Tamper::foreign_key, 7);
}
TEST_F(Verification, NamesABatchSignedByAnotherNodesKey) {
  test::MadeChain other;
  keys.emplace("web-2", other.key.public_key());
  test::MadeChain liar = chain;
  liar.key = other.key;
  BatchHeader header = liar.next();
  header.public_key.clear();
  Digest hash{};
  batches.push_back(seal_empty(header, liar.key, hash));
  expect_only(Tamper::foreign_key, 7);
  EXPECT_NE(report().problems[0].sentence.find("web-2"), std::string::npos);
}
TEST_F(Verification, NamesTwoAgentsWithOneKey) {
  test::MadeChain twin = chain;
  batches.push_back(chain.batch());
  batches.push_back(twin.batch(9));
  expect_only(Tamper::forked, 7);
}
TEST_F(Verification, NamesTwoNodesWithOneKey) {
  keys.emplace("web-2", chain.key.public_key());
  const VerifyReport found = report();
  ASSERT_EQ(found.problem_count, 1u);
  EXPECT_EQ(found.problems[0].tamper, Tamper::forked);
}
TEST_F(Verification, NamesAnOlderBootThatWentOn) {
  test::MadeChain old = chain;
  chain.reboot(2);
  batches.push_back(chain.batch());
  batches.push_back(old.batch());
  expect_only(Tamper::rolled_back, 7);
}
TEST_F(Verification, NamesARewrittenChainOnce) {
  test::MadeChain rewritten = chain;
  rewritten.previous = sha256("something else");
  batches.push_back(rewritten.batch());
  batches.push_back(rewritten.batch());
  expect_only(Tamper::forked, 7);
}
TEST_F(Verification, NamesAStoreThatWasRolledBack) {
  options.witnesses.push_back({"web-1", chain.boot, Lane::telemetry, 6, chain.previous, "the agent's state"});
  EXPECT_EQ(report().outcome(), VerifyReport::Outcome::proven);
  batches.resize(4);
  const VerifyReport found = report();
  ASSERT_EQ(found.problem_count, 1u);
  EXPECT_EQ(found.problems[0].tamper, Tamper::rolled_back);
  EXPECT_EQ(found.problems[0].seq, 5u);
  EXPECT_EQ(found.problems[0].last_seq, 6u);
  EXPECT_NE(found.problems[0].sentence.find("the agent's state"), std::string::npos);
}
TEST_F(Verification, CannotTellWithoutAKeyOrABatch) {
  keys.clear();
  EXPECT_EQ(report().outcome(), VerifyReport::Outcome::unknown);
  EXPECT_EQ(report().unknown_nodes, std::vector<std::string>{"web-1"});
  batches.clear();
  EXPECT_EQ(report().outcome(), VerifyReport::Outcome::unknown);
}
TEST_F(Verification, FindsNothingThatOnlyFollowsFromAMissingKey) {
  keys.clear();
  options.witnesses.push_back({"web-1", chain.boot, Lane::telemetry, 6, chain.previous, "index.sqlite"});
  EXPECT_EQ(report().outcome(), VerifyReport::Outcome::unknown);
  EXPECT_EQ(report().problem_count, 0u);
  EXPECT_EQ(report().unknown_nodes, std::vector<std::string>{"web-1"});
}
TEST_F(Verification, RefutesAStoreThatDoesNotEvenClaimWhatWasStored) {
  keys.clear();
  options.witnesses.push_back({"web-1", chain.boot, Lane::telemetry, 7, {}, "index.sqlite"});
  expect_only(Tamper::rolled_back, 7);
  EXPECT_EQ(report().unknown_nodes, std::vector<std::string>{"web-1"});
}
TEST_F(Verification, RefutesForOneNodeThoughAnothersKeyIsUnknown) {
  test::MadeChain other;
  other.node = "web-2";
  batches.push_back(other.batch());
  options.witnesses.push_back({"web-2", other.boot, Lane::telemetry, 1, other.previous, "index.sqlite"});
  EXPECT_EQ(report().outcome(), VerifyReport::Outcome::unknown);
  batches.erase(batches.begin() + 2);
  expect_only(Tamper::missing, 3);
  EXPECT_EQ(report().unknown_nodes, std::vector<std::string>{"web-2"});
}
TEST_F(Verification, SaysWhereAStatesKeysComeFrom) {
  StoreReport opened;
  {
    auto store = Store::open(dir + "/segments", {1u << 20, 1}, opened).value();
    std::vector<Store::Item> items;
    for (const std::string& batch : batches) items.push_back({RecordKind::batch, 1, batch, {}, 0});
    ASSERT_TRUE(store.append(items).ok());
  }
  const auto notes = [](const VerifyReport& told) {
    std::string all;
    for (const std::string& note : told.notes) all += note + "\n";
    return all;
  };
  const VerifyReport unknown = verify_state(dir, {}, {}).value();
  EXPECT_EQ(unknown.outcome(), VerifyReport::Outcome::unknown);
  EXPECT_NE(notes(unknown).find("0 keys of nodes from " + dir + "/nodes.toml"), std::string::npos) << notes(unknown);
  EXPECT_NE(notes(unknown).find("[nodes] keys_file"), std::string::npos) << notes(unknown);

  const VerifyReport given = verify_state(dir, keys, {}).value();
  EXPECT_EQ(given.outcome(), VerifyReport::Outcome::proven);
  EXPECT_NE(notes(given).find("1 key of nodes given"), std::string::npos) << notes(given);
}
TEST_F(Verification, BelievesGivenKeysAndNotThoseBesideTheEvidence) {
  test::MadeChain rogue;
  rogue.node = "web-9";
  StoreReport opened;
  {
    auto store = Store::open(dir + "/segments", {1u << 20, 1}, opened).value();
    const std::string batch = rogue.batch();
    std::vector<Store::Item> items{{RecordKind::batch, 1, batch, {}, 0}};
    ASSERT_TRUE(store.append(items).ok());
  }
  ASSERT_TRUE(write_file_atomic(dir + "/nodes.toml", keys_to_toml({{"web-9", rogue.key.public_key()}})).ok());
  EXPECT_EQ(verify_state(dir, {}, {}).value().outcome(), VerifyReport::Outcome::proven);
  EXPECT_EQ(verify_state(dir, keys, {}).value().outcome(), VerifyReport::Outcome::unknown);
}
TEST_F(Verification, LooksAtOneNodeOnly) {
  test::MadeChain other;
  other.node = "web-2";
  batches.push_back(other.batch());
  options.node = "web-1";
  EXPECT_EQ(report().outcome(), VerifyReport::Outcome::proven);
  EXPECT_EQ(report().batches, 6u);
}

TEST_F(Verification, NamesATruncatedSegmentAndAFlippedBitInIt) {
  StoreReport opened;
  {
    auto store = Store::open(dir + "/segments", {1u << 20, 1}, opened).value();
    std::vector<Store::Item> items;
    for (const std::string& batch : batches) items.push_back({RecordKind::batch, 1, batch, {}, 0});
    items.push_back({RecordKind::finding, 1, "{}", {}, 0});
    ASSERT_TRUE(store.append(items).ok());
  }
  ASSERT_TRUE(write_file_atomic(dir + "/nodes.toml", keys_to_toml(keys)).ok());
  const auto verified = [&] { return verify_state(dir, {}, {}).value(); };
  EXPECT_EQ(verified().outcome(), VerifyReport::Outcome::proven);

  const std::string path = segment_path(dir + "/segments", 1);
  const std::string whole = read_file(path).value();
  const size_t tail = 2 + record_head_bytes;  // the finding at the end
  ASSERT_TRUE(write_file_atomic(path, whole.substr(0, whole.size() - tail - 5)).ok());
  VerifyReport found = verified();
  ASSERT_EQ(found.problem_count, 1u);
  EXPECT_EQ(found.problems[0].tamper, Tamper::truncated);
  EXPECT_EQ(found.problems[0].seq, 6u) << found.problems[0].sentence;

  std::string flipped = whole;
  flipped[record_head_bytes + batches[0].size() - 1] ^= 4;
  ASSERT_TRUE(write_file_atomic(path, flipped).ok());
  found = verified();
  ASSERT_GE(found.problem_count, 1u);
  EXPECT_EQ(found.problems[0].tamper, Tamper::altered);
  EXPECT_EQ(found.problems[0].seq, 1u);
  EXPECT_EQ(found.problems[0].at, (Position{1, 0}));
}

}  // namespace
}  // namespace shrike::collector
