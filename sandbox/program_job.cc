#include <unistd.h>

#include "sandbox/backends.h"
#include "sandbox/channel.h"
#include "sandbox/microvm/backend.h"
#include "sandbox/process/backend.h"
#include "sandbox/program.h"

namespace shrike::sandbox {

namespace {

// What the other backend needs takes a quarter of a second to load.
Report run_in_machine(const Job& job, JobFiles files, Teller& teller) {
  auto backend = microvm::MicrovmBackend::open();
  return backend ? (*backend)->run(job, std::move(files), teller) : microvm::no_machine(job, backend.error().message);
}

}  // namespace

Result<void> run_job(const JobOptions& options) {
  if (options.channel < 0) return Error{"--channel: is no descriptor"};
  Channel channel{Fd(options.channel)};
  auto message = TRY(channel.receive());
  if (!message) return Error{"the client has gone"};
  if (message->type != Frame::job) return Error{"the client did not begin with a job"};
  const auto refuse = [&](const Error& why) -> Result<void> {
    static_cast<void>(channel.send(Frame::refused, why.message));
    return why;
  };
  auto job = job_from_json(message->payload);
  if (!job) return refuse(job.error());
  auto files = job_files(*job, std::move(message->fds));
  if (!files) return refuse(files.error());
  if (job->backend == Backend::microvm) {
    Teller teller(Fd(::dup(channel.fd())), job->limits);
    return teller.finish(run_in_machine(*job, std::move(*files), teller));
  }
  auto backends = Backends::open(options.ebpf);
  if (!backends) return refuse(backends.error());
  if (auto active = backends->activate(true); !active) return refuse(active.error());
  Teller teller(Fd(::dup(channel.fd())), job->limits);
  const Report report = backends->run(*job, std::move(*files), teller);
  return teller.finish(report);
}

}  // namespace shrike::sandbox
