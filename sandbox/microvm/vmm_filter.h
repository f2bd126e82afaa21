#pragma once
// What the process of a machine may still ask of this host's kernel once it is jailed: a seccomp filter, deny by
// default. Whatever is not in it ends the process. Made of values, so that tests can run it without installing it.

#include <linux/filter.h>

#include <cstdint>
#include <vector>

namespace shrike::sandbox::microvm {

/// What the filter's conditions are held against.
struct VmmFilterPlan {
  std::vector<uint32_t> kvm_requests;  ///< ioctl numbers, the most frequent first
  uint64_t guest_begin = 0;            ///< addresses of guest memory in the process: only there may mprotect be used
  uint64_t guest_end = 0;
  int channel = -1, broker = -1;  ///< the only sockets that may be spoken on
  int error = -1;                 ///< where write(2) goes: what an abort says
};

std::vector<sock_filter> vmm_filter(const VmmFilterPlan& plan);

}  // namespace shrike::sandbox::microvm
