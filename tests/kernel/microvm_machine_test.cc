// The virtual CPU: calls, faults, registers, time slices, FPU.

#include <ctime>

#include "tests/kernel/microvm_guest.h"

namespace shrike::test {
namespace {

TEST_F(MicrovmMachine, SaysWhatItIs) {
  const Abilities& abilities = machine->abilities();
  std::printf("%s, smep %d, smap %d, umip %d, int 0x80 %s\n", abilities.kind.c_str(), abilities.smep, abilities.smap,
              abilities.umip, abilities.traps_int80 ? "told" : "an exception");
  EXPECT_TRUE(abilities.kind == "paravirtual" || abilities.kind == "hardware");
  EXPECT_TRUE(abilities.traps_int80);
}

TEST_F(MicrovmMachine, ACallArrivesWithAllItsRegisters) {
  space->put(syscall_code + syscall_code);
  Registers want = at(code_address);
  want = {.rax = 1,
          .rbx = 2,
          .rcx = 3,
          .rdx = 4,
          .rsi = 5,
          .rdi = 6,
          .rbp = 7,
          .rsp = ~7ull,
          .r8 = 8,
          .r9 = 9,
          .r10 = 10,
          .r11 = 11,
          .r12 = 12,
          .r13 = 13,
          .r14 = 14,
          .r15 = 15,
          .rip = code_address,
          .rflags = 0xad7,
          .fs_base = 0x7000'0000'0000,
          .gs_base = 0xffff'ffff'8000'0000};
  context.registers = want;
  for (uint64_t calls = 1; calls <= 2; ++calls) {
    const Exit exit = machine->run(context, space->table, second_ns);
    ASSERT_EQ(exit.kind, Exit::Kind::call) << exit.what;
    want.rip = want.rcx = code_address + 2 * calls;
    want.r11 = want.rflags;
    EXPECT_EQ(context.registers, want);
  }
}

TEST_F(MicrovmMachine, BasesThatTheProgramSetsAreKept) {
  // wrfsbase %rax; wrgsbase %rbx
  const Exit exit = run(mov_rax(0x1234'5000) + mov_rbx(0x4321'0000) +
                        Bytes{0xf3, 0x48, 0x0f, 0xae, 0xd0, 0xf3, 0x48, 0x0f, 0xae, 0xdb} + syscall_code);
  if (exit.kind == Exit::Kind::exception) GTEST_SKIP() << "no FSGSBASE here";
  ASSERT_EQ(exit.kind, Exit::Kind::call);
  EXPECT_EQ(context.registers.fs_base, 0x1234'5000u);
  EXPECT_EQ(context.registers.gs_base, 0x4321'0000u);
}

TEST_F(MicrovmMachine, AFaultTellsAddressAndHow) {
  const auto expect = [&](const Exit& exit, uint64_t address, bool write, bool execute, bool present) {
    ASSERT_EQ(exit.kind, Exit::Kind::fault) << exit.what;
    EXPECT_EQ(exit.address, address);
    EXPECT_EQ(exit.write, write);
    EXPECT_EQ(exit.execute, execute);
    EXPECT_EQ(exit.present, present);
  };
  expect(run(mov_rbx(0x123456) + load_code), 0x123456, false, false, false);
  EXPECT_EQ(context.registers.rip, code_address + 10);
  expect(run(mov_rbx(0x123456) + store_code), 0x123456, true, false, false);
  expect(run(mov_rbx(code_address) + store_code), code_address, true, false, true);
  expect(run(mov_rbx(data_address) + Bytes{0xff, 0xe3}), data_address, false, true, true);  // jmp *%rbx
  expect(run(mov_rbx(0x7fff'ffff'f000) + load_code), 0x7fff'ffff'f000, false, false, false);
  expect_healthy();
}

TEST_F(MicrovmMachine, AFaultGoesOnOnceThePageIsThere) {
  ASSERT_EQ(run(mov_rbx(0x700010) + mov_rax(7) + store_code + load_code + syscall_code).kind, Exit::Kind::fault);
  const Frame frame = *machine->physical().allocate();
  ASSERT_TRUE(space->table.map(0x700000, frame, {.write = true}));
  ASSERT_EQ(machine->run(context, space->table, second_ns).kind, Exit::Kind::call);
  EXPECT_EQ(context.registers.rax, 7u);
  EXPECT_EQ(machine->physical().bytes(frame)[0x10], std::byte{7});
}

TEST_F(MicrovmMachine, EndlessCodeIsInterruptedAndGoesOn) {
  // inc %rax; jmp
  ASSERT_EQ(run(Bytes{0x48, 0xff, 0xc0, 0xeb, 0xfb}, 1'000'000).kind, Exit::Kind::interrupted);
  uint64_t before = 0;
  for (int i = 0; i < 5; ++i) {
    EXPECT_GT(context.registers.rax, before);
    before = context.registers.rax;
    EXPECT_GE(context.registers.rip, code_address);
    EXPECT_LT(context.registers.rip, code_address + 5);
    ASSERT_EQ(machine->run(context, space->table, 1'000'000).kind, Exit::Kind::interrupted);
  }
  expect_healthy();
}

TEST_F(MicrovmMachine, CallsAndFaultsUnderShortSlicesAreNeverLostOrDoubled) {
  // Every length around what an exit takes, so that signals come at each point of one.
  uint64_t turn = 0, interruptions = 0;
  const auto slice = [&] { return 5'000 + turn++ * 137 % 100'000; };
  // inc %rbx; syscall; jmp: every call must come with rbx one more.
  space->put(Bytes{0x48, 0xff, 0xc3, 0x0f, 0x05, 0xeb, 0xf9});
  context.registers = at(code_address);
  for (uint64_t calls = 1; calls <= 2000; ++calls) {
    Exit exit;
    while ((exit = machine->run(context, space->table, slice())).kind == Exit::Kind::interrupted) ++interruptions;
    ASSERT_EQ(exit.kind, Exit::Kind::call) << exit.what;
    ASSERT_EQ(context.registers.rbx, calls);
    ASSERT_EQ(context.registers.rip, code_address + 5);
  }
  // A load of a page that is not there: the same fault again and again.
  space->put(mov_rbx(0x123000) + load_code, 64);
  for (int faults = 0; faults < 2000; ++faults) {
    context.registers = at(code_address + 64);
    Exit exit;
    while ((exit = machine->run(context, space->table, slice())).kind == Exit::Kind::interrupted) ++interruptions;
    ASSERT_EQ(exit.kind, Exit::Kind::fault) << exit.what;
    ASSERT_EQ(exit.address, 0x123000u);
    ASSERT_EQ(context.registers.rip, code_address + 74);
  }
  std::printf("%llu interruptions\n", static_cast<unsigned long long>(interruptions));
}

TEST_F(MicrovmMachine, EachContextHasItsOwnFpu) {
  // movq %rax, %xmm5; pxor would be zero: syscall; movq %xmm5, %rax; syscall
  space->put(Bytes{0x66, 0x48, 0x0f, 0x6e, 0xe8} + syscall_code + Bytes{0x66, 0x48, 0x0f, 0x7e, 0xe8} + syscall_code);
  Context contexts[3];
  for (uint64_t i = 0; i < 3; ++i) {
    contexts[i].registers = at(code_address);
    contexts[i].registers.rax = 1000 + i;
    ASSERT_EQ(machine->run(contexts[i], space->table, second_ns).kind, Exit::Kind::call);
  }
  Context copy;
  machine->save(contexts[1]);
  EXPECT_EQ(contexts[1].fpu.size(), 4096u);
  copy = contexts[1];
  for (Context* one : {&contexts[2], &contexts[0], &copy, &contexts[1]}) {
    one->registers.rax = 0;
    ASSERT_EQ(machine->run(*one, space->table, second_ns).kind, Exit::Kind::call);
  }
  EXPECT_EQ(contexts[0].registers.rax, 1000u);
  EXPECT_EQ(contexts[1].registers.rax, 1001u);
  EXPECT_EQ(contexts[2].registers.rax, 1002u);
  EXPECT_EQ(copy.registers.rax, 1001u);
  machine->forget(contexts[1]);
  contexts[1].registers.rip = code_address + 7;
  ASSERT_EQ(machine->run(contexts[1], space->table, second_ns).kind, Exit::Kind::call);
  EXPECT_EQ(contexts[1].registers.rax, 0u) << "forgotten, its FPU is fresh";
}

TEST_F(MicrovmMachine, AnFpuImageThatNoCpuTakesIsTheProgramsException) {
  space->put(syscall_code);
  for (const size_t at_byte : {size_t{520}, size_t{530}, size_t{27}}) {  // XCOMP_BV, reserved, MXCSR
    context.registers = at(code_address);
    machine->save(context);
    context.fpu[512] = std::byte{3};  // x87 and SSE are in it
    context.fpu[at_byte] = std::byte{0xff};
    const Exit exit = machine->run(context, space->table, second_ns);
    EXPECT_EQ(exit.kind, Exit::Kind::exception) << at_byte;
    EXPECT_EQ(exit.vector, 13);
    machine->forget(context);
  }
  context.fpu.resize(17);
  EXPECT_EQ(machine->run(context, space->table, second_ns).kind, Exit::Kind::exception);
  expect_healthy();
}

TEST_F(MicrovmMachine, ComputesInSeveralSpacesInTurns) {
  std::vector<std::unique_ptr<Space>> spaces;
  std::vector<Context> contexts(5);
  for (uint64_t i = 0; i < contexts.size(); ++i) {
    spaces.push_back(std::make_unique<Space>(machine->physical()));
    spaces[i]->put(mov_rbx(data_address) + load_code + syscall_code);
    spaces[i]->word() = 100 + i;
  }
  for (int turn = 0; turn < 3; ++turn)
    for (uint64_t i = 0; i < contexts.size(); ++i) {
      contexts[i].registers = at(code_address);
      ASSERT_EQ(machine->run(contexts[i], spaces[i]->table, second_ns).kind, Exit::Kind::call);
      EXPECT_EQ(contexts[i].registers.rax, 100 + i);
    }
  for (Context& one : contexts) machine->forget(one);
}

}  // namespace
}  // namespace shrike::test
