#pragma once
// Starts jobs, for the agent and for `shrike run`: at the service's socket, or in a shrike-sandbox of its own.

#include <functional>
#include <string>
#include <string_view>

#include "common/base/result.h"
#include "sandbox/call.h"
#include "sandbox/channel.h"
#include "sandbox/job.h"
#include "sandbox/job_files.h"
#include "sandbox/report.h"

namespace shrike::sandbox {

struct ClientOptions {
  std::string socket = "/run/shrike/sandbox.sock";  ///< of `shrike-sandbox serve`; empty: never ask it
  std::string
      program;  ///< shrike-sandbox to start where there is no service; empty: beside our own executable, then PATH
  std::vector<std::string> options;  ///< of shrike-sandbox job, when we start one
  bool own = true;                   ///< whether one of our own is started where there is no service
};

/// What a running job tells; each may be empty.
struct JobEvents {
  std::function<void(std::string_view)> out, err;
  std::function<void(const Call&)> call;
  std::function<void(uint64_t boot_ns)> begun;
  std::function<void(const JobPlace&)> placed;  ///< the program is started after it has returned
};

class JobClient {
 public:
  /// Connects and sends the job. Errors: nothing to run it with (ENOENT where only a service would do); the job is out
  /// of bounds; errno.
  static Result<JobClient> start(const ClientOptions& options, const Job& job, const JobFiles& files);
  /// Reads until the report. `stop_fd` (or -1): when it becomes readable, the job is asked to stop and what it reports
  /// is still read. Errors: refused, with the reason; the sandbox broke off or said something that is no frame.
  Result<Report> finish(const JobEvents& events, int stop_fd = -1);
  JobClient(JobClient&&) noexcept;
  JobClient& operator=(JobClient&&) noexcept;
  /// Stops a job that runs, and waits for a shrike-sandbox of its own.
  ~JobClient();

 private:
  JobClient(Channel channel, Fd pidfd);
  Channel channel_;
  Fd pidfd_;  // of a shrike-sandbox of its own
};

}  // namespace shrike::sandbox
