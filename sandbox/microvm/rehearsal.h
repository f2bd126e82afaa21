#pragma once
// A machine that waits for its job has run a program before: what is touched first (our own pages, those of the
// tables, what KVM makes for itself) costs more than all that the next program needs of it.

#include "common/base/result.h"
#include "sandbox/microvm/files/tree.h"
#include "sandbox/microvm/machine/cpu.h"
#include "sandbox/microvm/machine/physical.h"
#include "sandbox/microvm/orders.h"

namespace shrike::sandbox::microvm {

/// Runs a program of ours of four calls, with files, kernel and CPU, and lets go of all that it had; nobody is told.
/// Errors: it was not run to its end as it should: the machine is of no use. Cost here: a millisecond.
Result<void> rehearse(Cpu& cpu, Physical& physical, Tree& host_files, const Orders& orders);
/// The same without a machine: all but the CPU's part.
Result<void> rehearse_without_machine(Tree& host_files, const Orders& orders);

}  // namespace shrike::sandbox::microvm
