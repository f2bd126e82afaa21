#pragma once
// No packet in or out of a cgroup, without nftables or iptables.

#include <cstdint>
#include <string>
#include <vector>

#include "common/base/fd.h"
#include "common/base/result.h"

namespace shrike::respond {

/// A cgroup of the version 2 tree.
struct Cgroup {
  std::string path;    ///< below the tree's root, as /proc/PID/cgroup has it
  std::string folder;  ///< where it is in the file system
};

/// The one a process is in. Errors: there is no version 2 tree; it is the root or outside of what we see.
Result<Cgroup> cgroup_of(uint32_t pid);
/// Everyone in it and below. Errors: it cannot be read; there are more than 4096, or it is too deep.
Result<std::vector<uint32_t>> processes_of(const Cgroup& cgroup);

/// Holds as long as it lives: ends with the agent, whichever way that ends.
class NetworkCut {
 public:
  /// Needs CAP_NET_ADMIN and CAP_BPF. Errors: the kernel refused, or has no CONFIG_CGROUP_BPF.
  static Result<NetworkCut> make(const Cgroup& cgroup);

 private:
  NetworkCut(Fd ingress, Fd egress) : ingress_(std::move(ingress)), egress_(std::move(egress)) {}
  Fd ingress_, egress_;
};

}  // namespace shrike::respond
