#pragma once
// The backends of this program, with what they share from job to job.

#include <memory>
#include <string>

#include "common/base/result.h"
#include "sandbox/backend.h"

namespace shrike::sandbox {

class Backends {
 public:
  /// Finds out what this host has and makes what takes time: filters, control groups, the eBPF trace where it may be
  /// loaded. Errors: libseccomp's.
  static Result<Backends> open();
  Backends(Backends&&) noexcept;
  Backends& operator=(Backends&&) = delete;
  ~Backends();

  /// Makes what the next job of this process needs, before there is one. `slot`: its place among those at once, from 0.
  Result<void> prepare(unsigned slot);
  Report run(const Job& job, JobFiles files, Teller& teller);

 private:
  struct Impl;
  explicit Backends(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace shrike::sandbox
