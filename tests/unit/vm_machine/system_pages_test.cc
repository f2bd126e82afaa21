#include "sandbox/microvm/machine/system_pages.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/base/bytes.h"
#include "sandbox/microvm/machine/page_table.h"
#include "sandbox/microvm/machine/stale.h"

namespace shrike::sandbox::microvm {
namespace {

namespace pages = system_pages;

class SystemPagesTest : public ::testing::Test {
 protected:
  Physical physical = std::move(Physical::create(4u << 20)).value();
  SystemPages made = *SystemPages::create(physical);
  std::optional<PageTable> table = PageTable::create(physical);

  /// What the CPU finds for an address, or 0.
  uint64_t entry(uint64_t address) const {
    uint64_t at = table->root();
    for (int level = 3; level >= 0; --level) {
      const uint64_t value =
          load_le<uint64_t>(&physical.bytes(static_cast<Frame>(at))[(address >> (12 + 9 * level) & 511) * 8]);
      if (level == 0 || (value & 1) == 0) return value;
      if ((value & 4) != 0) ADD_FAILURE() << "ring 3 may pass level " << level;
      at = value >> 12 & 0xff'ffff'ffff;
    }
    return 0;
  }
};

TEST_F(SystemPagesTest, AreMappedForRingZeroAloneAndOnlyTheStackIsWritable) {
  for (const uint64_t page : {pages::descriptors, pages::interrupts, pages::code, pages::stack}) {
    const uint64_t value = entry(page);
    EXPECT_EQ(value & 1, 1u);
    EXPECT_EQ(value & 4, 0u) << "not ring 3's";
    EXPECT_EQ((value & 2) != 0, page == pages::stack);
    EXPECT_EQ(value >> 63 == 0, page == pages::code);
    EXPECT_EQ(entry(page - page_bytes) & 1, 0u) << "a guard page before";
    EXPECT_EQ(entry(page + page_bytes) & 1, 0u) << "and behind";
  }
}

TEST_F(SystemPagesTest, EveryHandlerIsOneWayOut) {
  const auto code = physical.bytes(static_cast<Frame>(entry(pages::code) >> 12 & 0xff'ffff'ffff));
  const auto interrupts = physical.bytes(static_cast<Frame>(entry(pages::interrupts) >> 12 & 0xff'ffff'ffff));
  for (unsigned vector = 0; vector < pages::exceptions; ++vector) {
    const auto low = load_le<uint64_t>(&interrupts[vector * 16]);
    const uint64_t handler =
        (low & 0xffff) | (low >> 48 & 0xffff) << 16 | load_le<uint64_t>(&interrupts[vector * 16 + 8]) << 32;
    EXPECT_EQ(low >> 16 & 0xffff, pages::kernel_code);
    EXPECT_EQ(low >> 32 & 7, 1u) << "a stack of its own";
    EXPECT_EQ(low >> 45 & 3, vector == 3 || vector == 4 ? 3u : 0u) << "who may call it: " << vector;
    EXPECT_EQ(code[handler - pages::code], std::byte{0xe6});
    EXPECT_EQ(code[handler - pages::code + 1], static_cast<std::byte>(pages::exception_port + vector));
  }
}

TEST_F(SystemPagesTest, FramesAreReadFromTheTopOfTheStack) {
  const auto stack = physical.bytes(static_cast<Frame>(entry(pages::stack) >> 12 & 0xff'ffff'ffff));
  for (uint64_t word = 1; word <= 6; ++word) store_le(&stack[page_bytes - word * 8], word);
  const ExceptionFrame fault = made.frame(physical, 14);
  EXPECT_EQ(fault.error_code, 6u);
  EXPECT_EQ(fault.rip, 5u);
  EXPECT_EQ(fault.cs, 4u);
  EXPECT_EQ(fault.rflags, 3u);
  EXPECT_EQ(fault.rsp, 2u);
  EXPECT_EQ(fault.ss, 1u);
  EXPECT_EQ(made.frame(physical, 6).error_code, 0u);
  EXPECT_EQ(made.frame(physical, 255).error_code, 0u);
}

TEST(FrameRuns, JoinNeighboursAndForgetDoubles) {
  using testing::ElementsAre;
  EXPECT_TRUE(frame_runs({}, 0).empty());
  EXPECT_THAT(frame_runs({9, 3, 4, 3, 5, 9, 11}, 0), ElementsAre(FrameRun{3, 3}, FrameRun{9, 1}, FrameRun{11, 1}));
  EXPECT_THAT(frame_runs({9, 3, 4, 3, 5, 9, 11}, 1), ElementsAre(FrameRun{3, 3}, FrameRun{9, 3}));
  EXPECT_THAT(frame_runs({9, 3, 4, 3, 5, 9, 11}, 3), ElementsAre(FrameRun{3, 9}));
}

}  // namespace
}  // namespace shrike::sandbox::microvm
