#pragma once
// A machine with one address space, for a few bytes of code as the program.

#include <cpuid.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <initializer_list>
#include <memory>
#include <optional>
#include <ostream>
#include <vector>

#include "common/base/bytes.h"
#include "sandbox/microvm/machine/machine.h"
#include "tests/require.h"

namespace shrike::sandbox::microvm {

inline std::ostream& operator<<(std::ostream& out, Exit::Kind kind) {
  static constexpr const char* names[] = {"call",         "fault",     "exception", "interrupted",
                                          "foreign_call", "violation", "broken"};
  return out << names[static_cast<size_t>(kind)];
}

}  // namespace shrike::sandbox::microvm

namespace shrike::test {

using namespace sandbox::microvm;

inline constexpr uint64_t code_address = 0x400000;
inline constexpr uint64_t data_address = 0x500000;
inline constexpr uint64_t stack_address = 0x600000;
inline constexpr uint64_t stack_end = stack_address + page_bytes;
inline constexpr uint64_t second_ns = 1'000'000'000;

inline bool kvm_possible() { return ::access("/dev/kvm", R_OK | W_OK) == 0; }

/// Whether this host's CPU is QEMU's software, which does not know all exceptions.
inline bool emulated() {
  unsigned a = 0, b = 0, c = 0, d = 0;
  __cpuid(0x40000000, a, b, c, d);
  return b == 0x54474354;  // "TCGT"
}

using Bytes = std::vector<uint8_t>;

inline Bytes operator+(Bytes a, const Bytes& b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}
/// The bytes of `value`, as instructions carry them.
template <class T>
Bytes imm(T value) {
  Bytes bytes(sizeof value);
  store_le(bytes.data(), value);
  return bytes;
}
inline Bytes mov_rax(uint64_t value) { return Bytes{0x48, 0xb8} + imm(value); }
inline Bytes mov_rbx(uint64_t value) { return Bytes{0x48, 0xbb} + imm(value); }
inline Bytes mov_rcx(uint64_t value) { return Bytes{0x48, 0xb9} + imm(value); }
inline const Bytes syscall_code{0x0f, 0x05};
inline const Bytes load_code{0x48, 0x8b, 0x03};   // mov (%rbx), %rax
inline const Bytes store_code{0x48, 0x89, 0x03};  // mov %rax, (%rbx)
inline const Bytes jump_here{0xeb, 0xfe};

/// An address space with a page of code, one of data and one of stack.
class Space {
 public:
  explicit Space(Physical& physical) : physical_(physical), table(std::move(PageTable::create(physical)).value()) {
    code = *physical.allocate();
    data = *physical.allocate();
    EXPECT_TRUE(table.map(code_address, code, {.execute = true}));
    EXPECT_TRUE(table.map(data_address, data, {.write = true}));
    EXPECT_TRUE(table.map(stack_address, *physical.allocate(), {.write = true}));
  }
  void put(const Bytes& bytes, size_t at = 0) {
    std::ranges::copy(std::as_bytes(std::span(bytes)), physical_.bytes(code).begin() + static_cast<std::ptrdiff_t>(at));
  }
  uint64_t& word() { return *reinterpret_cast<uint64_t*>(physical_.bytes(data).data()); }

 private:
  Physical& physical_;

 public:
  PageTable table;
  Frame code = 0, data = 0;
};

class MicrovmMachine : public ::testing::Test {
 protected:
  void SetUp() override {
    SHRIKE_NEED("kvm", kvm_possible());
    auto made = Machine::create(16u << 20);
    ASSERT_TRUE(made.ok()) << made.error().message;
    machine = std::move(made).value();
    const auto kept = machine->keep_template();
    ASSERT_TRUE(kept.ok()) << kept.error().message;
    space = std::make_unique<Space>(machine->physical());
  }
  void TearDown() override {
    space.reset();
    machine.reset();
  }
  static Registers at(uint64_t rip) {
    Registers registers;
    registers.rip = rip;
    registers.rsp = stack_end;
    return registers;
  }
  /// Puts the code and runs it from its beginning until something happens.
  Exit run(const Bytes& code, uint64_t slice_ns = second_ns) {
    space->put(code);
    context.registers = at(code_address);
    return machine->run(context, space->table, slice_ns);
  }
  /// The machine still does what it should, whatever was before.
  void expect_healthy() {
    machine->forget(context);
    const Exit exit = run(mov_rax(39) + syscall_code);
    EXPECT_EQ(exit.kind, Exit::Kind::call) << exit.what;
    EXPECT_EQ(context.registers.rax, 39u);
    EXPECT_EQ(context.registers.rip, code_address + 12);
    EXPECT_EQ(context.registers.rflags, 0x202u);
    EXPECT_EQ(context.registers.rsp, stack_end);
  }

  std::unique_ptr<Machine> machine;
  std::unique_ptr<Space> space;
  Context context;
};

}  // namespace shrike::test
