#include "collector/watch.h"

#include <gtest/gtest.h>

#include "collector/acks.h"
#include "collector/quarantine.h"
#include "tests/unit/collector/folder.h"
#include "tests/unit/collector/made.h"

namespace shrike::collector {
namespace {

constexpr uint64_t second = 1'000'000'000;
constexpr uint64_t start = 1'000'000 * second;

std::string field(const Alert& alert, const std::string& name) {
  for (const auto& [key, value] : alert.fields)
    if (key == name) return value;
  return "none";
}

TEST(Watch, TellsGrowingLossesExactlyAndNotTooOften) {
  Watch watch;
  test::MadeChain chain;
  EXPECT_TRUE(watch.accepted(chain.next(), start).empty());
  chain.losses = {{{"ring_full", "file"}, 10}};
  auto alerts = watch.accepted(chain.next(), start + second);
  ASSERT_EQ(alerts.size(), 1u);
  EXPECT_EQ(alerts[0].rule, "Events lost");
  EXPECT_EQ(field(alerts[0], "lost.ring_full.file"), "10");
  // The other lane carries the same counters: told once.
  test::MadeChain other = chain;
  other.lane = Lane::alerts;
  EXPECT_TRUE(watch.accepted(other.next(), start + second).empty());
  chain.losses = {{{"ring_full", "file"}, 25}, {{"queue_full", "telemetry"}, 5}};
  EXPECT_TRUE(watch.accepted(chain.next(), start + 2 * second).empty());
  EXPECT_TRUE(watch.tick(start + 3 * second).empty());
  alerts = watch.tick(start + 12 * second);
  ASSERT_EQ(alerts.size(), 1u);
  EXPECT_EQ(field(alerts[0], "lost"), "20");
  EXPECT_EQ(alerts[0].count, 20u);
  EXPECT_TRUE(watch.tick(start + 60 * second).empty());
}

TEST(Watch, CountsAnewWithANewBootAndAfterARestartOfTheAgent) {
  Watch watch;
  test::MadeChain chain;
  chain.losses = {{{"ring_full", "file"}, 10}};
  EXPECT_EQ(watch.accepted(chain.next(), start).size(), 1u);
  chain.losses = {{{"ring_full", "file"}, 4}};
  auto alerts = watch.accepted(chain.next(), start + 20 * second);
  ASSERT_EQ(alerts.size(), 1u);
  EXPECT_EQ(field(alerts[0], "lost"), "4");
  chain.reboot(2);
  chain.losses = {{{"ring_full", "file"}, 7}};
  alerts = watch.accepted(chain.next(), start + 40 * second);
  ASSERT_EQ(alerts.size(), 1u);
  EXPECT_EQ(field(alerts[0], "lost"), "7");
}

TEST(Watch, TellsAGapOnlyWhenItStays) {
  Watch watch;
  test::MadeChain chain;
  chain.seq = 4;
  watch.gap(chain.next(), "node web-1, lane telemetry, seq 5: expected seq 2", start);
  EXPECT_TRUE(watch.tick(start + 29 * second).empty());
  const auto alerts = watch.tick(start + 31 * second);
  ASSERT_EQ(alerts.size(), 1u);
  EXPECT_EQ(alerts[0].rule, "Batches missing");
  EXPECT_EQ(alerts[0].evidence.seq, 5u);
  EXPECT_TRUE(watch.tick(start + 60 * second).empty());
  EXPECT_EQ(watch.tick(start + 700 * second).size(), 1u);
  watch.accepted(chain.next(), start + 701 * second);
  EXPECT_TRUE(watch.tick(start + 7000 * second).empty());
}

TEST(Limiter, LetsABurstThroughThenCountsWhatItHoldsBack) {
  Limiter limiter(second, 2, 4);
  EXPECT_EQ(limiter.pass("a", start), 0u);
  EXPECT_EQ(limiter.pass("a", start), 0u);
  EXPECT_FALSE(limiter.pass("a", start));
  EXPECT_FALSE(limiter.pass("a", start));
  EXPECT_EQ(limiter.pass("b", start), 0u);
  EXPECT_EQ(limiter.pass("a", start + second), 2u);
  // More names than it will remember share what is left.
  size_t passed = 0;
  for (int i = 0; i < 1000; ++i)
    if (limiter.pass("n" + std::to_string(i), start + second)) ++passed;
  EXPECT_LE(passed, 6u);
}

TEST(Acks, AreRepeatedForTenMinutesAndSayWhyAnAgentStands) {
  const PrivateKey key = PrivateKey::generate();
  AckBook book(key, "c1");
  EXPECT_FALSE(book.heard("web-1", Lane::alerts, Verdict::gap, start));
  const ChainHead head{test::boot_id(1), 7, sha256("x"), true};
  const auto first = book.advance("web-1", Lane::alerts, head, start);
  const auto opened = open_ack(first.bytes, key.public_key());
  ASSERT_TRUE(opened.ok());
  EXPECT_EQ(opened->seq, 7u);
  EXPECT_EQ(opened->hash, head.hash);
  EXPECT_EQ(opened->collector, "c1");
  EXPECT_TRUE(book.due(start + second).empty());
  EXPECT_EQ(book.due(start + 2 * second).size(), 1u);
  EXPECT_TRUE(book.due(start + 3 * second).empty());
  const auto gap = book.heard("web-1", Lane::alerts, Verdict::gap, start + 3 * second);
  ASSERT_TRUE(gap);
  EXPECT_EQ(gap->body.verdict, Verdict::gap);
  EXPECT_EQ(gap->body.seq, 7u);
  EXPECT_FALSE(book.heard("web-1", Lane::alerts, Verdict::gap, start + 3 * second + second / 10));
  EXPECT_TRUE(book.due(start + 700 * second).empty());
}

class Quarantines : public test::Folder {};

TEST_F(Quarantines, KeepTheNewestWithinTheirBounds) {
  Quarantine quarantine(dir + "/quarantine");
  VerdictRow row;
  row.node = "web-1";
  row.verdict = Verdict::forged;
  for (uint64_t i = 0; i < 100; ++i) {
    row.received_ns = start + i;
    row.seq = i;
    ASSERT_TRUE(quarantine.keep(row, std::string(500'000, 'x')).ok());
  }
  uint64_t bytes = 0;
  size_t files = 0;
  bool newest = false;
  for (const auto& entry : std::filesystem::directory_iterator(dir + "/quarantine")) {
    bytes += entry.file_size();
    ++files;
    newest = newest || entry.path().filename().string().ends_with("forged-web-1-telemetry-99.batch");
  }
  EXPECT_LE(files, Quarantine::files_max);
  EXPECT_LE(bytes, Quarantine::bytes_max);
  EXPECT_TRUE(newest);
}

}  // namespace
}  // namespace shrike::collector
