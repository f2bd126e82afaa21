#pragma once
// The process of one machine, from clone3 on.

#include "sandbox/microvm/machine/machine.h"
#include "sandbox/microvm/orders.h"
#include "sandbox/microvm/vmm.h"

namespace shrike::sandbox::microvm {

/// Descriptors and memory as the parent had them at clone3.
struct VmmPlan {
  int channel = -1, broker = -1, kvm = -1;
  const EmptyNamespaces* empty = nullptr;
  const Features* features = nullptr;
  const HostTree* known = nullptr;  ///< what of the host's files is known without asking
  Orders* orders = nullptr;
  VmmOptions options;
  int parents_end = -1,
      mapped = -1;  ///< the parent writes to its end once it has mapped the user namespace, or closes it
};

/// Jails itself, makes the machine, runs jobs until its channel is closed. A step of that fails: a frame `refused` says
/// which.
[[noreturn]] void run_vmm_process(const VmmPlan& plan);

}  // namespace shrike::sandbox::microvm
