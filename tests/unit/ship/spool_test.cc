#include "agent/ship/spool.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "tests/unit/ship/verifier.h"

namespace shrike::ship {
namespace {
using test::ack_of;
using test::drain;
using test::Rig;
using test::Verifier;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

class SpoolTest : public testing::Test, public Rig {
 protected:
  std::deque<test::Held> drained(Spool& spool, Lane lane = Lane::telemetry) {
    return drain(spool, lane, identity.key.public_key());
  }
  void fill(Spool& spool, int count, Lane lane = Lane::telemetry, uint32_t events = 3, size_t bytes = 100) {
    for (int i = 0; i < count; ++i) {
      const auto appended = append(spool, lane, events, bytes);
      ASSERT_TRUE(appended) << appended.error().message;
    }
  }
  void expect_whole(const std::deque<test::Held>& held, Verifier& verifier) {
    for (const auto& [bytes, batch] : held) {
      const Judgement judgement = verifier.take(batch);
      EXPECT_EQ(judgement.verdict, Verdict::accepted) << judgement.reason;
    }
  }
};

TEST_F(SpoolTest, GivesBatchesOutInTheOrderTheyCameIn) {
  const auto spool = open();
  fill(*spool, 5);
  fill(*spool, 2, Lane::alerts);
  const auto telemetry = drained(*spool);
  ASSERT_THAT(telemetry, SizeIs(5));
  EXPECT_EQ(telemetry[0].batch.header.seq, 1u);
  EXPECT_EQ(telemetry[0].batch.header.previous, Digest{});
  Verifier verifier;
  expect_whole(telemetry, verifier);
  EXPECT_THAT(drained(*spool, Lane::alerts), SizeIs(2));
  EXPECT_THAT(drained(*spool), IsEmpty());
  spool->rewind(Lane::telemetry);
  EXPECT_THAT(drained(*spool), SizeIs(5));
}

TEST_F(SpoolTest, AppendTellsWhoWaits) {
  const auto spool = open();
  int told = 0;
  spool->on_append([&] { ++told; });
  fill(*spool, 2);
  EXPECT_EQ(told, 2);
}

TEST_F(SpoolTest, AnAcknowledgedBatchIsNotGivenOutAgain) {
  const auto spool = open();
  fill(*spool, 5);
  const auto held = drained(*spool);
  ASSERT_TRUE(spool->acknowledge(ack_of(held[2])));
  spool->rewind(Lane::telemetry);
  const auto rest = drained(*spool);
  ASSERT_THAT(rest, SizeIs(2));
  EXPECT_EQ(rest[0].batch.header.seq, 4u);
  EXPECT_EQ(spool->status(Lane::telemetry).pending, 2u);
  EXPECT_EQ(spool->status(Lane::telemetry).acked_seq, 3u);
  EXPECT_TRUE(spool->acknowledge(ack_of(held[0]))) << "an older one changes nothing";
  EXPECT_EQ(spool->status(Lane::telemetry).acked_seq, 3u);
}

TEST_F(SpoolTest, SegmentsGoOnlyWhenAllInThemIsAcknowledgedAndTheNewestStays) {
  const auto spool = open();
  fill(*spool, 12, Lane::telemetry, 1, 60000);
  ASSERT_GT(segments(Lane::telemetry).size(), 3u);
  const auto held = drained(*spool);
  ASSERT_TRUE(spool->acknowledge(ack_of(held[10])));
  EXPECT_THAT(segments(Lane::telemetry), SizeIs(1));
  ASSERT_TRUE(spool->acknowledge(ack_of(held[11])));
  EXPECT_THAT(segments(Lane::telemetry), SizeIs(1));
  EXPECT_EQ(spool->status(Lane::telemetry).pending, 0u);
}

TEST_F(SpoolTest, AcknowledgementsOfWhatItNeverHadAreRefused) {
  const auto spool = open();
  fill(*spool, 2);
  const auto held = drained(*spool);
  AckBody ahead = ack_of(held[1]);
  ahead.seq = 3;
  EXPECT_THAT(spool->acknowledge(ahead).error().message, HasSubstr("the last one sealed is 2"));
  AckBody other = ack_of(held[1]);
  other.boot.fill(9);
  EXPECT_THAT(spool->acknowledge(other).error().message, HasSubstr("is not in this spool"));
  AckBody wrong = ack_of(held[1]);
  wrong.hash = sha256("other");
  EXPECT_THAT(spool->acknowledge(wrong).error().message, HasSubstr("another batch"));
  AckBody node = ack_of(held[1]);
  node.node = "web-2";
  EXPECT_THAT(spool->acknowledge(node).error().message, HasSubstr("for node web-2"));
  EXPECT_EQ(spool->status(Lane::telemetry).pending, 2u);
}

TEST_F(SpoolTest, GoesOnWithItsChainAfterARestart) {
  Verifier verifier;
  {
    const auto spool = open();
    fill(*spool, 3);
    ASSERT_TRUE(spool->acknowledge(ack_of(drained(*spool)[1])));
  }
  const auto spool = open();
  EXPECT_THAT(spool->take_repairs(), IsEmpty());
  EXPECT_EQ(spool->next_link(Lane::telemetry).seq, 4u);
  fill(*spool, 2);
  const auto held = drained(*spool);
  ASSERT_THAT(held, SizeIs(3)) << "the two acknowledged ones do not come again";
  expect_whole(held, verifier);
  EXPECT_EQ(held[2].batch.header.seq, 5u);
}

TEST_F(SpoolTest, GoesOnWithItsChainWhenTheStateFileIsOldOrAllIsAcknowledged) {
  {
    const auto spool = open();
    fill(*spool, 2);
    ASSERT_TRUE(spool->sync());
    std::filesystem::copy_file(folder.path + "/state/chain", folder.path + "/old");
    fill(*spool, 3);
    const auto held = drained(*spool);
    ASSERT_TRUE(spool->acknowledge(ack_of(held.back())));
  }
  std::filesystem::rename(folder.path + "/old", folder.path + "/state/chain");
  const auto spool = open();
  EXPECT_EQ(spool->next_link(Lane::telemetry).seq, 6u);
}

TEST_F(SpoolTest, ANewBootOfTheHostLinksToTheLastBatchOfTheOneBefore) {
  Verifier verifier;
  {
    const auto spool = open();
    fill(*spool, 3);
  }
  host_boot("22222222-2222-2222-2222-222222222222");
  {
    const auto spool = open();
    EXPECT_EQ(spool->next_link(Lane::telemetry).seq, 1u);
    fill(*spool, 2);
    const auto held = drained(*spool);
    ASSERT_THAT(held, SizeIs(5));
    expect_whole(held, verifier);
    EXPECT_NE(held[0].batch.header.boot, held[4].batch.header.boot);
    EXPECT_EQ(held[3].batch.header.previous, held[2].batch.hash);
    ASSERT_TRUE(spool->acknowledge(ack_of(held[3])));
    EXPECT_EQ(spool->status(Lane::telemetry).pending, 1u);
  }
  host_boot("33333333-3333-3333-3333-333333333333");
  const auto spool = open();
  fill(*spool, 1);
  const auto held = drained(*spool);
  ASSERT_THAT(held, SizeIs(2));
  EXPECT_EQ(verifier.take(held[0].batch).verdict, Verdict::duplicate);
  EXPECT_EQ(verifier.take(held[1].batch).verdict, Verdict::accepted);
}

TEST_F(SpoolTest, ALostOrBrokenStateFileBeginsANewBootThatLinksToTheSpoolsTail) {
  for (const bool broken : {false, true}) {
    Verifier verifier;
    {
      const auto spool = open();
      fill(*spool, 3);
    }
    std::filesystem::remove(folder.path + "/state/chain");
    if (broken) {
      ASSERT_TRUE(write_file_atomic(folder.path + "/state/chain", "shrike chain 1\nnonsense\n"));
    }
    const auto spool = open();
    const auto repairs = spool->take_repairs();
    EXPECT_EQ(repairs.size(), broken ? 1u : 0u);
    EXPECT_EQ(spool->next_link(Lane::telemetry).seq, 1u);
    fill(*spool, 1);
    const auto held = drained(*spool);
    for (const auto& [bytes, batch] : held) EXPECT_FALSE(verifier.take(batch).verdict != Verdict::accepted);
    ASSERT_TRUE(spool->acknowledge(ack_of(held.back())));
  }
}

TEST_F(SpoolTest, ATornTailIsCutAndToldAndItsSeqUsedAgain) {
  {
    const auto spool = open();
    fill(*spool, 3);
  }
  const std::string path = segments(Lane::telemetry)[0];
  const std::string whole = *read_file(path);
  const auto second_end = scan_segment(whole).records[1].end();
  // Every length that a write can have had when the agent died.
  for (size_t size = second_end + 1; size < whole.size(); size += 7) {
    std::filesystem::remove(folder.path + "/state/chain");  // as it was before the third was synced
    ASSERT_TRUE(write_file_atomic(path, whole.substr(0, size)));
    const auto spool = open();
    EXPECT_THAT(spool->take_repairs(), testing::ElementsAre(HasSubstr("cut")));
    EXPECT_EQ(std::filesystem::file_size(path), second_end);
    EXPECT_THAT(drained(*spool), SizeIs(2));
  }
}

TEST_F(SpoolTest, BatchesThatVanishFromTheEndBecomeADropStatement) {
  Verifier verifier;
  {
    const auto spool = open();
    fill(*spool, 4);
    ASSERT_TRUE(spool->sync());
  }
  const std::string path = segments(Lane::telemetry)[0];
  std::filesystem::resize_file(path, scan_segment(*read_file(path)).records[1].offset + 20);
  const auto spool = open();
  EXPECT_THAT(spool->take_repairs(), testing::ElementsAre(HasSubstr("cut"), HasSubstr("batches 2 to 4 vanished")));
  fill(*spool, 1);
  const auto held = drained(*spool);
  ASSERT_THAT(held, SizeIs(3));
  expect_whole(held, verifier);
  ASSERT_TRUE(held[1].batch.header.drop);
  EXPECT_EQ(held[1].batch.header.drop->first, 2u);
  EXPECT_EQ(held[1].batch.header.drop->last, 4u);
  EXPECT_EQ(held[1].batch.header.drop->cause, "spool_damaged");
  EXPECT_EQ(held[2].batch.header.seq, 5u);
  EXPECT_EQ((verifier.losses[{"spool_damaged", "telemetry"}]), 3u);
}

TEST_F(SpoolTest, DamageInTheMiddleKeepsTheRestAndIsExplained) {
  {
    const auto spool = open();
    fill(*spool, 6);
  }
  const std::string path = segments(Lane::telemetry)[0];
  const std::string whole = *read_file(path);
  const auto records = scan_segment(whole).records;
  for (const size_t at : {records[2].offset, records[2].offset + 5, records[2].offset + 9, records[2].offset + 100}) {
    Verifier verifier;
    std::string broken = whole;
    broken[at] = static_cast<char>(broken[at] ^ 0x40);
    ASSERT_TRUE(write_file_atomic(path, broken));
    const auto spool = open();
    const auto repairs = spool->take_repairs();
    ASSERT_THAT(repairs, SizeIs(2)) << at;
    EXPECT_THAT(repairs[0], HasSubstr(path + ": offset " + std::to_string(records[2].offset)));
    EXPECT_THAT(repairs[1], HasSubstr("batch 3 cannot be read"));
    const auto held = drained(*spool);
    ASSERT_THAT(held, SizeIs(6));
    expect_whole(held, verifier);
    EXPECT_EQ(held[2].batch.header.drop->last_hash, held[3].batch.header.previous);
    EXPECT_EQ(*read_file(std::string(path).replace(path.size() - 3, 3, "damaged")), broken) << "kept for people";
  }
}

TEST_F(SpoolTest, DamageFoundWhileReadingIsRepairedToo) {
  Verifier verifier;
  const auto spool = open();
  fill(*spool, 6);
  const std::string path = segments(Lane::telemetry)[0];
  const auto records = scan_segment(*read_file(path)).records;
  {
    std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(static_cast<std::streamoff>(records[5].offset + 50));
    file.put('\x55').put('\x55');
  }
  const auto held = drained(*spool);
  EXPECT_THAT(spool->take_repairs(), SizeIs(2));
  fill(*spool, 1);
  const auto rest = drained(*spool);
  std::deque<test::Held> all;
  spool->rewind(Lane::telemetry);
  all = drained(*spool);
  ASSERT_THAT(all, SizeIs(7));
  expect_whole(all, verifier);
  EXPECT_TRUE(all[5].batch.header.drop);
}

TEST_F(SpoolTest, ASegmentThatDisappearsIsExplained) {
  Verifier verifier;
  {
    const auto spool = open();
    fill(*spool, 12, Lane::telemetry, 1, 60000);
  }
  std::filesystem::remove(segments(Lane::telemetry)[1]);
  const auto spool = open();
  EXPECT_THAT(spool->take_repairs(), testing::ElementsAre(HasSubstr("cannot be read")));
  const auto held = drained(*spool);
  expect_whole(held, verifier);
  EXPECT_EQ(verifier.head.seq, 12u);
}

TEST_F(SpoolTest, AFullSpoolDropsTheOldestTelemetryAndSaysSo) {
  max_bytes = 1u << 20;
  Verifier verifier;
  const auto spool = open();
  fill(*spool, 100, Lane::telemetry, 4, 10000);
  EXPECT_LE(spool->status(Lane::telemetry).bytes, max_bytes * 3 / 4);
  fill(*spool, 1);
  const auto held = drained(*spool);
  expect_whole(held, verifier);
  ASSERT_TRUE(held[0].batch.header.drop) << "consecutive ones are one";
  EXPECT_EQ(held[0].batch.header.drop->first, 1u);
  EXPECT_FALSE(held[1].batch.header.drop);
  EXPECT_EQ(verifier.events + verifier.dropped_events, 100u * 4 + 3);
  EXPECT_EQ((verifier.losses[{"spool_full", "telemetry"}]), verifier.dropped_events);
  EXPECT_EQ(verifier.head.seq, 101u);
}

TEST_F(SpoolTest, ADropStatementThatMayHaveBeenSentIsNotChanged) {
  max_bytes = 1u << 20;
  Verifier verifier;
  const auto spool = open();
  fill(*spool, 40, Lane::telemetry, 4, 10000);
  auto first = spool->next(Lane::telemetry);
  ASSERT_TRUE((*first)->statement);
  fill(*spool, 40, Lane::telemetry, 4, 10000);
  spool->rewind(Lane::telemetry);
  const auto held = drained(*spool);
  EXPECT_EQ(held[0].bytes, (*first)->bytes);
  EXPECT_TRUE(held[1].batch.header.drop);
  expect_whole(held, verifier);
  EXPECT_EQ(verifier.events + verifier.dropped_events, 80u * 4);
}

TEST_F(SpoolTest, BatchesDroppedWhileTheyAreOnTheirWayDoNotBreakTheChain) {
  max_bytes = 1u << 20;
  Verifier verifier;
  const auto spool = open();
  fill(*spool, 10, Lane::telemetry, 4, 10000);
  for (int i = 0; i < 3; ++i) verifier.take(open_batch(spool->next(Lane::telemetry).value()->bytes).value());
  fill(*spool, 60, Lane::telemetry, 4, 10000);
  expect_whole(drained(*spool), verifier);
  EXPECT_EQ(verifier.head.seq, 70u);
}

TEST_F(SpoolTest, AlertsAreNeverDroppedAndPushTelemetryOut) {
  max_bytes = 1u << 20;
  const auto spool = open();
  fill(*spool, 20, Lane::telemetry, 4, 10000);
  Result<void> appended;
  int taken = 0;
  while ((appended = append(*spool, Lane::alerts, 1, 10000)).ok()) ++taken;
  EXPECT_EQ(appended.error().code, ENOSPC);
  EXPECT_THAT(appended.error().message, HasSubstr("full of alerts"));
  EXPECT_GT(taken, 90) << "telemetry gave way";
  Verifier alerts;
  const auto held = drained(*spool, Lane::alerts);
  EXPECT_EQ(held.size(), static_cast<size_t>(taken));
  expect_whole(held, alerts);
  Verifier telemetry;
  expect_whole(drained(*spool), telemetry);
  EXPECT_EQ(telemetry.dropped_events, 80u);
  // Once the collector has them, there is room again.
  ASSERT_TRUE(spool->acknowledge(ack_of(held.back())));
  EXPECT_TRUE(append(*spool, Lane::alerts, 1, 10000));
}

TEST_F(SpoolTest, TelemetryLeavesAQuarterToAlerts) {
  max_bytes = 1u << 20;
  const auto spool = open();
  fill(*spool, 100, Lane::telemetry, 4, 10000);
  const uint64_t before = spool->losses({})[{"spool_full", "telemetry"}];
  for (int i = 0; i < 20; ++i) ASSERT_TRUE(append(*spool, Lane::alerts, 1, 10000));
  EXPECT_EQ((spool->losses({})[{"spool_full", "telemetry"}]), before);
}

TEST_F(SpoolTest, LossesGoOnCountingOverRestartsAndBeginAnewWithABoot) {
  max_bytes = 1u << 20;
  const LossKey key{"spool_full", "telemetry"};
  uint64_t before = 0;
  {
    const auto spool = open();
    fill(*spool, 60, Lane::telemetry, 4, 10000);
    before = spool->losses({})[key];
    EXPECT_GT(before, 0u);
  }
  {
    const auto spool = open();
    EXPECT_EQ(spool->losses({})[key], before);
    EXPECT_EQ((spool->losses({{{"ring_full", "file"}, 7}})[{"ring_full", "file"}]), 7u);
  }
  host_boot("22222222-2222-2222-2222-222222222222");
  const auto spool = open();
  EXPECT_EQ(spool->losses({})[key], 0u);
}

TEST_F(SpoolTest, ACollectorThatLostWhatItHadIsToldThatItCannotBeSentAgain) {
  Verifier verifier;
  const auto spool = open();
  fill(*spool, 12, Lane::telemetry, 1, 60000);
  const auto held = drained(*spool);
  verifier.take(held[0].batch);
  verifier.take(held[1].batch);
  ASSERT_TRUE(spool->acknowledge(ack_of(held[8])));
  // Its disk is set back to after batch 2.
  AckBody gap = ack_of(held[1]);
  gap.verdict = Verdict::gap;
  ASSERT_TRUE(spool->acknowledge(gap));
  fill(*spool, 1);
  spool->rewind(Lane::telemetry);
  const auto rest = drained(*spool);
  ASSERT_TRUE(rest[0].batch.header.drop);
  EXPECT_EQ(rest[0].batch.header.drop->first, 3u);
  expect_whole(rest, verifier);
  EXPECT_EQ(verifier.head.seq, 13u);
}

TEST_F(SpoolTest, ABatchThatIsNotOursIsReplacedSoThatTheLaneGoesOn) {
  Verifier verifier;
  const auto spool = open();
  fill(*spool, 4);
  verifier.take(open_batch(spool->next(Lane::telemetry).value()->bytes).value());
  spool->rewind(Lane::telemetry);
  AckBody ack = ack_of(drained(*spool)[0]);
  ASSERT_TRUE(spool->acknowledge(ack));
  ASSERT_TRUE(spool->condemn_first(Lane::telemetry));
  EXPECT_THAT(spool->take_repairs(), testing::ElementsAre(HasSubstr("not signed by this node")));
  const auto held = drained(*spool);
  ASSERT_THAT(held, SizeIs(3));
  EXPECT_EQ(held[0].batch.header.drop->first, 2u);
  expect_whole(held, verifier);
}

TEST_F(SpoolTest, LeftoversOfInterruptedReplacementsDoNoHarm) {
  max_bytes = 1u << 20;
  Verifier verifier;
  std::string statement;
  std::string path;
  {
    const auto spool = open();
    fill(*spool, 20, Lane::telemetry, 4, 10000);
    // A kill between writing the merged statement and removing the one it covers leaves both.
    while (statement.empty()) {
      fill(*spool, 1, Lane::telemetry, 4, 10000);
      for (const std::string& file : segments(Lane::telemetry))
        if (std::filesystem::file_size(file) < 1000) {
          path = file;
          statement = *read_file(file);
          break;
        }
    }
    while (std::filesystem::exists(path)) fill(*spool, 1, Lane::telemetry, 4, 10000);
  }
  ASSERT_TRUE(write_file_atomic(path, statement));
  ASSERT_TRUE(write_file_atomic(lane_folder(Lane::telemetry) + "/000000000001.seg.new", "half"));
  const auto spool = open();
  EXPECT_FALSE(std::filesystem::exists(lane_folder(Lane::telemetry) + "/000000000001.seg.new"));
  expect_whole(drained(*spool), verifier);
}

TEST_F(SpoolTest, TwoAgentsCannotHaveOneStateFolder) {
  auto first = open();
  EXPECT_THAT(Spool::open(options(), identity).error().message, HasSubstr("another agent is using it"));
  first.reset();
  EXPECT_TRUE(Spool::open(options(), identity));
}

TEST_F(SpoolTest, TooSmallALimitIsRefused) {
  max_bytes = 1000;
  EXPECT_THAT(Spool::open(options(), identity).error().message, HasSubstr("max_bytes"));
}

}  // namespace
}  // namespace shrike::ship
