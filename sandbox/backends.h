#pragma once
// The backends of this program, with what they share from job to job.

#include <sys/types.h>

#include <memory>
#include <string>
#include <vector>

#include "common/base/result.h"
#include "sandbox/backend.h"

namespace shrike::sandbox {

class Backends {
 public:
  /// Finds out what this host has and makes what takes time: filters, control groups, the eBPF trace where it may be
  /// loaded (and wanted). Not `ready_machines`: prepare() makes the process of the
  /// job's machine, and the machine comes with the job. Errors: libseccomp's.
  static Result<Backends> open(bool ebpf, bool ready_machines = true);
  Backends(Backends&&) noexcept;
  Backends& operator=(Backends&&) = delete;
  ~Backends();

  /// In the service, before it forks the process of a job: makes what a place among those at once needs of it.
  void reserve(unsigned slot);
  /// Jobs run now, or none does any more: what costs all of this host is there only meanwhile. Before run(), by the
  /// service or by a process of its own. Errors: errno; then nothing may run.
  Result<void> activate(bool active);
  /// In the service, when that process is gone: takes away what it left. False: something is still there, ask again.
  bool release(unsigned slot, pid_t process);
  /// In the process of a job, before there is one: makes what does not depend on it. Errors: which step.
  Result<void> prepare(unsigned slot);
  Report run(const Job& job, JobFiles files, Teller& teller);
  /// In the process of a job: gives up what prepare() made, and what is the service's stays.
  void forget();
  /// What this host cannot do, each a sentence.
  [[nodiscard]] std::vector<std::string> notes() const;

 private:
  struct Impl;
  explicit Backends(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace shrike::sandbox
