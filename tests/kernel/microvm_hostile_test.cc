// What a program may try against the machine it runs in: each ends in a defined exit, and the machine is as before.

#include <random>

#include "sandbox/microvm/machine/interpret.h"
#include "sandbox/microvm/machine/system_pages.h"
#include "tests/kernel/microvm_guest.h"

namespace shrike::test {
namespace {

constexpr uint8_t debug = 1, breakpoint = 3, invalid_opcode = 6, stack_fault = 12, general_protection = 13,
                  alignment = 17;

struct Attempt {
  const char* name;
  Bytes code;
  std::vector<uint8_t> vectors;  ///< any of these; none: it may also be a fault
};

class MicrovmHostile : public MicrovmMachine {
 protected:
  /// Nothing that would be the machine's fault; then a syscall of another program's arrives as it should.
  void expect_contained(const Exit& exit, const std::string& what) {
    EXPECT_NE(exit.kind, Exit::Kind::broken) << what << ": " << exit.what;
    EXPECT_EQ(context.registers.rflags & ~0x24'4fd7ull, 0u) << what;
    expect_healthy();
  }
  void expect_exception(const Attempt& attempt) {
    const Exit exit = run(attempt.code);
    if (!attempt.vectors.empty()) {
      EXPECT_EQ(exit.kind, Exit::Kind::exception) << attempt.name << exit.what;
      EXPECT_NE(std::ranges::find(attempt.vectors, exit.vector), attempt.vectors.end())
          << attempt.name << ": exception " << int{exit.vector};
    }
    expect_contained(exit, attempt.name);
  }
};

TEST_F(MicrovmHostile, PrivilegedInstructionsAreExceptions) {
  const std::vector<uint8_t> refused{general_protection, invalid_opcode};
  const Attempt attempts[] = {{"hlt", {0xf4}, refused},
                              {"cli", {0xfa}, refused},
                              {"sti", {0xfb}, refused},
                              {"in", {0xe4, 0x60}, refused},
                              {"out to the call's port", {0xe6, system_pages::call_port}, refused},
                              {"out dx", {0xee}, refused},
                              {"ins", {0x6c}, refused},
                              {"outs", {0x6e}, refused},
                              {"mov cr0", {0x0f, 0x20, 0xc0}, refused},
                              {"mov to cr0", {0x0f, 0x22, 0xc0}, refused},
                              {"mov to cr3", {0x0f, 0x22, 0xd8}, refused},
                              {"mov to cr4", {0x0f, 0x22, 0xe0}, refused},
                              {"mov to cr8", {0x44, 0x0f, 0x22, 0xc0}, refused},
                              {"mov dr0", {0x0f, 0x21, 0xc0}, refused},
                              {"mov to dr0", {0x0f, 0x23, 0xc0}, refused},
                              {"mov to dr7", {0x0f, 0x23, 0xf8}, refused},
                              {"lgdt", {0x0f, 0x01, 0x14, 0x24}, refused},
                              {"lidt", {0x0f, 0x01, 0x1c, 0x24}, refused},
                              {"lldt", {0x0f, 0x00, 0xd0}, refused},
                              {"ltr", {0x0f, 0x00, 0xd8}, refused},
                              {"lmsw", {0x0f, 0x01, 0xf0}, refused},
                              {"clts", {0x0f, 0x06}, refused},
                              {"rdmsr", {0x0f, 0x32}, refused},
                              {"wrmsr", {0x0f, 0x30}, refused},
                              {"invd", {0x0f, 0x08}, refused},
                              {"wbinvd", {0x0f, 0x09}, refused},
                              {"invlpg", {0x0f, 0x01, 0x3c, 0x24}, refused},
                              {"swapgs", {0x0f, 0x01, 0xf8}, refused},
                              {"sysret", {0x48, 0x0f, 0x07}, refused},
                              {"sysret to 32 bits", {0x0f, 0x07}, refused},
                              {"sysexit", {0x0f, 0x35}, refused},
                              {"xsetbv", {0x0f, 0x01, 0xd1}, refused},
                              {"rdpmc", {0x31, 0xc9, 0x0f, 0x33}, refused},
                              {"monitor", {0x0f, 0x01, 0xc8}, refused},
                              {"clac", {0x0f, 0x01, 0xca}, refused},
                              {"vmrun", {0x0f, 0x01, 0xd8}, refused},
                              {"vmxon", {0xf3, 0x0f, 0xc7, 0x34, 0x24}, refused},
                              {"rsm", {0x0f, 0xaa}, refused},
                              {"encls", {0x0f, 0x01, 0xcf}, refused},
                              {"wrpkru", {0x31, 0xc0, 0x31, 0xc9, 0x31, 0xd2, 0x0f, 0x01, 0xef}, refused},
                              {"invpcid", {0x66, 0x0f, 0x38, 0x82, 0x04, 0x24}, refused}};
  for (const Attempt& attempt : attempts) expect_exception(attempt);
}

TEST_F(MicrovmHostile, WhereTheTablesAreIsNotTold) {
  if (!machine->abilities().umip) GTEST_SKIP() << "no UMIP here";
  const Attempt attempts[] = {{"sgdt", {0x0f, 0x01, 0x44, 0x24, 0xc0}, {general_protection}},
                              {"sidt", {0x0f, 0x01, 0x4c, 0x24, 0xc0}, {general_protection}},
                              {"sldt", {0x0f, 0x00, 0xc0}, {general_protection}},
                              {"str", {0x0f, 0x00, 0xc8}, {general_protection}},
                              {"smsw", {0x0f, 0x01, 0xe0}, {general_protection}}};
  for (const Attempt& attempt : attempts) expect_exception(attempt);
}

TEST_F(MicrovmHostile, EverySoftwareInterruptIsRefusedToldOrATrap) {
  const bool hardware = machine->abilities().kind == "hardware";
  for (unsigned vector = 0; vector < 256; ++vector) {
    const Exit exit = run(Bytes{0xcd, static_cast<uint8_t>(vector)} + syscall_code);
    const uint64_t offset = context.registers.rip - code_address;
    if (vector == 0x80) {
      EXPECT_EQ(exit.kind, Exit::Kind::foreign_call);
      EXPECT_EQ(offset, 2u);
    } else if (hardware || vector < 0x17 || vector > 0x1a) {
      EXPECT_EQ(exit.kind, Exit::Kind::exception) << vector << exit.what;
      EXPECT_TRUE(emulated() || offset == (vector == 3 || vector == 4 ? 2u : 0u)) << vector;
    } else {
      // The paravirtual KVM takes some for its own and goes on behind them.
      EXPECT_TRUE(exit.kind == Exit::Kind::exception || exit.kind == Exit::Kind::call) << vector << exit.what;
    }
    expect_contained(exit, "int " + std::to_string(vector));
  }
  expect_exception({"int3", {0xcc}, {breakpoint}});
  expect_exception({"icebp", {0xf1}, {debug, invalid_opcode}});
}

TEST_F(MicrovmHostile, OtherWaysIntoAKernelAreTold) {
  EXPECT_EQ(run({0x0f, 0x34}).kind, Exit::Kind::foreign_call) << "sysenter";
  EXPECT_EQ(context.registers.rip, code_address + 2);
  EXPECT_EQ(run({0x66, 0x2e, 0x48, 0xcd, 0x80}).kind, Exit::Kind::foreign_call) << "int 0x80 with prefixes";
  EXPECT_EQ(context.registers.rip, code_address + 5);
  EXPECT_EQ(run({0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0xcd, 0x80}).kind,
            Exit::Kind::exception)
      << "longer than an instruction may be";
  expect_healthy();
}

// Each exception pushes on a stack of the machine's own, whatever the program has in rsp.
TEST_F(MicrovmHostile, ABadStackIsNobodysConcernInAnyException) {
  const Attempt attempts[] = {{"ud2", {0x0f, 0x0b}, {invalid_opcode}},
                              {"int3", {0xcc}, {breakpoint}},
                              {"div by zero", {0x31, 0xc9, 0xf7, 0xf1}, {0}},
                              {"hlt", {0xf4}, {general_protection}},
                              {"push", {0x50}, {}},
                              {"call", {0xe8, 0, 0, 0, 0}, {}},
                              {"ret", {0xc3}, {}},
                              {"iretq", {0x48, 0xcf}, {}},
                              {"popf", {0x9d}, {}},
                              {"enter", {0xc8, 0xff, 0xff, 0x1f}, {}},
                              {"single step", {0x9c, 0x81, 0x0c, 0x24, 0x00, 0x01, 0, 0, 0x9d, 0x90}, {}},
                              {"fault", {0x48, 0x8b, 0x04, 0x25, 0, 0, 0, 0}, {}},
                              {"syscall", {0x0f, 0x05}, {}}};
  const uint64_t stacks[] = {0,
                             1,
                             7,
                             code_address + 8,
                             stack_address,
                             0x7fff'ffff'ffff,
                             0x8000'0000'0000,
                             0xdead'0000'0000'0000,
                             system_pages::stack_top,
                             system_pages::descriptors,
                             0xffff'ffff'ffff'ffff,
                             0xffff'7fff'ffff'ffff};
  for (const Attempt& attempt : attempts)
    for (const uint64_t stack : stacks) {
      space->put(attempt.code + Bytes{0x0f, 0x0b});
      context.registers = at(code_address);
      context.registers.rsp = stack;
      const Exit exit = machine->run(context, space->table, second_ns);
      if (!attempt.vectors.empty()) {
        EXPECT_EQ(exit.kind, Exit::Kind::exception) << attempt.name << " " << std::hex << stack;
        // The paravirtual KVM says so of every instruction that it cannot make with an rsp that is no address.
        EXPECT_TRUE(exit.vector == attempt.vectors[0] || exit.vector == invalid_opcode) << attempt.name;
        EXPECT_EQ(context.registers.rsp, stack) << attempt.name;
      }
      expect_contained(exit, attempt.name);
    }
}

TEST_F(MicrovmHostile, AnAddressThatIsNoneIsAnExceptionOrAFaultThere) {
  const uint64_t addresses[] = {0x8000'0000'0000, 0xdead'0000'0000'0000, 0xffff'7fff'ffff'ffff,
                                0x7fff'ffff'f000, 0xffff'8000'0000'0000, ~0ull,
                                ~0ull - 1};
  for (const uint64_t address : addresses) {
    expect_contained(run(mov_rax(address) + Bytes{0xff, 0xe0}), "jmp");
    expect_contained(run(mov_rax(address) + Bytes{0x50, 0xc3}), "push; ret");
    expect_contained(run(mov_rbx(address) + load_code), "load");
    expect_contained(run(mov_rbx(address) + store_code), "store");
    // As a system call that has changed rip (sigreturn) would go on.
    context.registers = at(address);
    const Exit exit = machine->run(context, space->table, second_ns);
    EXPECT_EQ(exit.kind, !canonical(address)              ? Exit::Kind::exception
                         : address == system_pages::begin ? Exit::Kind::violation
                                                          : Exit::Kind::fault);
    expect_contained(exit, "rip");
    for (uint64_t Registers::*base : {&Registers::fs_base, &Registers::gs_base}) {
      space->put(Bytes{0x64, 0x48, 0x8b, 0x04, 0x25, 0, 0, 0, 0} + Bytes{0x65, 0x48, 0x8b, 0x04, 0x25, 0, 0, 0, 0});
      context.registers = at(code_address);
      context.registers.*base = address;
      expect_contained(machine->run(context, space->table, second_ns), "segment base");
    }
  }
}

TEST_F(MicrovmHostile, ACallFromTheLastBytesOfTheUsersRangeReturnsToAFault) {
  const Frame last = *machine->physical().allocate();
  ASSERT_TRUE(space->table.map(user_highest - page_bytes, last, {.execute = true}));
  const auto page = machine->physical().bytes(last);
  page[page_bytes - 2] = std::byte{0x0f};
  page[page_bytes - 1] = std::byte{0x05};
  context.registers = at(user_highest - 2);
  EXPECT_EQ(machine->run(context, space->table, second_ns).kind, Exit::Kind::call);
  EXPECT_EQ(context.registers.rip, user_highest);
  const Exit exit = machine->run(context, space->table, second_ns);
  EXPECT_EQ(exit.kind, Exit::Kind::fault);
  EXPECT_EQ(exit.address, user_highest);
  expect_contained(exit, "call at the end");
}

TEST_F(MicrovmHostile, FlagsOfAllKindsDoNotReachTheMachine) {
  for (unsigned bit = 0; bit < 32; ++bit) {
    // push imm; popf; syscall
    const Exit exit = run(Bytes{0x68} + imm(static_cast<uint32_t>(1u << bit)) + Bytes{0x9d} + syscall_code);
    EXPECT_TRUE(exit.kind == Exit::Kind::call || (exit.kind == Exit::Kind::exception && exit.vector == debug))
        << bit << exit.kind;
    expect_contained(exit, "popf bit " + std::to_string(bit));
    space->put(syscall_code);
    context.registers = at(code_address);
    context.registers.rflags = 1ull << bit | 1ull << (bit + 32);
    expect_contained(machine->run(context, space->table, second_ns), "rflags bit " + std::to_string(bit));
  }
  expect_contained(run(Bytes{0x68, 0xff, 0xff, 0xff, 0xff, 0x9d, 0x0f, 0x05}), "all flags");
}

TEST_F(MicrovmHostile, SingleStepsStopBehindEachInstruction) {
  space->put({0x90, 0x90, 0x0f, 0x05, 0x90, 0x90});
  context.registers = at(code_address);
  for (const uint64_t want : {1, 2}) {
    context.registers.rflags |= 0x100;
    const Exit exit = machine->run(context, space->table, second_ns);
    ASSERT_EQ(exit.kind, Exit::Kind::exception);
    EXPECT_EQ(exit.vector, debug);
    EXPECT_EQ(context.registers.rip, code_address + want);
  }
  // The call itself comes as a call, and the trap behind it.
  ASSERT_EQ(machine->run(context, space->table, second_ns).kind, Exit::Kind::call);
  EXPECT_EQ(context.registers.rip, code_address + 4);
  const Exit exit = machine->run(context, space->table, second_ns);
  ASSERT_EQ(exit.kind, Exit::Kind::exception);
  EXPECT_EQ(exit.vector, debug);
  EXPECT_EQ(context.registers.rip, code_address + 5);
  expect_healthy();
}

// mov ss holds traps back until after the next instruction, which may be one that enters ring 0.
TEST_F(MicrovmHostile, TrapsHeldBackByMovSsDoNotComeInRingZero) {
  const Bytes with_trap = Bytes{0x9c, 0x81, 0x0c, 0x24, 0x00, 0x01, 0, 0, 0x9d};
  const Bytes mov_ss{0xb8, 0x2b, 0, 0, 0, 0x8e, 0xd0};
  for (const Bytes& next :
       {syscall_code, Bytes{0xcc}, Bytes{0x0f, 0x0b}, Bytes{0xcd, 0x80}, Bytes{0xf4}, Bytes{0xf1}}) {
    expect_contained(run(mov_ss + next), "mov ss");
    // The stack's pointer into the machine's own pages: where ring 0 would push without a stack of its own.
    expect_contained(run(mov_ss + Bytes{0x48, 0xbc} + imm(system_pages::stack_top) + next), "mov ss, rsp");
    // Step by step, by hand: trap, mov ss, and what comes after it.
    Exit exit = run(with_trap + mov_ss + next);
    for (int steps = 0; steps < 8 && exit.kind == Exit::Kind::exception && exit.vector == debug; ++steps)
      exit = machine->run(context, space->table, second_ns);
    expect_contained(exit, "mov ss, stepped");
  }
}

TEST_F(MicrovmHostile, UnalignedAccessWithTheFlagSetIsAnException) {
  if (emulated()) GTEST_SKIP() << "this CPU does not check alignment";
  // The flag, then a load at an odd address.
  const Exit exit =
      run(Bytes{0x68} + imm(uint32_t{0x40000}) + Bytes{0x9d} + mov_rbx(data_address + 1) + load_code + syscall_code);
  EXPECT_EQ(exit.kind, Exit::Kind::exception);
  EXPECT_EQ(exit.vector, alignment);
  expect_contained(exit, "AC");
}

TEST_F(MicrovmHostile, TheMachinesPagesAreOutOfReach) {
  for (uint64_t page = system_pages::begin; page < system_pages::end; page += page_bytes)
    for (const uint64_t offset : {0, 8, 0x800, 0xff8}) {
      Exit exit = run(mov_rbx(page + offset) + load_code);
      EXPECT_EQ(exit.kind, Exit::Kind::violation);
      exit = run(mov_rbx(page + offset) + store_code);
      EXPECT_EQ(exit.kind, Exit::Kind::violation);
      EXPECT_EQ(exit.address, page + offset);
    }
  expect_healthy();
}

TEST_F(MicrovmHostile, AJumpToAnyOfTheMachinesInstructionsIsAViolation) {
  for (uint64_t target = system_pages::code; target < system_pages::code + page_bytes; ++target) {
    const Exit exit = run(mov_rax(target) + Bytes{0xff, 0xe0});
    ASSERT_EQ(exit.kind, Exit::Kind::violation) << std::hex << target;
  }
  expect_healthy();
  // With what SYSCALL leaves in rcx and r11 made up.
  for (const uint64_t rcx :
       {uint64_t{0}, uint64_t{1}, uint64_t{2}, code_address, uint64_t{0x8000'0000'0000}, ~uint64_t{0}}) {
    const Exit exit = run(mov_rax(system_pages::call_entry) + mov_rcx(rcx) + Bytes{0xff, 0xe0});
    EXPECT_EQ(exit.kind, Exit::Kind::violation) << std::hex << rcx;
  }
  // Behind a real SYSCALL it is that call.
  const Exit exit =
      run(mov_rax(system_pages::call_entry) + mov_rcx(code_address + 24) + Bytes{0xff, 0xe0} + syscall_code);
  EXPECT_EQ(exit.kind, Exit::Kind::call);
  EXPECT_EQ(context.registers.rip, code_address + 24);
  expect_contained(exit, "made-up call");
}

TEST_F(MicrovmHostile, NoSelectorLeadsToOtherCodeThanRingThreesOf64Bits) {
  for (unsigned selector = 0; selector < 0x200; ++selector) {
    // ljmp *(%rsp) to what 64-bit code reads as `mov %rax, %rax; syscall`, and 32-bit code as `dec %eax; mov; syscall`.
    Bytes code = Bytes{0x68} + imm(static_cast<uint32_t>(selector)) + mov_rax(code_address + 64) +
                 Bytes{0x50, 0x48, 0xff, 0x2c, 0x24};
    code.resize(64, 0x90);
    const Exit exit = run(code + Bytes{0x48, 0x89, 0xc0} + syscall_code);
    if (exit.kind == Exit::Kind::call) {
      EXPECT_EQ(context.registers.rax, code_address + 64) << "selector " << selector;
    } else {
      EXPECT_TRUE(exit.kind == Exit::Kind::exception || exit.kind == Exit::Kind::fault)
          << "selector " << selector << " " << exit.kind << exit.what;
    }
    expect_contained(exit, "ljmp " + std::to_string(selector));
    // lretq and iretq with it as cs and as ss.
    expect_contained(run(Bytes{0x68} + imm(selector) + mov_rax(code_address + 64) + Bytes{0x50, 0x48, 0xcb}), "lret");
    expect_contained(run(Bytes{0x68} + imm(selector) + Bytes{0x6a, 0x00, 0x68, 0x02, 0x02, 0, 0, 0x68} + imm(selector) +
                         Bytes{0x6a, 0x00, 0x48, 0xcf}),
                     "iretq");
  }
}

TEST_F(MicrovmHostile, DataSegmentsOfAllKindsAreLoadedOrRefused) {
  for (unsigned selector = 0; selector < 0x100; ++selector)
    for (const int segment : {0, 2, 3, 4, 5}) {  // es ss ds fs gs
      const Exit exit = run(Bytes{0xb8} + imm(selector) + Bytes{0x8e, static_cast<uint8_t>(0xc0 | segment << 3)} +
                            Bytes{0x64, 0x8a, 0x03} + syscall_code);
      EXPECT_NE(exit.kind, Exit::Kind::violation);
      expect_contained(exit, "segment " + std::to_string(selector));
    }
}

TEST_F(MicrovmHostile, BadFpuStatesAreExceptions) {
  if (emulated()) GTEST_SKIP() << "this CPU takes any FPU state";
  const Bytes area = mov_rbx(data_address);
  const Bytes all = Bytes{0x31, 0xc0, 0xff, 0xc8, 0x31, 0xd2, 0xff, 0xca};  // eax = edx = -1
  const auto fill = [&](size_t from, size_t to) {
    std::ranges::fill(machine->physical().bytes(space->data).subspan(from, to - from), std::byte{0xff});
  };
  fill(0, page_bytes);
  const std::vector<uint8_t> refused{general_protection, invalid_opcode};
  expect_exception({"xrstor of ones", area + all + Bytes{0x0f, 0xae, 0x2b}, refused});
  expect_exception({"fxrstor of ones", area + Bytes{0x0f, 0xae, 0x0b}, refused});
  expect_exception({"ldmxcsr of ones", area + Bytes{0x0f, 0xae, 0x13}, refused});
  expect_exception(
      {"xrstor unaligned", mov_rbx(data_address + 8) + all + Bytes{0x0f, 0xae, 0x2b}, {general_protection, alignment}});
  expect_exception({"xrstors", area + all + Bytes{0x0f, 0xc7, 0x1b}, {general_protection, invalid_opcode}});
  expect_exception({"xsave to code", mov_rbx(code_address) + all + Bytes{0x0f, 0xae, 0x23}, {}});
  expect_exception(
      {"fnstenv, pending exception", Bytes{0xd9, 0xe8, 0xd9, 0xee, 0x9b, 0xd9, 0x2c, 0x25, 0, 0, 0, 0}, {}});
  // An x87 exception unmasked and raised: 1 / 0, then wait.
  space->word() = 0x0300;
  expect_exception({"x87 division by zero", area + Bytes{0xd9, 0x2b, 0xd9, 0xe8, 0xd9, 0xee, 0xde, 0xf9, 0x9b}, {16}});
  // The same of SSE: ldmxcsr with everything unmasked, then 0/0.
  space->word() = 0;
  expect_exception({"SSE invalid", area + Bytes{0x0f, 0xae, 0x13, 0x0f, 0x57, 0xc0, 0xf3, 0x0f, 0x5e, 0xc0}, {19}});
}

TEST_F(MicrovmHostile, HypercallsDoNothing) {
  for (const Bytes& call : {Bytes{0x0f, 0x01, 0xc1}, Bytes{0x0f, 0x01, 0xd9}, Bytes{0x0f, 0x01, 0xd4}}) {
    for (const uint64_t number : {0ull, 1ull, 5ull, 9ull, 10ull, 12ull, ~0ull})
      expect_contained(run(mov_rax(number) + call + syscall_code), "hypercall");
  }
}

TEST_F(MicrovmHostile, WaitingInstructionsDoNotHoldTheMachine) {
  for (const Bytes& wait : {Bytes{0xf3, 0x90}, Bytes{0x66, 0x0f, 0xae, 0xf0}, Bytes{0xf2, 0x0f, 0xae, 0xf0},
                            Bytes{0x0f, 0x01, 0xc9}, Bytes{0x0f, 0x01, 0xfb}, Bytes{0x0f, 0xae, 0xf0}}) {
    const Exit exit = run(wait + Bytes{0xeb, static_cast<uint8_t>(0xfe - wait.size())}, 2'000'000);
    EXPECT_TRUE(exit.kind == Exit::Kind::interrupted || exit.kind == Exit::Kind::exception) << exit.kind;
    expect_contained(exit, "waiting");
  }
}

TEST_F(MicrovmHostile, RandomCodeWithRandomRegistersNeverBreaksTheMachine) {
  std::mt19937_64 random(4);
  const auto interesting = [&]() -> uint64_t {
    switch (random() % 8) {
      case 0:
        return random();
      case 1:
        return data_address + random() % page_bytes;
      case 2:
        return code_address + random() % 64;
      case 3:
        return system_pages::begin + random() % (system_pages::end - system_pages::begin);
      case 4:
        return 0x7fff'ffff'f000 + random() % 8192;
      case 5:
        return random() % 256;
      case 6:
        return stack_end - random() % 64;
      default:
        return ~0ull << (random() % 64);
    }
  };
  for (int round = 0; round < 4000; ++round) {
    Bytes code(64);
    for (uint8_t& byte : code) byte = static_cast<uint8_t>(random());
    // Mostly what a compiler never makes: a system instruction first.
    if (random() % 2 == 0) code[0] = 0x0f;
    space->put(code);
    context.registers = {.rax = interesting(),
                         .rbx = interesting(),
                         .rcx = interesting(),
                         .rdx = interesting(),
                         .rsi = interesting(),
                         .rdi = interesting(),
                         .rbp = interesting(),
                         .rsp = interesting(),
                         .r8 = interesting(),
                         .r9 = interesting(),
                         .r10 = interesting(),
                         .r11 = interesting(),
                         .r12 = interesting(),
                         .r13 = interesting(),
                         .r14 = interesting(),
                         .r15 = interesting(),
                         .rip = random() % 8 == 0 ? interesting() : code_address,
                         .rflags = interesting(),
                         .fs_base = interesting(),
                         .gs_base = interesting()};
    const Exit exit = machine->run(context, space->table, 3'000'000);
    ASSERT_NE(exit.kind, Exit::Kind::broken) << exit.what << " in round " << round;
    if (round % 50 == 0) expect_healthy();
    if (HasFailure()) FAIL() << "in round " << round;
  }
  expect_healthy();
}

}  // namespace
}  // namespace shrike::test
