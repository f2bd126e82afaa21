#pragma once
// The eBPF trace: loaded once, then a slot of it for each sandbox at once.

#include <memory>
#include <string>
#include <vector>

#include "common/base/result.h"
#include "sandbox/process/backend.h"

namespace shrike::sandbox::process {

class EbpfTrace {
 public:
  /// Loads, and attaches what tells processes. Errors: what this kernel or this user may not do. Cost: some ten
  /// milliseconds.
  static Result<std::unique_ptr<EbpfTrace>> load();
  ~EbpfTrace();
  EbpfTrace(const EbpfTrace&) = delete;
  EbpfTrace& operator=(const EbpfTrace&) = delete;

  static constexpr unsigned slots = 64;
  /// Attaches what runs at every system call of this host, or takes it away again: while no job runs it would cost all
  /// others 160 ns a call. The first time costs 0.2 ms. Errors: errno.
  Result<void> activate(bool active);
  /// Makes what slot `slot` needs and is not there yet; afterwards a child of this process may use it. Errors: errno.
  Result<void> prepare(unsigned slot);
  /// All in the sandbox of this slot are dead: forgets it.
  void release(unsigned slot);
  /// The tracer of a slot that was prepared.
  std::unique_ptr<TracerSource> source(unsigned slot);

  struct Impl;

 private:
  explicit EbpfTrace(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace shrike::sandbox::process
