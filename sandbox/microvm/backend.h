#pragma once
// The backend `microvm`: jobs as guests of a machine of their own.

#include <memory>

#include "sandbox/backend.h"
#include "sandbox/microvm/vmm.h"

namespace shrike::sandbox::microvm {

/// The report of a job that wants a machine where there is none, and why.
Report no_machine(const Job& job, const std::string& why);

class MicrovmBackend final : public BackendRunner {
 public:
  /// Looks for /dev/kvm and for what all machines share. Errors: there is none, what to do; this KVM lacks something.
  static Result<std::unique_ptr<MicrovmBackend>> open(VmmOptions options = {});
  explicit MicrovmBackend(VmmHost host, VmmOptions options) : host_(std::move(host)), options_(options) {}

  /// Starts the machine of the next job, if there is none, and returns at once. To be called in the process that runs
  /// the job: a machine ends with the process that has started it. Errors: errno.
  Result<void> prepare();
  /// Processor time of the machine that is ready, or makes itself so; 0 where there is none.
  [[nodiscard]] uint64_t cpu_ns() const { return ready_ ? ready_->cpu_ns() : 0; }
  /// With `again` in the options the machine is kept for the next job, if this one was nothing strange.
  Report run(const Job& job, JobFiles files, Teller& teller) override;

 private:
  VmmHost host_;
  VmmOptions options_;
  std::unique_ptr<Vmm> ready_;
  std::unique_ptr<Vmm> ended_;  // waited for when nobody waits for us
  bool used_ = false;           // ready_ has had a job
};

}  // namespace shrike::sandbox::microvm
