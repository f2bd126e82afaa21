#pragma once
// What a Machine is made of; for its own sources only.

#include <optional>
#include <string>
#include <vector>

#include "sandbox/microvm/machine/machine.h"
#include "sandbox/microvm/machine/slice_timer.h"
#include "sandbox/microvm/machine/system_pages.h"
#include "sandbox/microvm/machine/virtual_cpu.h"

namespace shrike::sandbox::microvm {

struct Machine::Impl {
  Impl(Physical memory, SystemPages system, VirtualCpu virtual_cpu, SliceTimer slice, std::vector<std::byte> fpu)
      : physical(std::move(memory)),
        pages(system),
        cpu(std::move(virtual_cpu)),
        timer(std::move(slice)),
        fresh_fpu(std::move(fpu)) {}

  /// Lets the CPU go on once; nothing when it has to go on again before the program has done anything.
  std::optional<Exit> run_once(Registers& registers, const PageTable& table);
  [[nodiscard]] std::optional<uint8_t> code_at(const PageTable& table, uint64_t address) const;
  void deal_with_stale();
  /// False when the context's image is none that a CPU takes.
  bool give_fpu(Context& context);
  void take_fpu(Context& context);
  /// An error where none can be returned: the next run ends with it.
  void note(const Result<void>& result) {
    if (!result.ok() && failure.empty()) failure = result.error().message;
  }

  Physical physical;
  SystemPages pages;
  VirtualCpu cpu;  // before the memory goes
  SliceTimer timer;
  std::vector<std::byte> fresh_fpu;
  Context* fpu_owner = nullptr;  // whose FPU state the CPU has
  Abilities abilities;
  CpuState kept;
  uint8_t last_port = 0;
  std::optional<Exit> refused_fault;  // the last one of this run that the table allows
  std::string failure;
};

}  // namespace shrike::sandbox::microvm
