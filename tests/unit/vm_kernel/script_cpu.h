#pragma once
// A CPU whose programs are lists of calls: two bytes of code each, as SYSCALL has. A step sees its thread's registers,
// with the result of the step before in rax, and says what happens next.

#include <functional>
#include <map>
#include <vector>

#include "sandbox/microvm/machine/cpu.h"

namespace shrike::sandbox::microvm::testing {

using Step = std::function<Exit(Registers&)>;

class ScriptCpu final : public Cpu {
 public:
  /// What is at `address` and behind it.
  void program(uint64_t address, std::vector<Step> steps) { programs_[address] = std::move(steps); }

  Exit run(Context& context, PageTable&, uint64_t) override {
    ++runs;
    Registers& registers = context.registers;
    auto at = programs_.upper_bound(registers.rip);
    if (at != programs_.begin()) {
      --at;
      const uint64_t index = (registers.rip - at->first) / 2;
      if (index < at->second.size()) {
        registers.rip += 2;
        return at->second[index](registers);
      }
    }
    Exit exit;
    exit.kind = Exit::Kind::fault;
    exit.address = 0;  // behind the end: SIGSEGV
    exit.execute = true;
    return exit;
  }
  void save(Context& context) override {
    if (!context.fpu.empty()) return;
    context.fpu.resize(832);
    context.fpu[25] = std::byte{0x1f};  // MXCSR 0x1f80
    context.fpu[24] = std::byte{0x80};
  }
  void forget(Context& context) override { context.fpu.clear(); }

  size_t runs = 0;

 private:
  std::map<uint64_t, std::vector<Step>> programs_;
};

/// The next thing is system call `number` with `args`.
template <class... Args>
Step sys(int64_t number, Args... args) {
  const std::vector<uint64_t> values{static_cast<uint64_t>(args)...};
  return [number, values](Registers& registers) {
    registers.rax = static_cast<uint64_t>(number);
    const std::array<uint64_t*, 6> to{&registers.rdi, &registers.rsi, &registers.rdx,
                                      &registers.r10, &registers.r8,  &registers.r9};
    for (size_t i = 0; i < values.size(); ++i) *to[i] = values[i];
    Exit exit;
    exit.kind = Exit::Kind::call;
    return exit;
  };
}

}  // namespace shrike::sandbox::microvm::testing
