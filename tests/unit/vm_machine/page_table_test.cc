#include "sandbox/microvm/machine/page_table.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace shrike::sandbox::microvm {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

constexpr Protection read_only{}, read_write{.write = true}, code{.execute = true};

class PageTableTest : public ::testing::Test {
 protected:
  Physical physical = std::move(Physical::create(4u << 20)).value();
  PageTable table = std::move(PageTable::create(physical)).value();
};

TEST_F(PageTableTest, FindsWhatWasMappedAndNothingElse) {
  const Frame frame = *physical.allocate();
  ASSERT_TRUE(table.map(0x400000, frame, code));
  ASSERT_TRUE(table.find(0x400000));
  EXPECT_EQ(table.find(0x400123)->frame, frame);
  EXPECT_EQ(table.find(0x400000)->protection, code);
  EXPECT_FALSE(table.find(0x401000));
  EXPECT_FALSE(table.find(0x7fff'ffff'e000));
  EXPECT_FALSE(table.find(~0ull));
  EXPECT_FALSE(table.find(1ull << 63 | 0x400000));
}

TEST_F(PageTableTest, TakingAwayMakesStaleAndAddingDoesNot) {
  const Frame frame = *physical.allocate();
  ASSERT_TRUE(table.map(0x10000, frame, read_only));
  table.protect(0x10000, read_write);
  EXPECT_THAT(physical.take_stale(), IsEmpty());
  table.protect(0x10000, code);
  EXPECT_THAT(physical.take_stale(), ElementsAre(frame));
  table.protect(0x10000, read_only);
  EXPECT_THAT(physical.take_stale(), ElementsAre(frame));
  table.unmap(0x10000);
  EXPECT_THAT(physical.take_stale(), ElementsAre(frame));
  table.unmap(0x10000);
  table.protect(0x10000, read_write);
  EXPECT_THAT(physical.take_stale(), IsEmpty());
}

TEST_F(PageTableTest, UnmappingGivesBackOneUse) {
  const Frame frame = *physical.allocate();
  physical.share(frame);
  ASSERT_TRUE(table.map(0x10000, frame, read_only));
  table.unmap(0x10000);
  EXPECT_EQ(physical.users(frame), 1u);
}

TEST_F(PageTableTest, EachVisitsPagesInOrderFromEndToEnd) {
  const std::vector<uint64_t> addresses{user_lowest, 0x1ff000,         0x200000,
                                        0x40000000,  0x5555'0000'0000, user_highest - page_bytes};
  for (const uint64_t address : addresses) ASSERT_TRUE(table.map(address, *physical.allocate(), read_write));
  std::vector<uint64_t> seen;
  table.each(0, ~0ull, [&](uint64_t address, const Page&) { seen.push_back(address); });
  EXPECT_EQ(seen, addresses);
  seen.clear();
  table.each(0x200000, 0x5555'0000'0000, [&](uint64_t address, const Page& page) {
    EXPECT_TRUE(page.protection.write);
    seen.push_back(address);
    table.unmap(address);
  });
  EXPECT_THAT(seen, ElementsAre(0x200000, 0x40000000));
  EXPECT_FALSE(table.find(0x200000));
}

TEST_F(PageTableTest, GivesBackAllThatItHadWhenItEnds) {
  const uint64_t before = physical.used_bytes();
  const Frame shared = *physical.allocate();
  {
    auto other = PageTable::create(physical);
    physical.share(shared);
    ASSERT_TRUE(other->map(0x400000, shared, read_only));
    ASSERT_TRUE(other->map(0x7f00'0000'0000, *physical.allocate(), read_write));
    PageTable moved = std::move(*other);
    EXPECT_TRUE(moved.find(0x400000));
    moved = std::move(PageTable::create(physical)).value();
    EXPECT_FALSE(moved.find(0x400000));
  }
  EXPECT_EQ(physical.users(shared), 1u);
  EXPECT_EQ(physical.used_bytes(), before + page_bytes);
}

TEST_F(PageTableTest, EverySpaceHasTheSameUpperHalf) {
  const Frame upper = *physical.allocate_table();
  physical.set_upper_half(upper);
  const auto other = PageTable::create(physical);
  const auto* entries = reinterpret_cast<const uint64_t*>(physical.bytes(other->root()).data());
  EXPECT_EQ(entries[256] & 0x000f'ffff'ffff'f000, upper * page_bytes);
  EXPECT_EQ(entries[256] & 4, 0u) << "not for ring 3";
}

TEST_F(PageTableTest, SaysWhenThereIsNoMemoryForATable) {
  while (physical.allocate_table()) {
  }
  EXPECT_FALSE(table.map(0x400000, *physical.allocate(), read_only));
  EXPECT_FALSE(PageTable::create(physical));
}

TEST_F(PageTableTest, MappingOverAPageOrOutsideOfTheUsersRangeAborts) {
  ASSERT_TRUE(table.map(0x10000, *physical.allocate(), read_only));
  const Frame frame = *physical.allocate();
  EXPECT_DEATH(table.map(0x10000, frame, read_only), "may not map");
  EXPECT_DEATH(table.map(0xf000, frame, read_only), "may not map");
  EXPECT_DEATH(table.map(user_highest, frame, read_only), "may not map");
  EXPECT_DEATH(table.map(0x20001, frame, read_only), "may not map");
}

}  // namespace
}  // namespace shrike::sandbox::microvm
