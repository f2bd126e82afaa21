#pragma once
// Everything that a virtual CPU has, to set it back and to compare it.

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "common/base/fd.h"
#include "common/base/result.h"

namespace shrike::sandbox::microvm {

struct CpuState {
  struct Part {
    std::string name;              ///< "registers", "msr 0xc0000082", ...
    std::vector<std::byte> bytes;  ///< as KVM has them
    bool operator==(const Part&) const = default;
  };
  std::vector<Part> parts;
};

/// Reads it all from a virtual CPU; `msrs` are the numbers of its model-specific registers. Errors: an ioctl's.
Result<CpuState> read_cpu_state(const Fd& cpu, const std::vector<uint32_t>& msrs);
/// Sets what differs from `now`. Errors: an ioctl's; KVM refuses an MSR, named.
Result<void> write_cpu_state(const Fd& cpu, const CpuState& state, const CpuState& now);
/// The name of the first part that is not the same, if there is one.
std::optional<std::string> first_difference(const CpuState& a, const CpuState& b);
/// All that KVM saves of this kind of CPU but for its clocks. Errors: an ioctl's.
Result<std::vector<uint32_t>> msrs_to_keep(const Fd& kvm);

}  // namespace shrike::sandbox::microvm
