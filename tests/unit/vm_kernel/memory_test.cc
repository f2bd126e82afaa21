// mmap and what belongs to it, and the only way to the program's memory.

#include <fcntl.h>
#include <linux/sched.h>
#include <sys/mman.h>

#include "tests/unit/vm_kernel/guest.h"

namespace shrike::sandbox::microvm::testing {
namespace {
constexpr uint64_t data = Guest::data;
constexpr uint64_t anonymous = MAP_PRIVATE | MAP_ANONYMOUS;
constexpr uint64_t read_write = PROT_READ | PROT_WRITE;

/// An address space of its own, without calls.
struct Space {
  Space()
      : physical(std::move(Physical::create(16u << 20).value())),
        files(memory_tree({{"f", std::string(10'000, 'f')}}), {}, [] { return uint64_t{0}; }) {
    space = AddressSpace::create(pool, {});
  }
  NodePtr node() {
    Found found;
    EXPECT_EQ(files.resolve({files.root(), files.root(), {}}, nullptr, "/f", true, found), 0);
    return found.node;
  }
  uint64_t map(uint64_t length, Access access = {true, true, false}) {
    const int64_t at = space->map(Region{.access = access}, length, false);
    EXPECT_GT(at, 0);
    return static_cast<uint64_t>(at);
  }
  Physical physical;
  FileSystem files;
  FilePages pages{physical, files, 4u << 20};
  MemoryPool pool{physical, pages, 16u << 20};
  std::unique_ptr<AddressSpace> space;
};

TEST(AddressSpace, GivesMemoryWhenItIsTouchedAndTakesItBack) {
  Space s;
  const uint64_t used = s.physical.used_bytes();
  const uint64_t at = s.map(1u << 20);
  EXPECT_EQ(s.physical.used_bytes(), used);
  EXPECT_EQ(s.space->fault(at + 5000, true, false), FaultResult::ok);
  EXPECT_GT(s.space->resident_bytes(), 0u);
  EXPECT_EQ(s.space->unmap(at, 1u << 20), 0);
  EXPECT_EQ(s.space->resident_bytes(), 0u);
  EXPECT_EQ(s.space->fault(at + 5000, true, false), FaultResult::not_mapped);
  s.space.reset();
  EXPECT_EQ(s.physical.used_bytes(), 0u);
  EXPECT_EQ(s.pool.mappings, 0u);
}

TEST(AddressSpace, HoldsPermissionsAlsoOfWhatIsThere) {
  Space s;
  const uint64_t at = s.map(3 * page_bytes);
  *s.space->touch(at, true) = std::byte{7};
  EXPECT_EQ(s.space->protect(at, page_bytes, {true, false, false}), 0);
  EXPECT_EQ(s.space->fault(at, true, false), FaultResult::not_allowed);
  EXPECT_EQ(s.space->fault(at, false, true), FaultResult::not_allowed);
  EXPECT_EQ(s.space->protect(at, page_bytes, {}), 0);
  EXPECT_EQ(s.space->touch(at, false), nullptr);
  EXPECT_EQ(s.space->protect(at, page_bytes, {true, true, false}), 0);
  ASSERT_NE(s.space->touch(at, true), nullptr);
  EXPECT_EQ(*s.space->touch(at, true), std::byte{7});
  EXPECT_EQ(s.space->mappings().size(), 1u) << "parts that are alike again are one again";
}

TEST(AddressSpace, AForkCopiesWhatCanBeWrittenAndSharesTheRest) {
  Space s;
  const uint64_t own = s.map(page_bytes), hidden = s.map(page_bytes);
  *s.space->touch(own, true) = std::byte{1};
  *s.space->touch(hidden, true) = std::byte{2};
  EXPECT_EQ(s.space->protect(hidden, page_bytes, {}), 0);
  auto child = s.space->fork();
  ASSERT_TRUE(child);
  *s.space->touch(own, true) = std::byte{9};
  EXPECT_EQ(*child->touch(own, false), std::byte{1});
  EXPECT_EQ(child->protect(hidden, page_bytes, {true, true, false}), 0);
  *child->touch(hidden, true) = std::byte{8};
  EXPECT_EQ(s.space->protect(hidden, page_bytes, {true, false, false}), 0);
  EXPECT_EQ(*s.space->touch(hidden, false), std::byte{2});
}

TEST(AddressSpace, AReadOnlyPageOfTwoProcessesIsCopiedBeforeOneWrites) {
  Space s;
  const uint64_t at = s.map(page_bytes);
  *s.space->touch(at, true) = std::byte{1};
  EXPECT_EQ(s.space->protect(at, page_bytes, {true, false, false}), 0);
  auto child = s.space->fork();
  EXPECT_EQ(child->table().find(at)->frame, s.space->table().find(at)->frame);
  EXPECT_EQ(child->protect(at, page_bytes, {true, true, false}), 0);
  *child->touch(at, true) = std::byte{2};
  EXPECT_EQ(*s.space->touch(at, false), std::byte{1});
}

TEST(AddressSpace, PagesOfFilesAreReadOnceAndPrivateWritesStayPrivate) {
  Space s;
  const NodePtr node = s.node();
  const int64_t read_only = s.space->map(Region{.access = {true, false, false}, .node = node}, 3 * page_bytes, false);
  const int64_t writable = s.space->map(Region{.access = {true, true, false}, .node = node}, 3 * page_bytes, false);
  const auto a = static_cast<uint64_t>(read_only), b = static_cast<uint64_t>(writable);
  *s.space->touch(b, true) = std::byte{'X'};
  EXPECT_EQ(*s.space->touch(a, false), std::byte{'f'});
  EXPECT_EQ(*s.space->touch(a + 9'999, false), std::byte{'f'});
  EXPECT_EQ(*s.space->touch(a + 10'000, false), std::byte{0});
  EXPECT_EQ(s.pages.pages(), 3u);
  const int64_t beyond = s.space->map(Region{.access = {true, false, false}, .node = node}, 8 * page_bytes, false);
  EXPECT_EQ(s.space->fault(static_cast<uint64_t>(beyond) + 3 * page_bytes, false, false), FaultResult::past_end);
}

TEST(AddressSpace, StacksGrowToTheirLimitAndKeepTheirGap) {
  Space s;
  Region stack{.begin = 0x7000'0000'0000, .access = {true, true, false}};
  stack.grows_down = true;
  ASSERT_GT(s.space->map(stack, page_bytes, true), 0);
  EXPECT_EQ(s.space->fault(0x7000'0000'0000 - 4 * page_bytes, true, false), FaultResult::ok);
  EXPECT_EQ(s.space->fault(0x7000'0000'0000 - (9u << 20), true, false), FaultResult::not_mapped);
  ASSERT_GT(
      s.space->map(Region{.begin = 0x7000'0000'0000 - (4u << 20), .access = {true, true, false}}, page_bytes, true), 0);
  EXPECT_EQ(s.space->fault(0x7000'0000'0000 - (4u << 20) + 2 * page_bytes, true, false), FaultResult::not_mapped);
}

TEST(AddressSpace, MemoryIsMovedAndGrownWithWhatIsInIt) {
  Space s;
  const uint64_t at = s.map(2 * page_bytes);
  *s.space->touch(at + page_bytes, true) = std::byte{5};
  ASSERT_GT(s.space->map(Region{.begin = at + 2 * page_bytes}, page_bytes, true, true), 0);  // in the way
  EXPECT_EQ(s.space->remap(at, 2 * page_bytes, 4 * page_bytes, 0, 0), -ENOMEM);
  const int64_t moved = s.space->remap(at, 2 * page_bytes, 4 * page_bytes, MREMAP_MAYMOVE, 0);
  ASSERT_GT(moved, 0);
  EXPECT_EQ(*s.space->touch(static_cast<uint64_t>(moved) + page_bytes, false), std::byte{5});
  EXPECT_EQ(s.space->find(at), nullptr);
  EXPECT_EQ(s.space->remap(static_cast<uint64_t>(moved), 4 * page_bytes, page_bytes, 0, 0), moved);
  EXPECT_EQ(s.space->find(static_cast<uint64_t>(moved) + page_bytes), nullptr);
}

TEST(AddressSpace, MappingsAreBounded) {
  Space s;
  int64_t last = 0;
  size_t made = 0;
  for (; made < 70'000 && last >= 0; ++made)
    last =
        s.space->map(Region{.begin = 0x10'0000'0000 + made * 2 * page_bytes, .access = {made % 2 == 0, false, false}},
                     page_bytes, true);
  EXPECT_EQ(last, -ENOMEM);
  EXPECT_LT(made, 20'000u);
}

TEST(UserMemory, ReadsAndWritesOverPagesAndStopsWhereMemoryDoes) {
  Space s;
  const uint64_t at = s.map(2 * page_bytes);
  const UserMemory memory(*s.space);
  std::array<std::byte, 100> bytes{};
  bytes.fill(std::byte{3});
  EXPECT_TRUE(memory.write(at + page_bytes - 50, bytes));
  EXPECT_TRUE(memory.read(at + page_bytes - 50, bytes));
  EXPECT_FALSE(memory.write(at + 2 * page_bytes - 50, bytes));
  EXPECT_EQ(memory.write_some(at + 2 * page_bytes - 50, bytes), 50u);
  std::string text;
  EXPECT_EQ(memory.text(at + 2 * page_bytes - 10, 64, text), -EFAULT);
  EXPECT_EQ(memory.text(at + page_bytes - 50, 200, text), 0);
  EXPECT_EQ(text.size(), 100u);
  EXPECT_EQ(memory.text(at + page_bytes - 50, 60, text), -ENAMETOOLONG);
}

TEST(UserMemory, EdgesOfAddressesAndLengthsAreFaultsAndNothingElse) {
  Space s;
  const UserMemory memory(*s.space);
  std::array<std::byte, 16> bytes{};
  std::string text;
  std::vector<Slice> slices;
  for (const uint64_t address : {uint64_t{0}, uint64_t{1}, page_bytes - 1, user_highest - 1, user_highest,
                                 uint64_t{1} << 47, uint64_t{1} << 63, UINT64_MAX - 7, UINT64_MAX}) {
    EXPECT_FALSE(memory.read(address, bytes)) << std::hex << address;
    EXPECT_FALSE(memory.write(address, bytes)) << std::hex << address;
    EXPECT_EQ(memory.text(address, 10, text), -EFAULT) << std::hex << address;
    EXPECT_EQ(memory.word(address, true), nullptr);
    EXPECT_EQ(memory.slices(address, 1, slices), -EFAULT);
  }
  EXPECT_EQ(memory.slices(0, 1025, slices), -EINVAL);
  EXPECT_EQ(memory.slices(0, UINT64_MAX, slices), -EINVAL);
  EXPECT_TRUE(memory.read(0, std::span<std::byte>{}));
}

TEST(UserMemory, SlicesThatAreTooLongAreRefusedOrCut) {
  Space s;
  const uint64_t at = s.map(page_bytes);
  const UserMemory memory(*s.space);
  std::vector<Slice> slices;
  EXPECT_TRUE(memory.put(at, std::array<uint64_t, 4>{at, uint64_t{1} << 63, at, 1}));
  EXPECT_EQ(memory.slices(at, 2, slices), -EINVAL);
  EXPECT_TRUE(memory.put(at, std::array<uint64_t, 4>{at, INT64_MAX, at, INT64_MAX}));
  EXPECT_EQ(memory.slices(at, 2, slices), -EINVAL);
  EXPECT_TRUE(memory.put(at, std::array<uint64_t, 4>{at, 3 * transfer_most, at, 100}));
  EXPECT_EQ(memory.slices(at, 2, slices), 0);
  EXPECT_EQ(slices[0].length, transfer_most);
  EXPECT_EQ(slices[1].length, 0u);
}

TEST(Memory, MmapSaysWhatIsWrong) {
  Guest guest;
  guest.run({
      sys(SYS_mmap, 0, 0, read_write, anonymous, -1, 0),
      got(-EINVAL, sys(SYS_mmap, 0, 4096, read_write, MAP_ANONYMOUS, -1, 0)),
      got(-EINVAL, sys(SYS_mmap, 1, 4096, read_write, anonymous | MAP_FIXED, -1, 0)),
      got(-EINVAL, sys(SYS_mmap, 0, 4096, read_write, MAP_PRIVATE, 77, 0)),
      got(-EBADF, sys(SYS_mmap, 0, 4096, read_write, MAP_PRIVATE, 0, 1)),
      got(-EINVAL, sys(SYS_mmap, 0, UINT64_MAX, read_write, anonymous, -1, 0)),
      got(-ENOMEM, sys(SYS_mmap, 0, uint64_t{1} << 62, 0, anonymous, -1, 0)),
      got(-ENOMEM, sys(SYS_mmap, 0x1000, 4096, read_write, anonymous | MAP_FIXED, -1, 0)),
      got(-EPERM, sys(SYS_mmap, user_highest, 4096, read_write, anonymous | MAP_FIXED, -1, 0)),
      got(-ENOMEM, sys(SYS_mmap, data, 4096, read_write, anonymous | MAP_FIXED_NOREPLACE, -1, 0)),
      got(-EEXIST, sys(SYS_mmap, 0, 1u << 30, read_write, anonymous, -1, 0)),
      got(-ENOMEM, sys(SYS_munmap, data + 1, 4096)),
      got(-EINVAL, sys(SYS_munmap, 0, UINT64_MAX)),
      got(-EINVAL, sys(SYS_mprotect, uint64_t{1} << 63, 4096, 1)),
      got(-ENOMEM, sys(SYS_madvise, data, UINT64_MAX, 4)),
      got(-EINVAL, leave()),
  });
  EXPECT_EQ(guest.report.exit_code, 0);
  EXPECT_EQ(guest.report.status, Status::ok);
}

TEST(Memory, SharedMemoryIsOneForParentAndChild) {
  Guest guest;
  uint64_t at = 0;
  guest.run({
      sys(SYS_mmap, 0, 4096, read_write, MAP_SHARED | MAP_ANONYMOUS, -1, 0),
      then([&](int64_t address) { at = static_cast<uint64_t>(address); }, sys(SYS_fork)),
      [&](Registers& registers) {
        if (registers.rax != 0) return sys(SYS_wait4, -1, 0, 0, 0)(registers);
        guest.put(at, 77);
        return leave()(registers);
      },
      then([&](int64_t) { EXPECT_EQ(guest.get<int>(at), 77); }, leave()),
  });
  EXPECT_EQ(guest.report.status, Status::ok);
}

TEST(Memory, WhatIsWrittenThroughASharedMappingIsInTheFileAndTheOtherWayRound) {
  Guest guest;
  uint64_t at = 0;
  guest.run({
      then([&](int64_t) { guest.text(data, "/tmp/f"); }, sys(SYS_open, data, O_RDWR | O_CREAT, 0600)),
      got(3, sys(SYS_ftruncate, 3, 4096)),
      got(0, sys(SYS_mmap, 0, 4096, read_write, MAP_SHARED, 3, 0)),
      then(
          [&](int64_t address) {
            at = static_cast<uint64_t>(address);
            guest.text(at, "mapped");
          },
          sys(SYS_pread64, 3, data + 64, 6, 0)),
      then([&](int64_t) { EXPECT_EQ(guest.text(data + 64), "mapped"); }, sys(SYS_pwrite64, 3, data, 4, 100)),
      then([&](int64_t) { EXPECT_EQ(guest.text(at + 100), "/tmp"); }, sys(SYS_munmap, at, 4096)),
      leave(),
  });
  EXPECT_EQ(guest.report.status, Status::ok);
}

TEST(Memory, AMemoryBombEndsInEnomemOrASignalAndTheJobGoesOn) {
  Guest guest;
  std::vector<Step> steps{sys(SYS_fork), [&](Registers& registers) {
                            return registers.rax != 0
                                       ? sys(SYS_wait4, -1, data, 0, 0)(registers)
                                       : sys(SYS_mmap, 0, 8u << 20, read_write, anonymous, -1, 0)(registers);
                          }};
  // The parent goes to the end; the child maps and fills until that is refused.
  steps.push_back([&](Registers& registers) {
    if (guest.system->current->process->pid == 2) return leave(3)(registers);
    if (static_cast<int64_t>(registers.rax) < 0) return leave(9)(registers);
    for (uint64_t page = 0; page < 8u << 20; page += page_bytes)
      (void)guest.memory().put(registers.rax + page, uint64_t{1});
    Exit again = sys(SYS_mmap, 0, 8u << 20, read_write, anonymous, -1, 0)(registers);
    registers.rip -= 2;
    return again;
  });
  guest.run(steps);
  EXPECT_EQ(guest.report.status, Status::ok);
  EXPECT_EQ(guest.report.exit_code, 3);
  EXPECT_LE(guest.report.peak_memory_bytes, 64u << 20);
}

TEST(Memory, BrkGrowsAndShrinksTheHeap) {
  Guest guest;
  uint64_t begin = 0;
  guest.run({
      sys(SYS_brk, 0),
      [&](Registers& registers) {
        begin = registers.rax;
        return sys(SYS_brk, begin + 10'000)(registers);
      },
      [&](Registers& registers) {
        EXPECT_EQ(registers.rax, begin + 10'000);
        guest.put(begin + 9'000, 5);
        return sys(SYS_brk, begin)(registers);
      },
      [&](Registers& registers) {
        EXPECT_FALSE(guest.memory().put(begin + 9'000, 5));
        return sys(SYS_brk, uint64_t{1} << 63)(registers);
      },
      [&](Registers& registers) {
        EXPECT_EQ(registers.rax, begin);
        return leave()(registers);
      },
  });
}

}  // namespace
}  // namespace shrike::sandbox::microvm::testing
