#pragma once
// Where a machine's process lives: as if the program in it had taken it over already. In two steps, because the first
// needs privileges and the second must come after the machine is made.

#include <linux/filter.h>

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "common/base/fd.h"
#include "common/base/result.h"

namespace shrike::sandbox::microvm {

/// Namespaces with nothing in them, to be joined by every jail, because making them costs more than all else: an empty
/// root that cannot be written, a network without even a loopback that is up, and nothing of System V's. Only root can;
/// without them each jail makes its own.
struct EmptyNamespaces {
  Fd mounts, network, ipc, names, cgroups;
  [[nodiscard]] bool valid() const { return mounts.valid(); }
};
/// Invalid for others than root. Errors: which step, errno.
Result<EmptyNamespaces> empty_namespaces();

/// clone3's flags for a process that is to be jailed.
uint64_t jail_clone_flags(bool joins);

/// Before all else: no signal is held back; no other descriptors than `keep`, which become 3, 4 and so on in that
/// order, behind /dev/null as 0 to 2. Errors: errno.
Result<void> arrange_descriptors(std::span<const int> keep);
/// First step: the parent's death is its own; the namespaces of `join` (descriptors; none: those of clone3 are
/// emptied); for root, this host's user nobody, and a user namespace in which there is no other. Errors: which step,
/// errno.
Result<void> enter_jail(std::span<const int> join);

struct JailLimits {
  uint64_t address_space_bytes = 0;
  uint64_t descriptors = 160;  ///< a job's 62 files, 32 of the host's tree kept open, and what the machine itself has
};
/// Second step: limits, Landlock (nothing is allowed), no capabilities, no new privileges, the filter. Appends what
/// this kernel does not have to `notes`. Errors: which step, errno.
Result<void> close_jail(const JailLimits& limits, std::span<const sock_filter> filter, std::vector<std::string>& notes);

}  // namespace shrike::sandbox::microvm
