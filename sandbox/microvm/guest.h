#pragma once
// One job on a machine, from its bytes to its report: inside the jail.

#include "sandbox/channel.h"
#include "sandbox/job.h"
#include "sandbox/job_files.h"
#include "sandbox/microvm/files/tree.h"
#include "sandbox/microvm/machine/machine.h"
#include "sandbox/microvm/orders.h"
#include "sandbox/report.h"

namespace shrike::sandbox::microvm {

/// Runs it, telling calls and output over `channel`, with `host_files` below its own. Errors are reports.
/// `received_ns`: CLOCK_BOOTTIME, when the job came.
Report run_guest(Machine& machine, Channel& channel, Tree& host_files, const Orders& orders, const Job& job,
                 JobFiles files, uint64_t received_ns);

}  // namespace shrike::sandbox::microvm
