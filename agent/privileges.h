#pragma once
// What the agent gives up once it is set up. All of it is irrevocable.

#include "common/base/result.h"

namespace shrike::agent {

/// No core dumps (they would hold keys and other users' arguments), not traceable by users' processes, no new
/// privileges. Safe at any time; done first thing.
Result<void> forbid_dumps();

/// What only an agent that responds needs (agent.toml, [response]).
struct ResponseNeeds {
  bool signals = false;  ///< CAP_KILL, and to signal other processes by pidfd
  bool network = false;  ///< CAP_NET_ADMIN, to attach programs that drop a cgroup's packets
};

/// Drops every capability but these and those of `needs`, also from the bounding set:
///  CAP_BPF, CAP_PERFMON   load and attach the next generation of programs on reload;
///  CAP_DAC_READ_SEARCH    open a cgroup by its id (open_by_handle_at) when its process is already gone.
/// Affects the calling thread: call it before any other is started. Those the process does not have stay away.
/// Errors: the kernel refused.
Result<void> drop_capabilities(const ResponseNeeds& needs = {});

/// Puts all threads under an allow-list of system calls. What an agent never does and an intruder wants (execve,
/// ptrace, mount, modules, kexec, other processes' memory, namespaces) kills the process; anything else not on the list
/// fails with EPERM and leaves a line in the kernel's log. New processes, raw sockets and writable-and-executable
/// memory are refused. Errors: the kernel refused the filter.
Result<void> install_system_call_filter(const ResponseNeeds& needs = {});

}  // namespace shrike::agent
