#include "common/wire/chain.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <set>

namespace shrike {
namespace {
using testing::HasSubstr;

// A made-up node and its collector: batches are only headers and hashes here.
class Memory : public ChainHistory {
 public:
  std::optional<Digest> hash_of(const BootId& boot, uint64_t seq) const override {
    const auto at = hashes.find({boot, seq});
    return at == hashes.end() ? std::nullopt : std::optional(at->second);
  }
  bool covered(const BootId& boot, uint64_t seq) const override { return dropped.count({boot, seq}) != 0; }
  bool knows(const BootId& boot) const override { return boots.count(boot) != 0; }

  std::map<std::pair<BootId, uint64_t>, Digest> hashes;
  std::set<std::pair<BootId, uint64_t>> dropped;
  std::set<BootId> boots;
};

BootId boot_of(uint8_t number) {
  BootId boot{};
  boot[0] = number;
  return boot;
}
Digest hash_of(uint8_t boot, uint64_t seq) { return sha256(std::to_string(boot) + "." + std::to_string(seq)); }

OpenBatch batch_of(uint8_t boot, uint64_t seq, const Digest& previous) {
  OpenBatch batch;
  batch.header.node = "web-1";
  batch.header.boot = boot_of(boot);
  batch.header.seq = seq;
  batch.header.previous = previous;
  batch.hash = hash_of(boot, seq);
  return batch;
}
OpenBatch next_of(uint8_t boot, uint64_t seq) {
  return batch_of(boot, seq, seq == 1 ? Digest{} : hash_of(boot, seq - 1));
}
OpenBatch drop_of(uint8_t boot, uint64_t first, uint64_t last, const Digest& last_hash) {
  OpenBatch batch = batch_of(boot, last, first == 1 ? Digest{} : hash_of(boot, first - 1));
  batch.hash = sha256("drop");
  batch.header.drop = Drop{first, last, last_hash, 10, "spool_full"};
  return batch;
}

class Chain : public testing::Test {
 protected:
  Judgement take(const OpenBatch& batch) {
    Judgement judgement = judge(batch, head, history);
    if (judgement.verdict == Verdict::accepted) {
      history.boots.insert(batch.header.boot);
      if (batch.header.drop) {
        for (uint64_t seq = batch.header.drop->first; seq <= batch.header.seq; ++seq)
          if (!history.hash_of(batch.header.boot, seq)) history.dropped.insert({batch.header.boot, seq});
      } else {
        history.hashes[{batch.header.boot, batch.header.seq}] = batch.hash;
      }
    }
    return judgement;
  }
  void take_to(uint8_t boot, uint64_t last) {
    for (uint64_t seq = 1; seq <= last; ++seq) ASSERT_EQ(take(next_of(boot, seq)).verdict, Verdict::accepted);
  }
  ChainHead head;
  Memory history;
};

TEST_F(Chain, TakesBatchesInOrder) {
  take_to(1, 5);
  EXPECT_EQ(head.seq, 5u);
  EXPECT_EQ(head.hash, hash_of(1, 5));
}

TEST_F(Chain, AStartInTheMiddleIsTakenButSaidToBeUnlinked) {
  const Judgement judgement = take(next_of(1, 7));
  EXPECT_EQ(judgement.verdict, Verdict::accepted);
  EXPECT_TRUE(judgement.unlinked);
  EXPECT_THAT(judgement.reason, HasSubstr("node web-1, lane telemetry, seq 7"));
  EXPECT_EQ(take(next_of(1, 8)).verdict, Verdict::accepted);
}

TEST_F(Chain, ABatchAheadIsAGapAndMovesNothing) {
  take_to(1, 2);
  EXPECT_EQ(take(next_of(1, 4)).verdict, Verdict::gap);
  EXPECT_EQ(head.seq, 2u);
  EXPECT_EQ(take(next_of(1, 3)).verdict, Verdict::accepted);
}

TEST_F(Chain, AKnownBatchIsADuplicateAndAnotherWithItsSeqAFork) {
  take_to(1, 3);
  EXPECT_EQ(take(next_of(1, 2)).verdict, Verdict::duplicate);
  OpenBatch other = next_of(1, 2);
  other.hash = sha256("other");
  EXPECT_EQ(take(other).verdict, Verdict::forked);
  EXPECT_EQ(take(batch_of(1, 4, sha256("other"))).verdict, Verdict::forked);
  EXPECT_EQ(head.seq, 3u);
}

TEST_F(Chain, ADropStatementStandsForItsRange) {
  take_to(1, 2);
  EXPECT_EQ(take(drop_of(1, 4, 6, hash_of(1, 6))).verdict, Verdict::gap);
  EXPECT_EQ(take(drop_of(1, 3, 6, hash_of(1, 6))).verdict, Verdict::accepted);
  EXPECT_EQ(head.seq, 6u);
  EXPECT_EQ(take(next_of(1, 4)).verdict, Verdict::duplicate) << "a dropped batch that arrives late is covered";
  EXPECT_EQ(take(batch_of(1, 7, sha256("other"))).verdict, Verdict::forked);
  EXPECT_EQ(take(next_of(1, 7)).verdict, Verdict::accepted);
}

TEST_F(Chain, ADropStatementMustFollowTheHeadItself) {
  take_to(1, 2);
  OpenBatch drop = drop_of(1, 3, 6, hash_of(1, 6));
  drop.header.previous = sha256("other");
  EXPECT_EQ(take(drop).verdict, Verdict::forked);
  drop.header.previous = {};
  EXPECT_EQ(take(drop).verdict, Verdict::accepted) << "an agent with a damaged spool may not know it";
}

TEST_F(Chain, ADropStatementMayReachBackOverWhatArrivedMeanwhile) {
  take_to(1, 4);
  EXPECT_EQ(take(drop_of(1, 3, 6, hash_of(1, 6))).verdict, Verdict::accepted);
  EXPECT_EQ(take(next_of(1, 7)).verdict, Verdict::accepted);
  EXPECT_EQ(take(drop_of(1, 3, 6, hash_of(1, 6))).verdict, Verdict::duplicate);
}

TEST_F(Chain, ADropStatementForWhatAllArrivedIsADuplicateUnlessItLies) {
  take_to(1, 6);
  EXPECT_EQ(take(drop_of(1, 3, 5, hash_of(1, 5))).verdict, Verdict::duplicate);
  EXPECT_EQ(take(drop_of(1, 3, 5, {})).verdict, Verdict::duplicate);
  EXPECT_EQ(take(drop_of(1, 3, 5, sha256("other"))).verdict, Verdict::forked);
}

TEST_F(Chain, AfterADropWithoutLastHashThePreviousCannotBeCompared) {
  take_to(1, 2);
  EXPECT_EQ(take(drop_of(1, 3, 6, {})).verdict, Verdict::accepted);
  EXPECT_FALSE(head.hash_known);
  EXPECT_EQ(take(batch_of(1, 7, sha256("any"))).verdict, Verdict::accepted);
  EXPECT_TRUE(head.hash_known);
}

TEST_F(Chain, ANewBootLinksToTheOneBefore) {
  take_to(1, 3);
  const Judgement judgement = take(batch_of(2, 1, hash_of(1, 3)));
  EXPECT_EQ(judgement.verdict, Verdict::accepted);
  EXPECT_FALSE(judgement.unlinked);
  EXPECT_EQ(take(next_of(2, 2)).verdict, Verdict::accepted);
}

TEST_F(Chain, ANewBootWithoutALinkIsTakenAndTold) {
  take_to(1, 3);
  const Judgement judgement = take(next_of(2, 1));
  EXPECT_EQ(judgement.verdict, Verdict::accepted);
  EXPECT_TRUE(judgement.unlinked);
}

TEST_F(Chain, ANewBootThatLostItsLastBatchesIsTakenAndTold) {
  take_to(1, 3);
  const Judgement judgement = take(batch_of(2, 1, hash_of(1, 2)));
  EXPECT_EQ(judgement.verdict, Verdict::accepted);
  EXPECT_TRUE(judgement.unlinked);
  EXPECT_THAT(judgement.reason, HasSubstr("links to seq 2"));
}

TEST_F(Chain, ANewBootThatLinksElsewhereIsAFork) {
  take_to(1, 3);
  EXPECT_EQ(take(batch_of(2, 1, sha256("other"))).verdict, Verdict::forked);
  EXPECT_EQ(take(next_of(2, 2)).verdict, Verdict::gap);
  EXPECT_EQ(head.boot, boot_of(1));
  OpenBatch drop = drop_of(2, 1, 4, hash_of(2, 4));
  drop.header.previous = hash_of(1, 3);
  EXPECT_EQ(take(drop).verdict, Verdict::accepted) << "a drop statement from 1 begins the boot";
}

TEST_F(Chain, AnOlderBootCannotGoOn) {
  take_to(1, 3);
  ASSERT_EQ(take(batch_of(2, 1, hash_of(1, 3))).verdict, Verdict::accepted);
  EXPECT_EQ(take(next_of(1, 2)).verdict, Verdict::duplicate);
  EXPECT_EQ(take(next_of(1, 4)).verdict, Verdict::rolled_back);
  OpenBatch restarted = next_of(1, 1);
  restarted.hash = sha256("other");
  EXPECT_EQ(take(restarted).verdict, Verdict::rolled_back);
  EXPECT_EQ(head.boot, boot_of(2));
}

}  // namespace
}  // namespace shrike
