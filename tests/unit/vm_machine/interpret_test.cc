#include "sandbox/microvm/machine/interpret.h"

#include <gtest/gtest.h>

#include <map>

namespace shrike::sandbox::microvm {
namespace {

namespace pages = system_pages;

// What the program could execute, byte by byte.
struct Bytes {
  std::map<uint64_t, uint8_t> at;
  Bytes(uint64_t address, std::initializer_list<uint8_t> bytes) {
    for (const uint8_t byte : bytes) at[address++] = byte;
  }
  std::optional<uint8_t> operator()(uint64_t address) const {
    const auto found = at.find(address);
    return found == at.end() ? std::nullopt : std::optional(found->second);
  }
};
const Code nothing = [](uint64_t) { return std::nullopt; };

Left exception(uint8_t vector, ExceptionFrame frame, uint64_t fault_address = 0) {
  Left left;
  left.port = static_cast<uint8_t>(pages::exception_port + vector);
  left.registers.rip = pages::code + vector * 16u + 2;
  left.registers.rsp = pages::stack_top - 48;
  left.frame = frame;
  left.fault_address = fault_address;
  return left;
}
constexpr ExceptionFrame in_program{
    .error_code = 0, .rip = 0x1000, .cs = 0x33, .rflags = 0x10202, .rsp = 0x2000, .ss = 0x2b};

TEST(Interpret, ACallInRingZeroGoesBackBehindTheInstruction) {
  Left left;
  left.port = pages::call_port;
  left.registers.rcx = 0x1002;
  left.registers.r11 = 0xffff'ffff'ffff'ffff;
  Registers registers;
  EXPECT_EQ(interpret(left, nothing, registers).kind, Exit::Kind::call);
  EXPECT_EQ(registers.rip, 0x1002u);
  EXPECT_EQ(registers.rflags, 0x24'4fd7u);
}

TEST(Interpret, ACallThatStayedInRingThreeIsOneOnlyBehindASyscallInstruction) {
  ExceptionFrame frame = in_program;
  frame.rip = pages::call_entry;
  frame.error_code = 0x15;
  Left left = exception(14, frame, pages::call_entry);
  left.registers.rcx = 0x1002;
  left.registers.r11 = 0x246;
  Registers registers;
  const Exit call = interpret(left, Bytes(0x1000, {0x0f, 0x05}), registers);
  EXPECT_EQ(call.kind, Exit::Kind::call);
  EXPECT_EQ(registers.rip, 0x1002u);
  EXPECT_EQ(registers.rsp, 0x2000u);
  EXPECT_EQ(registers.rflags, 0x246u);
  for (const Code& other :
       {nothing, Code(Bytes(0x1000, {0x0f})), Code(Bytes(0x1001, {0x05})), Code(Bytes(0x1000, {0x05, 0x0f}))})
    EXPECT_EQ(interpret(left, other, registers).kind, Exit::Kind::violation);
  for (const uint64_t rcx : {0ull, 1ull, ~0ull}) {
    left.registers.rcx = rcx;
    EXPECT_EQ(interpret(left, Bytes(0x1000, {0x0f, 0x05}), registers).kind, Exit::Kind::violation);
  }
}

TEST(Interpret, AFaultTellsItsAddressAndBits) {
  ExceptionFrame frame = in_program;
  frame.error_code = 0x6;
  Registers registers;
  const Exit exit = interpret(exception(14, frame, 0x123), nothing, registers);
  EXPECT_EQ(exit.kind, Exit::Kind::fault);
  EXPECT_EQ(exit.address, 0x123u);
  EXPECT_TRUE(exit.write);
  EXPECT_FALSE(exit.present || exit.execute);
  EXPECT_EQ(registers.rip, 0x1000u);
  EXPECT_EQ(registers.rflags, 0x202u);
}

TEST(Interpret, AFaultInTheMachinesPagesIsAViolationThatSaysHow) {
  Registers registers;
  for (const auto& [bits, what] : std::map<uint64_t, std::string>{{5, "read the machine's pages"},
                                                                  {7, "wrote to the machine's pages"},
                                                                  {0x15, "jumped into the machine's pages"}}) {
    ExceptionFrame frame = in_program;
    frame.error_code = bits;
    const Exit exit = interpret(exception(14, frame, pages::stack), nothing, registers);
    EXPECT_EQ(exit.kind, Exit::Kind::violation);
    EXPECT_EQ(exit.what, what);
  }
  EXPECT_EQ(interpret(exception(14, in_program, pages::end), nothing, registers).kind, Exit::Kind::fault);
}

TEST(Interpret, ForeignCallsAreKnownByTheirBytesBehindAnyPrefixes) {
  Registers registers;
  const auto kind = [&](uint8_t vector, std::initializer_list<uint8_t> bytes) {
    return interpret(exception(vector, in_program), Bytes(0x1000, bytes), registers).kind;
  };
  for (const uint8_t vector : {uint8_t{6}, uint8_t{13}}) {
    EXPECT_EQ(kind(vector, {0xcd, 0x80}), Exit::Kind::foreign_call);
    EXPECT_EQ(registers.rip, 0x1002u);
    EXPECT_EQ(kind(vector, {0x66, 0x4f, 0x0f, 0x34}), Exit::Kind::foreign_call);
    EXPECT_EQ(registers.rip, 0x1004u);
    EXPECT_EQ(kind(vector, {0xcd, 0x81}), Exit::Kind::exception);
    EXPECT_EQ(kind(vector, {0xf4}), Exit::Kind::exception);
    EXPECT_EQ(kind(vector, {}), Exit::Kind::exception);
    EXPECT_EQ(registers.rip, 0x1000u);
  }
  EXPECT_EQ(kind(12, {0xcd, 0x80}), Exit::Kind::exception);
}

TEST(Interpret, ExceptionsOfRingZeroAreTheMachinesEndButATrapBehindACall) {
  ExceptionFrame frame = in_program;
  frame.cs = 0x10;
  frame.rip = pages::call_entry;
  Left left = exception(1, frame);
  left.registers.rcx = 0x1002;
  Registers registers;
  EXPECT_EQ(interpret(left, nothing, registers).kind, Exit::Kind::call);
  EXPECT_EQ(registers.rip, 0x1002u);
  EXPECT_EQ(interpret(exception(14, frame), nothing, registers).kind, Exit::Kind::broken);
  EXPECT_EQ(interpret(exception(8, in_program), nothing, registers).kind, Exit::Kind::broken);
}

TEST(Interpret, EveryPortAndVectorHasAnAnswer) {
  for (unsigned port = 0; port < 256; ++port) {
    Left left;
    left.port = static_cast<uint8_t>(port);
    left.frame = in_program;
    Registers registers;
    const Exit exit = interpret(left, nothing, registers);
    EXPECT_EQ(exit.kind == Exit::Kind::broken, !exit.what.empty() && exit.kind != Exit::Kind::violation) << port;
    EXPECT_EQ(registers.rflags & 0x202, 0x202u);
  }
}

TEST(Interpret, CanonicalAddressesHaveTheirUpperBitsAlike) {
  EXPECT_TRUE(canonical(0) && canonical(0x7fff'ffff'ffff) && canonical(0xffff'8000'0000'0000) && canonical(~0ull));
  EXPECT_FALSE(canonical(0x8000'0000'0000) || canonical(0xffff'7fff'ffff'ffff) || canonical(1ull << 63));
}

}  // namespace
}  // namespace shrike::sandbox::microvm
