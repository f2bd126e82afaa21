#pragma once
// One job on a machine, from its bytes to its report: inside the jail.

#include <memory>

#include "sandbox/channel.h"
#include "sandbox/job.h"
#include "sandbox/job_files.h"
#include "sandbox/microvm/files/file_system.h"
#include "sandbox/microvm/guest_tree.h"
#include "sandbox/microvm/machine/machine.h"
#include "sandbox/microvm/orders.h"
#include "sandbox/report.h"

namespace shrike::sandbox::microvm {

/// What a guest finds that does not depend on its job: made while nobody waits.
struct GuestFiles {
  /// `host_files` and `orders` outlive it.
  GuestFiles(Tree& host_files, const Orders& orders);
  JobTree* job = nullptr;  ///< below `tree`
  std::unique_ptr<FileSystem> tree;
};

/// Runs it, telling calls and output over `channel`. Errors are reports. `received_ns`: CLOCK_BOOTTIME, when it came.
Report run_guest(Machine& machine, Channel& channel, GuestFiles guest_files, const Orders& orders, const Job& job,
                 JobFiles files, uint64_t received_ns);

}  // namespace shrike::sandbox::microvm
