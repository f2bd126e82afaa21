#pragma once
// A virtual machine with one CPU on /dev/kvm.

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "common/base/fd.h"
#include "common/base/result.h"
#include "sandbox/microvm/machine/cpu.h"
#include "sandbox/microvm/machine/physical.h"

namespace shrike::sandbox::microvm {

/// What the self-test found out about this KVM.
struct Abilities {
  std::string kind;                               ///< "paravirtual" (SYSCALL stays in ring 3), "hardware"
  bool smep = false, smap = false, umip = false;  ///< switched on
  bool traps_int80 = false;                       ///< told as a foreign call; else as an exception
};

/// What this host's KVM can do, the same for every machine. To read it takes a third of what a machine does.
struct Features {
  std::vector<std::byte> cpuid;  ///< KVM's table of what it supports
  std::vector<uint32_t> msrs;    ///< registers that are part of a machine's state
  /// What a machine's self-test has found here; nothing: each machine tests itself.
  std::optional<Abilities> tested;
  /// Errors: not a KVM with API version 12; a capability that is missing, named; errno of an ioctl.
  static Result<Features> read(const Fd& kvm);
};

/// Belongs to the thread that made it: only that one may run, reset and end it.
class Machine final : public Cpu {
 public:
  /// Opens /dev/kvm, makes the machine, finds out by running it what kind it is. Errors: no /dev/kvm (what to do); an
  /// API version or a capability that is missing, named; errno of an ioctl; a protection that does not hold here. Cost
  /// here: 1.3 ms, most of it KVM's.
  static Result<std::unique_ptr<Machine>> create(uint64_t memory_bytes);
  /// The same with /dev/kvm opened before, and what Features::read() said: for a process that is jailed already.
  static Result<std::unique_ptr<Machine>> create(const Fd& kvm, const Features& features, uint64_t memory_bytes);
  ~Machine() override;

  Exit run(Context& context, PageTable& table, uint64_t slice_ns) override;
  void save(Context& context) override;
  void forget(Context& context) override;

  /// Every ioctl that a machine makes once it is made, the most frequent first; with `again`, also those of
  /// keep_template() and reset().
  static std::vector<uint32_t> kvm_requests(bool again);

  [[nodiscard]] Physical& physical();
  [[nodiscard]] const Abilities& abilities() const;
  /// What is in memory and in the CPU now is what reset() goes back to; before the first job. Errors: KVM's. Cost here:
  /// 0.1 ms.
  Result<void> keep_template();
  /// Everything back to the template: memory, every register, MSRs, FPU. Page tables and contexts must be gone. Errors:
  /// KVM's. Cost here: 0.2 ms with 200 pages in use.
  Result<void> reset();
  /// Compares memory and CPU with the template, all of it. Errors: the first difference.
  Result<void> check_reset();

 private:
  struct Impl;
  explicit Machine(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

/// Opens /dev/kvm. Errors: there is none, or it may not be used; the sentence says what to do.
Result<Fd> open_kvm();

}  // namespace shrike::sandbox::microvm
