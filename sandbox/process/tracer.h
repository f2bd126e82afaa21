#pragma once
// Who tells the calls of a process sandbox.

#include <sys/types.h>

#include <cstdint>
#include <memory>
#include <string_view>

#include "common/base/fd.h"
#include "sandbox/call.h"
#include "sandbox/policy.h"

namespace shrike::sandbox::process {

class Tracer {
 public:
  virtual ~Tracer() = default;
  /// "ebpf", "notify".
  [[nodiscard]] virtual std::string_view name() const = 0;
  /// For poll(2), POLLIN; -1: nothing to wait for.
  [[nodiscard]] virtual int fd() const = 0;
  /// Takes what is there, without waiting, a bounded amount. Call it also when nothing is ready, every 50 ms or so.
  virtual void read(CallSink& calls) = 0;
  /// All is dead: takes what is left. Returns how many things happened that were lost.
  virtual uint64_t finish(CallSink& calls) = 0;
  /// CLOCK_BOOTTIME when the program's first instruction was about to run; 0: not yet, or not known.
  [[nodiscard]] virtual uint64_t began_ns() const = 0;
};

}  // namespace shrike::sandbox::process
