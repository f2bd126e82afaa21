#include "agent/ship/sealer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/wire/codec.h"
#include "tests/unit/ship/verifier.h"

namespace shrike::ship {
namespace {
using namespace std::chrono_literals;
using test::drain;
using test::Rig;
using test::Verifier;
using testing::HasSubstr;
using testing::SizeIs;

class SealerTest : public testing::Test, public Rig {
 protected:
  SealerTest() : spool(open()), sealer(*spool, {}, now) {}

  static Event event() {
    Event event;
    event.kind = EventKind::open;
    event.time_ns = 5;
    event.path.text = "/etc/passwd";
    return event;
  }
  static Alert alert(size_t message_bytes = 10) {
    Alert alert;
    alert.rule = "rule";
    for (size_t i = 0; i < message_bytes; ++i) alert.message += static_cast<char>('a' + i * i % 23);
    return alert;
  }
  std::deque<test::Held> drained(Lane lane) { return drain(*spool, lane, identity.key.public_key()); }
  void pass(std::chrono::milliseconds time) { EXPECT_TRUE(sealer.tick(now += time)); }
  /// The first heartbeats of a run, taken out of the way.
  void settle() {
    pass(0ms);
    EXPECT_THAT(drained(Lane::alerts), SizeIs(1));
    EXPECT_THAT(drained(Lane::telemetry), SizeIs(1));
  }

  Sealer::Time now{};
  std::unique_ptr<Spool> spool;
  Sealer sealer;
};

TEST_F(SealerTest, AlertsLeaveWithTheNextTick) {
  settle();
  ASSERT_TRUE(sealer.add(alert()));
  ASSERT_TRUE(sealer.add(alert()));
  pass(0ms);
  const auto held = drained(Lane::alerts);
  ASSERT_THAT(held, SizeIs(1));
  const auto payload = open_payload(held[0].batch);
  ASSERT_THAT(payload->events, SizeIs(2));
  EXPECT_EQ(decode_alert(payload->events[1])->rule, "rule");
}

TEST_F(SealerTest, TelemetryLeavesAfterASecond) {
  settle();
  ASSERT_TRUE(sealer.add(event()));
  pass(999ms);
  EXPECT_THAT(drained(Lane::telemetry), SizeIs(0));
  pass(1ms);
  EXPECT_THAT(drained(Lane::telemetry), SizeIs(1));
}

TEST_F(SealerTest, TelemetryLeavesWhenItIsFull) {
  settle();
  while (sealer.counters().batches == 2) ASSERT_TRUE(sealer.add(event()));
  const auto held = drained(Lane::telemetry);
  ASSERT_THAT(held, SizeIs(1));
  EXPECT_GE(held[0].batch.header.payload_bytes, 256u << 10);
  EXPECT_EQ(held[0].batch.header.count, sealer.counters().events);
}

TEST_F(SealerTest, HeartbeatsTellLossesWhileAllIsQuiet) {
  settle();
  sealer.set_losses({{{"ring_full", "file"}, 7}});
  sealer.set_policy(std::string(32, 'p'));
  pass(9s);
  EXPECT_THAT(drained(Lane::telemetry), SizeIs(0));
  pass(1s);
  const auto held = drained(Lane::telemetry);
  ASSERT_THAT(held, SizeIs(1));
  EXPECT_EQ(held[0].batch.header.count, 0u);
  EXPECT_EQ((held[0].batch.header.losses.at({"ring_full", "file"})), 7u);
  EXPECT_EQ(held[0].batch.header.policy_digest, std::string(32, 'p'));
  EXPECT_EQ(held[0].batch.header.agent_version, "0.1.0");
  EXPECT_EQ(held[0].batch.header.public_key, identity.key.public_key().raw());
  EXPECT_THAT(drained(Lane::alerts), SizeIs(1));
}

TEST_F(SealerTest, WhatItSealsIsOneChain) {
  Verifier verifier;
  for (int i = 0; i < 20; ++i) {
    ASSERT_TRUE(sealer.add(event()));
    pass(500ms);
  }
  ASSERT_TRUE(sealer.add(event()));
  ASSERT_TRUE(sealer.seal_all());
  for (const auto& [bytes, batch] : drained(Lane::telemetry)) {
    const Judgement judgement = verifier.take(batch);
    EXPECT_EQ(judgement.verdict, Verdict::accepted) << judgement.reason;
    EXPECT_TRUE(open_payload(batch));
  }
  EXPECT_EQ(verifier.events, 21u);
}

TEST_F(SealerTest, AnEventOrAlertTooLargeForABatchIsNotTaken) {
  settle();
  const std::string large(300000, 'x');
  Event big = event();
  big.path.text = large;
  EXPECT_THAT(sealer.add(big).error().message, HasSubstr("larger than 256 KiB"));
  EXPECT_THAT(sealer.add(alert(300000)).error().message, HasSubstr("larger than 256 KiB"));
  EXPECT_EQ((spool->losses({})[{"spool_full", "telemetry"}]), 1u);
  pass(2s);
  EXPECT_THAT(drained(Lane::telemetry), SizeIs(0));
}

class FullSealerTest : public SealerTest {
 protected:
  FullSealerTest() {
    while (append(*spool, Lane::alerts, 1, 100000).ok()) {
    }
    while (append(*spool, Lane::alerts, 1, 100).ok()) {
    }
  }
};

TEST_F(FullSealerTest, AlertsThatFindNoRoomWaitAndComeLater) {
  std::deque<test::Held> before = drained(Lane::alerts);
  const uint64_t head = spool->status(Lane::alerts).head_seq;
  ASSERT_TRUE(sealer.add(alert()));
  EXPECT_EQ(sealer.tick(now).error().code, ENOSPC);
  uint64_t taken = 1;
  while (sealer.add(alert(10000)).ok()) ++taken;
  EXPECT_FALSE(sealer.tick(now));
  EXPECT_GT(taken, 20u);
  EXPECT_EQ(spool->status(Lane::alerts).head_seq, head);

  ASSERT_TRUE(spool->acknowledge(test::ack_of(before.back())));
  pass(1ms);
  Verifier verifier;
  for (const auto& [bytes, batch] : before) verifier.take(batch);
  const uint64_t events_before = verifier.events;
  for (const auto& [bytes, batch] : drained(Lane::alerts)) EXPECT_EQ(verifier.take(batch).verdict, Verdict::accepted);
  EXPECT_EQ(verifier.events - events_before, taken);
}

TEST_F(FullSealerTest, TelemetryThatFindsNoRoomIsLostAndCounted) {
  ASSERT_TRUE(sealer.add(event()));
  ASSERT_TRUE(sealer.add(event()));
  EXPECT_FALSE(sealer.tick(now + 2s));
  EXPECT_EQ((spool->losses({})[{"spool_full", "telemetry"}]), 2u);
  EXPECT_EQ(sealer.counters().lost_events, 2u);
}

}  // namespace
}  // namespace shrike::ship
