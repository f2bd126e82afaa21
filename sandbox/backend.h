#pragma once
// What each backend is to shrike-sandbox: one function from a job to its report, telling what happens on the way.

#include <memory>
#include <string>
#include <vector>

#include "sandbox/job.h"
#include "sandbox/job_files.h"
#include "sandbox/report.h"
#include "sandbox/teller.h"

namespace shrike::sandbox {

class BackendRunner {
 public:
  virtual ~BackendRunner() = default;
  /// Runs one job to its end, in this process, and returns what is to be said of it; errors are reports too
  /// (setup_error, internal_error). Must watch `teller` while it waits (teller.h). Leaves nothing behind.
  virtual Report run(const Job& job, JobFiles files, Teller& teller) = 0;
};

}  // namespace shrike::sandbox
