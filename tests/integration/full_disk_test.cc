// A disk that is full is a full spool: telemetry gives way and says so, alerts stay, the chain holds.

#include <gtest/gtest.h>
#include <sys/mount.h>
#include <unistd.h>

#include <fstream>

#include "tests/require.h"
#include "tests/unit/ship/verifier.h"

namespace shrike::ship {
namespace {
using test::drain;
using test::Verifier;

class FullDiskTest : public testing::Test, public test::Rig {
 protected:
  void SetUp() override {
    SHRIKE_NEED("root", ::geteuid() == 0);
    std::filesystem::create_directory(disk());
    mounted_ = ::mount("shrike", disk().c_str(), "tmpfs", 0, "size=2m") == 0;
    SHRIKE_NEED("root", mounted_);
    max_bytes = 64u << 20;  // far beyond the disk
  }
  void TearDown() override {
    if (mounted_) ::umount2(disk().c_str(), MNT_DETACH);
  }
  [[nodiscard]] std::string disk() const { return folder.path + "/state"; }
  /// Fills what is left of the disk with somebody else's file.
  void fill_disk() const {
    std::ofstream file(disk() + "/other", std::ios::app);
    const std::string block(4096, 'x');
    while (file.write(block.data(), static_cast<long>(block.size())).flush()) {
    }
  }
  std::deque<test::Held> drained(Spool& spool, Lane lane) { return drain(spool, lane, identity.key.public_key()); }

 private:
  bool mounted_ = false;
};

TEST_F(FullDiskTest, TelemetryGivesWayAndIsCountedAlertsStay) {
  uint64_t events = 0;
  uint64_t alerts = 0;
  {
    const auto spool = open();
    for (int i = 0; i < 200; ++i) {
      if (i == 60) fill_disk();
      if (append(*spool, Lane::telemetry, 2, 10000)) events += 2;
      if (i % 10 != 0) continue;
      ASSERT_TRUE(append(*spool, Lane::alerts, 1, 1000)) << i;
      ++alerts;
    }
    Verifier telemetry;
    for (const auto& [bytes, batch] : drained(*spool, Lane::telemetry)) {
      const Judgement judgement = telemetry.take(batch);
      ASSERT_EQ(judgement.verdict, Verdict::accepted) << judgement.reason;
    }
    EXPECT_EQ(telemetry.events + telemetry.dropped_events, events);
    EXPECT_GT(telemetry.dropped_events, 0u);
    EXPECT_EQ((spool->losses({})[{"spool_full", "telemetry"}]), telemetry.dropped_events);
  }
  // Again from the disk, still full.
  const auto spool = open();
  ASSERT_NE(spool, nullptr);
  Verifier of_alerts;
  for (const auto& [bytes, batch] : drained(*spool, Lane::alerts))
    ASSERT_EQ(of_alerts.take(batch).verdict, Verdict::accepted);
  EXPECT_EQ(of_alerts.events, alerts);
  Verifier again;
  for (const auto& [bytes, batch] : drained(*spool, Lane::telemetry))
    ASSERT_EQ(again.take(batch).verdict, Verdict::accepted);
  EXPECT_EQ(again.events + again.dropped_events, events);
}

TEST_F(FullDiskTest, WithRoomAgainItGoesOnAsBefore) {
  const auto spool = open();
  for (int i = 0; i < 50; ++i) ASSERT_TRUE(append(*spool, Lane::telemetry, 2, 10000));
  fill_disk();
  for (int i = 0; i < 100; ++i) static_cast<void>(append(*spool, Lane::telemetry, 2, 10000));
  std::filesystem::remove(disk() + "/other");
  for (int i = 0; i < 10; ++i) ASSERT_TRUE(append(*spool, Lane::telemetry, 2, 10000));
  ASSERT_TRUE(spool->sync());
  Verifier verifier;
  for (const auto& [bytes, batch] : drained(*spool, Lane::telemetry))
    ASSERT_EQ(verifier.take(batch).verdict, Verdict::accepted);
  EXPECT_EQ(verifier.head.seq + 1, spool->next_link(Lane::telemetry).seq);
}

}  // namespace
}  // namespace shrike::ship
