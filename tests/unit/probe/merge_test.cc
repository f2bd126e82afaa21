#include "agent/probe/merge.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <string>
#include <thread>
#include <vector>

#include "common/base/bytes.h"
#include "tests/unit/probe/fake_ring.h"

namespace shrike::probe {
namespace {

using test::FakeRing;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr uint64_t late = 1'000'000;

// The start of a record: eight bytes, the time, and something to know it by.
std::string record(uint64_t time_ns, uint64_t name) {
  std::string bytes(24, '\0');
  store_le(bytes.data() + 8, time_ns);
  store_le(bytes.data() + 16, name);
  return bytes;
}
uint64_t name_of(std::span<const std::byte> bytes) { return load_le<uint64_t>(bytes.data() + 16); }

std::vector<uint64_t> drained(Merge& merge, uint64_t now_ns = late) {
  std::vector<uint64_t> names;
  const size_t count = merge.drain(now_ns, [&](auto bytes) { names.push_back(name_of(bytes)); });
  EXPECT_EQ(count, names.size());
  return names;
}

TEST(Merge, PutsTheRecordsOfAllRingsInOrderOfTime) {
  FakeRing reserved(4096);
  FakeRing shard(4096);
  Merge merge({reserved.ring(), shard.ring()});
  for (const uint64_t time : {10, 40, 50}) reserved.put(record(time, time));
  for (const uint64_t time : {20, 30, 60}) shard.put(record(time, time));
  EXPECT_THAT(drained(merge), ElementsAre(10, 20, 30, 40, 50, 60));
  EXPECT_THAT(drained(merge), IsEmpty());
}

TEST(Merge, PutsRecordsOfOneRingInOrderToo) {
  FakeRing reserved(4096);
  FakeRing shard(4096);
  Merge merge({reserved.ring(), shard.ring()});
  reserved.put(record(10, 10));
  reserved.put(record(8, 8));
  shard.put(record(9, 9));
  EXPECT_THAT(drained(merge), ElementsAre(8, 9, 10));
}

TEST(Merge, TheReservedRingComesFirstAmongEquals) {
  FakeRing reserved(4096);
  FakeRing shard(4096);
  Merge merge({reserved.ring(), shard.ring()});
  shard.put(record(5, 2));
  reserved.put(record(5, 1));
  EXPECT_THAT(drained(merge), ElementsAre(1, 2));
}

TEST(Merge, WhatIsYoungerThanTheRoundWaitsForTheNextOne) {
  FakeRing reserved(4096);
  FakeRing shard(4096);
  Merge merge({reserved.ring(), shard.ring()});
  reserved.put(record(10, 1));
  reserved.put(record(30, 3));
  EXPECT_THAT(drained(merge, 20), ElementsAre(1));
  shard.put(record(25, 2));
  EXPECT_THAT(drained(merge, 40), ElementsAre(2, 3));
}

TEST(Merge, ARecordFromTheFutureIsHeldBackOneRoundOnly) {
  FakeRing reserved(4096);
  Merge merge({reserved.ring()});
  reserved.put(record(UINT64_MAX, 1));
  EXPECT_THAT(drained(merge), IsEmpty());
  EXPECT_THAT(drained(merge), ElementsAre(1));
}

TEST(Merge, ARecordStillBeingWrittenHoldsNothingUp) {
  FakeRing reserved(4096);
  FakeRing shard(4096);
  Merge merge({reserved.ring(), shard.ring()});
  const auto open = reserved.reserve(24);
  ASSERT_TRUE(open);
  reserved.put(record(20, 2));
  shard.put(record(30, 3));
  EXPECT_THAT(drained(merge), ElementsAre(2, 3));
  EXPECT_EQ(reserved.ring().consumed(), 0u) << "its room must not be given back";
  EXPECT_THAT(drained(merge), IsEmpty());
  reserved.write(*open, record(10, 1));
  reserved.commit(*open, 24);
  reserved.put(record(40, 4));
  EXPECT_THAT(drained(merge), ElementsAre(1, 4));
  EXPECT_EQ(reserved.ring().consumed(), reserved.ring().produced());
}

TEST(Merge, DiscardedRecordsAreStepedOver) {
  FakeRing reserved(4096);
  Merge merge({reserved.ring()});
  const auto first = reserved.reserve(100);
  reserved.put(record(1, 1));
  const auto last = reserved.reserve(100);
  reserved.discard(*first, 100);
  reserved.discard(*last, 100);
  EXPECT_THAT(drained(merge), ElementsAre(1));
  EXPECT_EQ(reserved.ring().consumed(), reserved.ring().produced());
}

TEST(Merge, GoesRoundTheRingManyTimes) {
  FakeRing reserved(4096);
  Merge merge({reserved.ring()});
  uint64_t next = 0;
  uint64_t expected = 0;
  for (int round = 0; round < 200; ++round) {
    while (reserved.put(record(next + 1, next))) ++next;
    for (const uint64_t name : drained(merge)) ASSERT_EQ(name, expected++);
  }
  EXPECT_EQ(expected, next);
  EXPECT_GT(next, 10'000u);
}

TEST(Merge, GivesRoomBackBeforeTheRoundIsOver) {
  FakeRing reserved(4096);
  Merge merge({reserved.ring()});
  while (reserved.put(record(1, 1))) {
  }
  bool room = false;
  size_t handed_out = 0;
  merge.drain(late, [&](auto) {
    if (++handed_out == 64) room = reserved.put(record(2, 2));
  });
  EXPECT_TRUE(room);
}

TEST(Merge, AHeaderThatCannotBeIsCountedAndSkipped) {
  FakeRing reserved(4096);
  Merge merge({reserved.ring()});
  reserved.put(record(1, 1));
  const uint64_t broken = reserved.ring().produced();
  reserved.put(record(2, 2));
  reserved.set_header(broken, 100'000);
  EXPECT_THAT(drained(merge), ElementsAre(1));
  EXPECT_EQ(merge.damaged(), 1u);
  reserved.put(record(3, 3));
  EXPECT_THAT(drained(merge), ElementsAre(3));
}

TEST(Merge, StartsWhereTheLastConsumerStopped) {
  FakeRing reserved(4096);
  reserved.put(record(1, 1));
  {
    Merge merge({reserved.ring()});
    drained(merge);
  }
  reserved.put(record(2, 2));
  Merge merge({reserved.ring()});
  EXPECT_THAT(drained(merge), ElementsAre(2));
}

// Chains of cause and effect over two rings: each writer first puts a "fork" into the reserved ring and, when that is
// done, the "event" that needs it into a shard, and then one into the reserved ring that needs the event. The clock
// is a counter that everybody reads, as the kernel's is.
TEST(Merge, NeverShowsAnEffectBeforeItsCauseWhileWritersRace) {
  FakeRing reserved(1 << 16);
  FakeRing shard(1 << 15);
  Merge merge({reserved.ring(), shard.ring()});
  std::atomic<uint64_t> clock{1};
  constexpr uint64_t chains = 20'000;
  constexpr uint64_t writers = 3;
  std::atomic<uint64_t> running{writers};
  const auto write = [&](uint64_t writer) {
    for (uint64_t i = 0; i < chains; ++i) {
      const uint64_t name = (writer * chains + i) * 4;
      for (uint64_t step = 0; step < 3; ++step) {
        const std::string bytes = record(clock.fetch_add(1), name + step);
        while (!(step == 1 ? shard : reserved).put(bytes)) std::this_thread::yield();
      }
    }
    --running;
  };
  std::vector<std::thread> threads;
  for (uint64_t writer = 0; writer < writers; ++writer) threads.emplace_back(write, writer);
  std::vector<uint8_t> reached(chains * writers);
  uint64_t wrong = 0;
  uint64_t total = 0;
  const auto check = [&](std::span<const std::byte> bytes) {
    const uint64_t name = name_of(bytes);
    if (reached[name / 4] != name % 4) ++wrong;
    ++reached[name / 4];
    ++total;
  };
  while (running > 0) merge.drain(clock.load(), check);
  for (auto& thread : threads) thread.join();
  merge.drain(clock.load(), check);
  merge.drain(clock.load(), check);
  EXPECT_EQ(total, chains * writers * 3);
  EXPECT_EQ(wrong, 0u);
}

}  // namespace
}  // namespace shrike::probe
