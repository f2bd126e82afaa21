#pragma once
// Where a machine's process lives: as if the program in it had taken it over already. In three steps, because the first
// needs privileges, the second takes them, and the third must come after the machine is made.

#include <linux/filter.h>

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "common/base/fd.h"
#include "common/base/result.h"

namespace shrike::sandbox::microvm {

/// Namespaces with nothing in them, to be joined by every jail, because making them costs more than all else: an empty
/// root that cannot be written, a network without even a loopback that is up, and nothing of System V's. Takes
/// CAP_SYS_ADMIN; without them each jail makes its own, with a user namespace around them.
struct EmptyNamespaces {
  Fd mounts, network, ipc, names, cgroups;
  [[nodiscard]] bool valid() const { return mounts.valid(); }
};
/// Invalid where that is not allowed. Errors: which step, errno.
Result<EmptyNamespaces> empty_namespaces();

/// clone3's flags for a process that is to be jailed.
uint64_t jail_clone_flags(bool joins);
/// For the jail of process `pid` that joins nothing: makes the host's nobody the root of its user namespace, and says
/// so; false where the caller may not, being no root. To be done while the process waits. Errors: errno.
Result<bool> map_jail(pid_t pid);

/// Before all else: no signal is held back; no other descriptors than `keep`, which become 3, 4 and so on in that
/// order, behind /dev/null as 0 to 2. Errors: errno.
Result<void> arrange_descriptors(std::span<const int> keep);
/// First step: the parent's death is its own; the namespaces of `join` (descriptors; none: those of clone3 are
/// emptied); where the parent is root (it `mapped` the user namespace, or there is `join`), this host's user nobody; a
/// user namespace in which there is no other. Errors: which step, errno.
Result<void> enter_jail(std::span<const int> join, bool mapped);

/// Second step: Landlock (nothing is allowed), no capabilities, no new privileges. Appends what this kernel does not
/// have to `notes`. Errors: which step, errno.
Result<void> give_up_rights(std::vector<std::string>& notes);

struct JailLimits {
  uint64_t address_space_bytes = 0;
  uint64_t descriptors = 160;  ///< a job's 62 files, 32 of the host's tree kept open, and what the machine itself has
};
/// Third step: limits and the filter. Errors: which step, errno.
Result<void> close_jail(const JailLimits& limits, std::span<const sock_filter> filter);

}  // namespace shrike::sandbox::microvm
