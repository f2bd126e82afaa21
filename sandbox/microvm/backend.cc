#include "sandbox/microvm/backend.h"

#include <algorithm>

#include "common/base/clock.h"
#include "sandbox/microvm/run.h"

namespace shrike::sandbox::microvm {

Report no_machine(const Job& job, const std::string& why) {
  Report report;
  report.id = job.id;
  report.backend = Backend::microvm;
  report.profile = job.profile;
  report.status = Status::setup_error;
  report.cause = "the backend microvm cannot run here: " + why;
  return report;
}

Result<std::unique_ptr<MicrovmBackend>> MicrovmBackend::open(VmmOptions options) {
  return std::make_unique<MicrovmBackend>(TRY(VmmHost::open()), options);
}

Result<void> MicrovmBackend::prepare() {
  if (ready_) return {};
  VmmOptions options = options_;
  options.ahead = !options.late;
  ready_ = TRY(Vmm::start(host_, options));
  used_ = false;
  return {};
}

Report MicrovmBackend::run(const Job& job, JobFiles files, Teller& teller) {
  const uint64_t begin = boot_now_ns();
  Report report;
  report.id = job.id;
  report.backend = Backend::microvm;
  report.profile = job.profile;
  const auto failed = [&](const Error& error) {
    report.status = Status::setup_error;
    report.cause = error.message;
    teller.fill(report);
    return report;
  };
  if (ready_ && ready_->options().memory_bytes < job.limits.memory_bytes) ready_.reset();
  if (ready_ && used_ && !ready_->ready_again()) ready_.reset();
  std::unique_ptr<Vmm> vmm = std::move(ready_);
  if (!vmm) {
    VmmOptions options = options_;
    options.memory_bytes = std::max(options.memory_bytes, job.limits.memory_bytes);
    auto started = Vmm::start(host_, options);
    if (!started) return failed(started.error());
    vmm = std::move(started).value();
  }
  const uint64_t started_ns = boot_now_ns() - begin;
  GuestRun run(*vmm, job, teller);
  if (auto begun = run.begin(std::move(files)); !begun) return failed(begun.error());
  run.watch();
  used_ = run.finish(report) && options_.again;
  (used_ ? ready_ : ended_) = std::move(vmm);
  report.steps.insert(report.steps.begin(), {"process", started_ns});
  return report;
}

}  // namespace shrike::sandbox::microvm
