// A machine between two jobs: nothing of the first is there for the second.

#include <gmock/gmock.h>

#include "sandbox/microvm/machine/system_pages.h"
#include "tests/kernel/microvm_guest.h"

namespace shrike::test {
namespace {

class MicrovmReset : public MicrovmMachine {
 protected:
  void leave() {
    machine->forget(context);
    space.reset();
    const auto done = machine->reset();
    ASSERT_TRUE(done.ok()) << done.error().message;
  }
  void enter() { space = std::make_unique<Space>(machine->physical()); }
  void expect_as_made() {
    const auto same = machine->check_reset();
    EXPECT_TRUE(same.ok()) << same.error().message;
  }
  /// Code that leaves as much behind as a program can.
  void make_a_mess() {
    for (uint64_t i = 0; i < 200; ++i) {
      const Frame frame = *machine->physical().allocate();
      ASSERT_TRUE(space->table.map(0x10000000 + i * page_bytes, frame, {.write = true}));
    }
    // 200 pages written; x87, xmm and mxcsr changed; gs base; DF, AC, ID; the data segments.
    const Exit exit = run(mov_rbx(0x10000000) + mov_rcx(200) + mov_rax(~0ull) +
                          Bytes{0x48, 0x89, 0x03, 0x48, 0x81, 0xc3, 0x00, 0x10, 0, 0, 0x48, 0xff, 0xc9, 0x75, 0xf1} +
                          Bytes{0xd9, 0xe8, 0xd9, 0xeb, 0x66, 0x48, 0x0f, 0x6e, 0xe8} +
                          Bytes{0x68, 0x80, 0x3f, 0, 0, 0x0f, 0xae, 0x14, 0x24} +
                          Bytes{0xb8, 0x2b, 0, 0, 0, 0x8e, 0xd8, 0x8e, 0xc0, 0x31, 0xc0, 0x8e, 0xe0} +
                          Bytes{0x68, 0x02, 0x04, 0x24, 0x00, 0x9d} + syscall_code);
    ASSERT_EQ(exit.kind, Exit::Kind::call) << exit.what << exit.address;
    ASSERT_EQ(machine->physical().bytes(space->table.find(0x10000000)->frame)[5], std::byte{0xff});
  }
};

TEST_F(MicrovmReset, AMachineThatWasMadeIsAsItsTemplate) {
  space.reset();
  const auto reset = machine->reset();
  ASSERT_TRUE(reset.ok()) << reset.error().message;
  expect_as_made();
}

TEST_F(MicrovmReset, EveryPageAndRegisterIsBackAfterAJob) {
  for (int job = 0; job < 5; ++job) {
    make_a_mess();
    EXPECT_FALSE(machine->check_reset().ok());
    leave();
    expect_as_made();
    EXPECT_EQ(machine->physical().used_bytes(), machine->physical().peak_bytes());
    enter();
    expect_healthy();
  }
}

TEST_F(MicrovmReset, EveryPageAndRegisterIsBackAfterAnyEndOfAJob) {
  const Bytes ends[] = {{0xf4},
                        {0x0f, 0x0b},
                        {0xcd, 0x80},
                        {0xcc},
                        {0xf1},
                        {0x48, 0x8b, 0x04, 0x25, 0, 0, 0, 0},
                        jump_here,
                        {0x68, 0x00, 0x01, 0, 0, 0x9d, 0x90},
                        mov_rax(system_pages::call_entry) + Bytes{0xff, 0xe0},
                        mov_rax(0x8000'0000'0000) + Bytes{0xff, 0xe0}};
  for (const Bytes& end : ends) {
    run(end, 2'000'000);
    leave();
    expect_as_made();
    enter();
    expect_healthy();
  }
}

TEST_F(MicrovmReset, TheNextJobsFpuIsFresh) {
  make_a_mess();
  leave();
  enter();
  // movq %xmm5, %rax; fnstsw in cx; mxcsr in rdx
  ASSERT_EQ(run(Bytes{0x66, 0x48, 0x0f, 0x7e, 0xe8, 0x50, 0xdf, 0xe0, 0x89, 0xc1, 0x58,
                      0x50, 0x0f, 0xae, 0x1c, 0x24, 0x5a, 0x66, 0x48, 0x0f, 0x7e, 0xe8} +
                syscall_code)
                .kind,
            Exit::Kind::call);
  EXPECT_EQ(context.registers.rax, 0u);
  EXPECT_EQ(context.registers.rdx & 0xffffffff, 0x1f80u);
}

TEST_F(MicrovmReset, TheNextJobsMemoryIsZeroWhereverItLies) {
  make_a_mess();
  leave();
  enter();
  while (const auto frame = machine->physical().allocate()) {
    const auto bytes = machine->physical().bytes(*frame);
    ASSERT_TRUE(std::ranges::all_of(bytes, [](std::byte b) { return b == std::byte{0}; })) << *frame;
  }
}

TEST_F(MicrovmReset, TheNextJobsAddressesLeadToItsOwnPages) {
  for (uint64_t job = 1; job < 30; ++job) {
    const Frame frame = *machine->physical().allocate();
    ASSERT_TRUE(space->table.map(0x10000000 + job % 3 * page_bytes, frame, {.write = true}));
    for (uint64_t page = 0; page < 3; ++page) {
      const Exit exit =
          run(mov_rbx(0x10000000 + page * page_bytes) + load_code + mov_rax(job) + store_code + syscall_code);
      ASSERT_EQ(exit.kind, page == job % 3 ? Exit::Kind::call : Exit::Kind::fault) << job;
    }
    leave();
    enter();
  }
}

TEST_F(MicrovmReset, ADifferenceInTheCpuIsNamed) {
  space.reset();
  ASSERT_TRUE(machine->reset().ok());
  enter();
  run(Bytes{0xd9, 0xe8} + syscall_code);  // fld1
  space.reset();
  machine->physical().reset();
  const auto found = machine->check_reset();
  ASSERT_FALSE(found.ok());
  EXPECT_THAT(found.error().message, testing::HasSubstr("the CPU is not as in the template"));
}

}  // namespace
}  // namespace shrike::test
