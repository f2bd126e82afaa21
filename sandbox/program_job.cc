#include <unistd.h>

#include "sandbox/backends.h"
#include "sandbox/channel.h"
#include "sandbox/process/backend.h"
#include "sandbox/program.h"

namespace shrike::sandbox {

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
  auto backends = Backends::open(options.ebpf);
  if (!backends) return refuse(backends.error());
  if (auto active = backends->activate(true); !active) return refuse(active.error());
  Teller teller(Fd(::dup(channel.fd())), job->limits);
  const Report report = backends->run(*job, std::move(*files), teller);
  return teller.finish(report);
}

}  // namespace shrike::sandbox
