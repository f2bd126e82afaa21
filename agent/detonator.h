#pragma once
// Runs sandboxed jobs for the agent, each on a thread of its own, never in its process: shrike-sandbox does that. What
// they do goes, judged, into the outbox.

#include <atomic>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <string>

#include "agent/detonate/detonation.h"
#include "agent/outbox.h"
#include "agent/own_jobs.h"
#include "sandbox/client.h"

namespace shrike::agent {

struct DetonatorOptions {
  std::string node;
  std::string service;  ///< socket of shrike-sandbox
  size_t jobs = 2;      ///< at once
  std::function<Result<scoring::RuleSet>()> rules;
  OwnJobs* own = nullptr;                                        ///< is told where jobs run; may be null
  std::shared_ptr<const scoring::sequence::Profile> background;  ///< owners: this and each job that runs
};

/// What is on its way while a job runs; each may be empty.
struct JobWatch {
  std::function<void(std::string_view)> out, err;
  std::function<void(uint64_t)> begun;
  int stop_fd = -1;  ///< readable: end the job
};

class Detonator {
 public:
  Detonator(DetonatorOptions options, Outbox& outbox);

  /// Runs a job to its end, in the calling thread: waits for its turn, then for it. The signed stream has its events,
  /// alerts and report when this returns. Errors: the sandbox's; EBUSY: too many wait; ECANCELED: the agent stops.
  Result<sandbox::Report> run(const sandbox::Job& job, const sandbox::JobFiles& files, const JobWatch& watch);
  /// Ends what runs and what waits.
  void stop();

  struct Counts {
    uint64_t jobs = 0;
    uint64_t failed = 0;  ///< could not be run
    uint64_t running = 0;
    uint64_t events_dropped = 0;  ///< things that sandboxes could not tell
  };
  [[nodiscard]] Counts counts() const;

 private:
  class Turn;
  Result<sandbox::Report> run_now(const sandbox::Job& job, const sandbox::JobFiles& files, const JobWatch& watch);

  DetonatorOptions options_;
  Outbox& outbox_;
  Fd stop_;  // readable from stop() on
  mutable std::mutex mutex_;
  std::condition_variable turn_;
  size_t running_ = 0, waiting_ = 0;
  bool stopping_ = false;
  Counts counts_;
};

}  // namespace shrike::agent
