#include "sandbox/backends.h"

#include <unistd.h>

#include "sandbox/process/backend.h"

namespace shrike::sandbox {

struct Backends::Impl {
  explicit Impl(process::Filters made) : filters(std::move(made)) {}
  ~Impl() { process::remove_cgroups(cgroups); }

  process::ProcessOptions options(unsigned slot) const {
    process::ProcessOptions options;
    options.cgroups = &cgroups;
    options.filters = &filters;
    options.no_tracers = "calls are told by notification: no eBPF";
    options.name = "job-" + std::to_string(::getpid());
    // Two services at once would share ids; a job alone takes one from its own pid's.
    options.uid = process::first_job_uid + slot;
    return options;
  }

  process::Filters filters;
  process::CgroupHost cgroups = process::prepare_cgroups();
  std::unique_ptr<process::ProcessBackend> ready;
};

Backends::Backends(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Backends::Backends(Backends&&) noexcept = default;
Backends::~Backends() = default;

Result<Backends> Backends::open() { return Backends(std::make_unique<Impl>(TRY(process::Filters::build()))); }

Result<void> Backends::prepare(unsigned slot) {
  impl_->ready = std::make_unique<process::ProcessBackend>(impl_->options(slot));
  return impl_->ready->prepare();
}

Report Backends::run(const Job& job, JobFiles files, Teller& teller) {
  if (job.backend == Backend::microvm) {
    Report report;
    report.id = job.id;
    report.backend = job.backend;
    report.profile = job.profile;
    report.status = Status::setup_error;
    report.cause = "this shrike-sandbox has no backend microvm";
    return report;
  }
  if (!impl_->ready)
    impl_->ready =
        std::make_unique<process::ProcessBackend>(impl_->options(64 + static_cast<unsigned>(::getpid()) % 4096));
  return impl_->ready->run(job, std::move(files), teller);
}

}  // namespace shrike::sandbox
