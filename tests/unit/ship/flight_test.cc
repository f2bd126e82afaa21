#include "agent/ship/flight.h"

#include <gtest/gtest.h>

namespace shrike::ship {
namespace {
using namespace std::chrono_literals;

class FlightTest : public testing::Test {
 protected:
  void send(uint64_t seq, size_t bytes = 100) { flight.on_sent(boot, seq, bytes, now); }
  void ack(uint64_t seq, Verdict verdict = Verdict::accepted) { flight.on_ack(boot, seq, verdict, now); }

  BootId boot{};
  FlightLimits limits;
  Flight flight{limits};
  Flight::Time now{};
};

TEST_F(FlightTest, LetsOnlyAWindowOfBatchesAndBytesLeave) {
  for (uint64_t seq = 1; flight.has_room(); ++seq) send(seq);
  EXPECT_EQ(flight.in_flight(), limits.batches);
  ack(10);
  EXPECT_TRUE(flight.has_room());
  EXPECT_EQ(flight.in_flight(), limits.batches - 10);
  flight.restart(now);
  ack(0);
  send(1, limits.bytes + 1);
  EXPECT_FALSE(flight.has_room());
}

TEST_F(FlightTest, SendsAgainWhenNothingMovesAndWaitsLongerEachTime) {
  auto wait = limits.resend_after;
  for (int i = 0; i < 6; ++i) {
    send(1);
    EXPECT_FALSE(flight.due(now + wait - 1ms));
    EXPECT_EQ(flight.deadline(), now + wait);
    now += wait;
    EXPECT_TRUE(flight.due(now));
    flight.restart(now);
    EXPECT_FALSE(flight.due(now + 1h)) << "nothing is on its way";
    wait = std::min(wait * 2, limits.resend_most);
  }
  send(1);
  ack(1);
  send(2);
  EXPECT_EQ(flight.deadline(), now + limits.resend_after) << "progress ends the patience";
}

TEST_F(FlightTest, AnswersSilenceWithOneBatchAtATime) {
  send(1);
  send(2);
  flight.restart(now += 5s);
  EXPECT_EQ(flight.salt(), 0u) << "what is still on its way must not be doubled";
  send(1);
  send(2);
  flight.restart(now += 10s);
  EXPECT_GT(flight.salt(), 0u);
  send(1);
  EXPECT_FALSE(flight.has_room());
  ack(1);
  EXPECT_TRUE(flight.has_room());
  send(2);
  EXPECT_TRUE(flight.has_room());
}

TEST_F(FlightTest, AGapIsAnsweredSoonAndUnderNewIds) {
  send(5);
  send(6);
  ack(3, Verdict::gap);
  EXPECT_TRUE(flight.due(now + limits.retry_after));
  now += limits.retry_after;
  flight.restart(now);
  EXPECT_EQ(flight.salt(), 1u);
  EXPECT_TRUE(flight.has_room());
  send(4);
  EXPECT_TRUE(flight.has_room()) << "the collector is there: no need for one at a time";
  ack(3, Verdict::gap);
  EXPECT_FALSE(flight.due(now + limits.retry_after)) << "gaps of what left before do not hurry it";
  ack(4);
  EXPECT_EQ(flight.in_flight(), 0u);
}

TEST_F(FlightTest, RepeatedAcknowledgementsAloneAreNoReasonToHurry) {
  send(5);
  ack(4);
  EXPECT_EQ(flight.deadline(), now + limits.resend_after);
  now += limits.resend_after;
  flight.restart(now);
  EXPECT_EQ(flight.salt(), 1u) << "the collector speaks and does not have it: its id must be new";
}

TEST_F(FlightTest, ANewConnectionSendsAllAgainUnderTheSameIds) {
  send(1);
  send(2);
  flight.on_connected(now);
  EXPECT_TRUE(flight.due(now));
  flight.restart(now);
  EXPECT_EQ(flight.salt(), 0u);
  EXPECT_TRUE(flight.has_room());
}

TEST_F(FlightTest, ARefusalIsTriedAgainWithOneBatchAtATime) {
  send(1);
  send(2);
  flight.on_refused(now);
  EXPECT_TRUE(flight.due(now + limits.retry_after));
  flight.restart(now);
  send(1);
  EXPECT_FALSE(flight.has_room());
}

TEST_F(FlightTest, AnAcknowledgementOfALaterBootIsForTheEarlierOneToo) {
  send(7);
  BootId later{};
  later[0] = 1;
  flight.on_sent(later, 1, 100, now);
  flight.on_ack(later, 1, Verdict::accepted, now);
  EXPECT_EQ(flight.in_flight(), 0u);
}

}  // namespace
}  // namespace shrike::ship
