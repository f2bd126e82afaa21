#pragma once
// One virtual machine of KVM's with one CPU, as far as we use it. Only here and in cpu_state.cc is KVM spoken to.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "common/base/fd.h"
#include "common/base/result.h"
#include "sandbox/microvm/machine/cpu.h"
#include "sandbox/microvm/machine/cpu_state.h"
#include "sandbox/microvm/machine/machine.h"
#include "sandbox/microvm/machine/physical.h"

namespace shrike::sandbox::microvm {

/// What kept the CPU from going on.
struct Stop {
  enum class Kind : uint8_t {
    port,         ///< ring 0 wrote to `port`
    interrupted,  ///< a signal, or immediate_exit
    failed        ///< everything that must not happen: `what`
  };
  Kind kind = Kind::failed;
  uint8_t port = 0;
  std::string what;
};

/// Which of the CPU's protections of ring 0 from ring 3's pages are on.
struct Protections {
  bool smep = false, smap = false, umip = false;
};

class VirtualCpu {
 public:
  /// Makes the machine with `physical` as its memory and its tables' region as a second slot. The system pages must be
  /// made. Errors: errno of an ioctl.
  static Result<VirtualCpu> create(const Fd& kvm, const Features& features, const Physical& physical);
  VirtualCpu(VirtualCpu&&) noexcept;
  VirtualCpu& operator=(VirtualCpu&&) noexcept;
  ~VirtualCpu();

  /// The next run() goes on in ring 3 with these registers, whatever was before. All must be such that a CPU takes
  /// them.
  void load(const Registers& registers, Frame root);
  /// Errors of KVM's are `failed` stops.
  Stop run();
  /// After a stop. rip, rsp and rflags are ring 0's where ring3() is false.
  [[nodiscard]] Registers registers() const;
  [[nodiscard]] bool ring3() const;
  [[nodiscard]] uint64_t fault_address() const;
  /// Whether an exception is on its way that has not arrived: to be asked after an `interrupted` stop.
  Result<bool> event_pending() const;

  /// What a signal's handler sets to one, so that run() returns at once, or does not begin.
  [[nodiscard]] uint8_t* immediate_exit() const;

  /// Takes the tables' region away and gives it back: whatever KVM derived from it is gone. Cost here: 28 us.
  Result<void> forget_tables();
  /// The next load() makes the CPU drop what it has of any address space.
  void flush();

  /// The FPU's state as an XSAVE image of fpu_bytes. set_fpu() errors: an image that KVM or the CPU refuses.
  Result<std::vector<std::byte>> fpu() const;
  Result<void> set_fpu(std::span<const std::byte> image);

  [[nodiscard]] const Protections& protections() const;
  /// Everything that a CPU has, but for the clock.
  Result<CpuState> state() const;
  Result<void> restore(const CpuState& state);

 private:
  struct Impl;
  explicit VirtualCpu(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

inline constexpr size_t fpu_bytes = 4096;  ///< of an XSAVE image: what KVM_GET_XSAVE gives

}  // namespace shrike::sandbox::microvm
