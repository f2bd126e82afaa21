#pragma once
// One job in one sandbox: from the program's first instruction to the last process's end.

#include <poll.h>

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "sandbox/paths.h"
#include "sandbox/process/backend.h"
#include "sandbox/summary.h"
#include "sandbox/teller.h"

namespace shrike::sandbox::process {

class Run {
 public:
  Run(const ProcessOptions& options, const Job& job, Sandbox& sandbox, Teller& teller);
  /// Everything up to the launch. Errors: which step.
  Result<void> set_up(JobFiles files);
  /// Until nothing is left of it.
  void watch();
  /// Completes the report. The sandbox is killed.
  void finish(Report& report);

 private:
  /// What ended the job, where it was not the program itself; the first one counts.
  void end(Status status, std::string cause);
  void hear_init();
  void read_output(Fd& from, bool error);
  void look_at_limits();
  void hold_back();
  void look_at_policy();
  void forget_given(Report& report) const;
  std::vector<pollfd> watched() const;

  const ProcessOptions& options_;
  const Job& job_;
  Sandbox& sandbox_;
  Teller& teller_;
  Summary summary_;
  Paths paths_;
  std::unique_ptr<Tracer> tracer_;
  uint64_t start_ns_;
  Fd output_, error_;
  JobFiles given_;
  std::optional<int> wait_status_;
  std::optional<std::pair<Status, std::string>> ended_;
  std::vector<Step> steps_;
  std::vector<std::string> notes_;
  bool told_begin_ = false;
  bool held_ = false;  // the program is stopped until the client has caught up
  uint64_t end_ns_ = 0;
};

}  // namespace shrike::sandbox::process
