#pragma once
// The first process of a sandbox: builds its tree, starts the program, is its network's other end, and reaps what is
// left behind. Our own code, in the sandbox's namespaces: it trusts nothing but the process at the other end of the
// link.

#include "common/base/fd.h"
#include "sandbox/process/root.h"

namespace shrike::sandbox::process {

struct InitPlan {
  RootView view;
  bool may_set_groups = true;  ///< who has no right to map groups has none to drop them either
  bool all_ports = false;      ///< a BPF program brings every port to the sink
  bool limit_data = false;     ///< Launch::limit_data
};

/// Runs as the init of new namespaces until nothing is left in them or the link is closed. What cannot be done is said
/// over the link.
[[noreturn]] void run_init(Fd link, const InitPlan& plan);

}  // namespace shrike::sandbox::process
