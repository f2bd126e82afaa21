#pragma once
// A machine that waits for its job has run a program before: what is touched first (our own pages, those of the
// tables, what KVM makes for itself) costs more than all that the next program needs of it.

#include "common/base/result.h"
#include "sandbox/microvm/files/tree.h"
#include "sandbox/microvm/machine/machine.h"
#include "sandbox/microvm/orders.h"

namespace shrike::sandbox::microvm {

/// Runs a program of ours of four calls, with files, kernel and CPU, and lets go of all that it had; nobody is told.
/// Errors: the machine did not run it to its end as it should: it is of no use. Cost here: a millisecond or two.
Result<void> rehearse(Machine& machine, Tree& host_files, const Orders& orders);

}  // namespace shrike::sandbox::microvm
