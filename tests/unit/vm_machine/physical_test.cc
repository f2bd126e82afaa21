#include "sandbox/microvm/machine/physical.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>

namespace shrike::sandbox::microvm {
namespace {

Physical make(uint64_t bytes = 4u << 20) {
  auto physical = Physical::create(bytes);
  EXPECT_TRUE(physical.ok());
  return std::move(physical).value();
}

bool is_zero(const Physical& physical, Frame frame) {
  return std::ranges::all_of(physical.bytes(frame), [](std::byte b) { return b == std::byte{0}; });
}

void dirty(Physical& physical, Frame frame) { std::ranges::fill(physical.bytes(frame), std::byte{0xaa}); }

TEST(Physical, RefusesNoMemoryAndMoreThanAMachineMayHave) {
  EXPECT_FALSE(Physical::create(0).ok());
  EXPECT_FALSE(Physical::create(65ull << 30).ok());
}

TEST(Physical, GivesOutEveryFrameOnceAndNeverFrameZero) {
  Physical physical = make(2u << 20);
  std::vector<Frame> all;
  while (const auto frame = physical.allocate()) all.push_back(*frame);
  EXPECT_EQ(all.size(), physical.size_bytes() / page_bytes - 1);
  std::ranges::sort(all);
  EXPECT_EQ(std::ranges::adjacent_find(all), all.end());
  EXPECT_GT(all.front(), 0u);
  EXPECT_EQ(physical.used_bytes(), all.size() * page_bytes);
}

TEST(Physical, AFrameGivenBackComesAgainZeroed) {
  Physical physical = make();
  const Frame frame = *physical.allocate();
  dirty(physical, frame);
  physical.release(frame);
  const Frame again = *physical.allocate();
  EXPECT_EQ(again, frame);
  EXPECT_TRUE(is_zero(physical, again));
}

TEST(Physical, AFrameIsGivenBackByItsLastUser) {
  Physical physical = make();
  const Frame frame = *physical.allocate();
  physical.share(frame);
  EXPECT_EQ(physical.users(frame), 2u);
  physical.release(frame);
  EXPECT_EQ(physical.users(frame), 1u);
  EXPECT_NE(*physical.allocate(), frame);
}

TEST(Physical, GivesOutNoMoreThanTheLimit) {
  Physical physical = make();
  physical.set_limit(3 * page_bytes);
  const Frame first = *physical.allocate();
  EXPECT_TRUE(physical.allocate() && physical.allocate());
  EXPECT_FALSE(physical.allocate());
  EXPECT_TRUE(physical.allocate_table());
  physical.release(first);
  EXPECT_TRUE(physical.allocate());
  EXPECT_EQ(physical.peak_bytes(), 4 * page_bytes);
}

TEST(Physical, RetiredTablesAreUsedAgainOnlyWhenTheirRegionWasForgotten) {
  Physical physical = make();
  size_t forgotten = 0;
  physical.on_reuse([&] { ++forgotten; });
  const uint64_t tables = physical.tables_bytes() / page_bytes;
  std::vector<Frame> seen;
  for (uint64_t i = 0; i < tables; ++i) {
    const Frame table = *physical.allocate_table();
    EXPECT_GE(table, physical.size_bytes() / page_bytes);
    seen.push_back(table);
    dirty(physical, table);
    physical.retire_table(table);
  }
  std::ranges::sort(seen);
  EXPECT_EQ(std::ranges::adjacent_find(seen), seen.end());
  EXPECT_EQ(forgotten, 0u);
  EXPECT_TRUE(is_zero(physical, *physical.allocate_table()));
  EXPECT_EQ(forgotten, 1u);
}

TEST(Physical, TablesInUseAreNotUsedAgain) {
  Physical physical = make();
  while (physical.allocate_table()) {
  }
  EXPECT_FALSE(physical.allocate_table());
}

TEST(PhysicalDeathTest, AFrameThatIsNotGivenOutAborts) {
  Physical physical = make();
  const Frame frame = *physical.allocate();
  physical.release(frame);
  EXPECT_DEATH(physical.release(frame), "not given out");
  EXPECT_DEATH(physical.share(frame), "not given out");
  EXPECT_DEATH((void)physical.bytes(0), "no such frame");
  EXPECT_DEATH((void)physical.bytes(~0u), "no such frame");
}

// What a machine has set up before its first job.
class PhysicalTemplate : public ::testing::Test {
 protected:
  PhysicalTemplate() {
    kept = *physical.allocate();
    std::ranges::fill(physical.bytes(kept), std::byte{7});
    const Frame tried = *physical.allocate();
    dirty(physical, tried);
    physical.release(tried);
    table = *physical.allocate_table();
    physical.keep_as_template();
  }
  Physical physical = make();
  Frame kept = 0, table = 0;
};

TEST_F(PhysicalTemplate, ResetRestoresItsFramesAndZeroesAllOthers) {
  EXPECT_TRUE(physical.check_template().ok());
  std::vector<Frame> used;
  for (int i = 0; i < 700; ++i) {
    used.push_back(*physical.allocate());
    dirty(physical, used.back());
  }
  for (size_t i = 0; i < used.size(); i += 2) physical.release(used[i]);
  dirty(physical, kept);
  dirty(physical, table);
  dirty(physical, *physical.allocate_table());
  physical.mark_stale(used[1]);
  EXPECT_FALSE(physical.check_template().ok());

  EXPECT_GE(physical.reset(), 703u);
  const auto same = physical.check_template();
  EXPECT_TRUE(same.ok()) << same.error().message;
  EXPECT_EQ(physical.bytes(kept)[0], std::byte{7});
  EXPECT_TRUE(is_zero(physical, used[0]) && is_zero(physical, used[699]));
  EXPECT_EQ(physical.used_bytes(), 2 * page_bytes);
  EXPECT_EQ(*physical.allocate(), used[0]);
}

TEST_F(PhysicalTemplate, ADifferenceIsNamed) {
  const Frame frame = *physical.allocate();
  physical.bytes(frame)[4095] = std::byte{1};
  physical.release(frame);
  const auto found = physical.check_template();
  ASSERT_FALSE(found.ok());
  EXPECT_EQ(found.error().message, "frame " + std::to_string(frame) + " is not zero");
}

TEST_F(PhysicalTemplate, TablesOfTheLastJobAreNotUsedBeforeTheyAreForgotten) {
  size_t forgotten = 0;
  physical.on_reuse([&] { ++forgotten; });
  const Frame before = *physical.allocate_table();
  for (int job = 0; job < 3; ++job) {
    physical.reset();
    EXPECT_GT(*physical.allocate_table(), before);
    EXPECT_EQ(forgotten, 0u);
  }
  while (forgotten == 0) {
    physical.reset();
    ASSERT_TRUE(physical.allocate_table());
  }
  dirty(physical, before);
  physical.reset();
  EXPECT_TRUE(physical.check_template().ok());
}

TEST_F(PhysicalTemplate, AFrameThatWasOnceUsedIsCheckedInEveryLaterJob) {
  const Frame first = *physical.allocate();
  const Frame second = *physical.allocate();
  (void)first;
  physical.reset();
  physical.bytes(second)[0] = std::byte{1};
  EXPECT_FALSE(physical.check_template().ok());
}

}  // namespace
}  // namespace shrike::sandbox::microvm
