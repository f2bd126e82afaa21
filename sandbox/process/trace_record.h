#pragma once
// What the kernel side of the trace tells, as calls, in the order of their numbers. Pure: no kernel here.

#include <cstddef>
#include <cstdint>
#include <map>
#include <span>

#include "common/base/result.h"
#include "sandbox/call.h"
#include "sandbox/policy.h"

namespace shrike::sandbox::process {

/// One record of the ring (bpf/sandbox/shrike_sandbox.h). Errors: not one, why.
Result<Call> decode_record(std::span<const std::byte> bytes);

/// Puts things back into order: two cores may put theirs into the ring the other way round. A number that does not come
/// is waited for until `window` later ones are there, then it counts as lost.
class TraceOrder {
 public:
  explicit TraceOrder(size_t window = 4096) : window_(window) {}
  void add(Call call, CallSink& out);
  /// Hands out all that is left. `total`: how many there were altogether. Returns how many were lost.
  uint64_t finish(uint64_t total, CallSink& out);

 private:
  void hand_out(CallSink& out);

  size_t window_;
  std::map<uint64_t, Call> waiting_;
  uint64_t next_ = 0;
  uint64_t given_ = 0;
};

}  // namespace shrike::sandbox::process
