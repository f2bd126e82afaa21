#include "sandbox/backends.h"

#include <unistd.h>

#include "sandbox/microvm/backend.h"
#include "sandbox/process/backend.h"
#include "sandbox/process/ebpf.h"

namespace shrike::sandbox {

struct Backends::Impl {
  explicit Impl(process::Filters made) : filters(std::move(made)) {}
  ~Impl() { process::remove_cgroups(cgroups); }

  process::ProcessOptions options(unsigned slot) {
    process::ProcessOptions options;
    options.cgroups = &cgroups;
    options.filters = &filters;
    options.no_tracers = no_trace;
    if (trace) {
      source = trace->source(slot % process::EbpfTrace::slots);
      options.tracers = source.get();
    }
    options.name = process::job_group_name(::getpid());
    // Two services at once would share ids; a job alone takes one from its own pid's.
    options.uid = process::first_job_uid + slot;
    return options;
  }

  void without_trace(const Error& why) {
    no_trace = "calls are told by notification: " + why.message;
    trace.reset();
  }

  process::Filters filters;
  process::CgroupHost cgroups = process::prepare_cgroups();
  std::unique_ptr<process::EbpfTrace> trace;
  std::string no_trace;
  std::unique_ptr<process::TracerSource> source;
  std::unique_ptr<process::ProcessBackend> ready;
  std::unique_ptr<microvm::MicrovmBackend> machine;
  std::string no_machine;  // why there is none
};

Backends::Backends(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Backends::Backends(Backends&&) noexcept = default;
Backends::~Backends() = default;

Result<Backends> Backends::open(bool ebpf, bool ready_machines) {
  auto impl = std::make_unique<Impl>(TRY(process::Filters::build()));
  auto trace = ebpf ? process::EbpfTrace::load() : Result<std::unique_ptr<process::EbpfTrace>>(Error{"as asked for"});
  if (trace)
    impl->trace = std::move(*trace);
  else
    impl->without_trace(trace.error());
  auto machine = microvm::MicrovmBackend::open({.late = !ready_machines});
  if (machine)
    impl->machine = std::move(machine).value();
  else
    impl->no_machine = machine.error().message;
  return Backends(std::move(impl));
}

void Backends::reserve(unsigned slot) {
  if (!impl_->trace) return;
  if (auto done = impl_->trace->prepare(slot % process::EbpfTrace::slots); !done) impl_->without_trace(done.error());
}

Result<void> Backends::activate(bool active) { return impl_->trace ? impl_->trace->activate(active) : Result<void>(); }

bool Backends::release(unsigned slot, pid_t process) {
  if (impl_->trace) impl_->trace->release(slot % process::EbpfTrace::slots);
  return process::remove_left_cgroup(impl_->cgroups, process::job_group_name(process));
}

Result<void> Backends::prepare(unsigned slot) {
  reserve(slot);
  if (impl_->machine)
    if (auto done = impl_->machine->prepare(); !done) impl_->no_machine = done.error().message;
  impl_->ready = std::make_unique<process::ProcessBackend>(impl_->options(slot));
  return impl_->ready->prepare();
}

void Backends::forget() {
  impl_->ready.reset();
  impl_->machine.reset();
}

std::vector<std::string> Backends::notes() const {
  auto notes = impl_->cgroups.notes;
  if (!impl_->trace) notes.push_back(impl_->no_trace);
  if (!impl_->machine) notes.push_back("no backend microvm: " + impl_->no_machine);
  return notes;
}

Report Backends::run(const Job& job, JobFiles files, Teller& teller) {
  if (job.backend == Backend::microvm) {
    if (impl_->machine) return impl_->machine->run(job, std::move(files), teller);
    return microvm::no_machine(job, impl_->no_machine);
  }
  // Alone on this host as far as we know: a place that another such process will hardly have. What could not be made
  // ready is tried again, and then is the job's report.
  if (!impl_->ready) static_cast<void>(prepare(64 + static_cast<unsigned>(::getpid()) % 65'536));
  return impl_->ready->run(job, std::move(files), teller);
}

}  // namespace shrike::sandbox
