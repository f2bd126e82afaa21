#pragma once
// What only a sandbox can tell of a program, as alerts of source `sandbox`: what it was refused, what it made and then
// ran, what it did to files, where it wanted to go. Pure.

#include <set>
#include <string>
#include <vector>

#include "agent/detonate/behaviour_files.h"
#include "agent/detonate/behaviour_network.h"
#include "agent/detonate/behaviour_programs.h"
#include "agent/detonate/job_processes.h"
#include "common/wire/alert.h"
#include "common/wire/event.h"
#include "sandbox/call.h"
#include "sandbox/report.h"

namespace shrike::detonate {

class Behaviour {
 public:
  /// `given`: paths of files that were put in with the job.
  explicit Behaviour(const std::vector<std::string>& given) {
    for (const auto& path : given) files_.given(path);
  }
  /// Appends what `call`, whose event is `event`, says of the program. `event` has its process.
  void evaluate(const sandbox::Call& call, const Event& event, const JobProcesses& processes,
                std::vector<Alert>& alerts);
  /// Appends what can be said at its end only. `about`: an event of the first process.
  void at_end(const sandbox::Report& report, const Event& about, std::vector<Alert>& alerts) const;

 private:
  ProgramBehaviour programs_;
  FileBehaviour files_;
  NetworkBehaviour network_;
};

}  // namespace shrike::detonate
