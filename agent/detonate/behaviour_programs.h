#pragma once
// What a job's programs are: made by itself, hidden, under false names, shells for somebody far away.

#include <set>
#include <string>
#include <vector>

#include "agent/detonate/job_processes.h"
#include "common/wire/alert.h"
#include "common/wire/event.h"
#include "sandbox/call.h"

namespace shrike::detonate {

class ProgramBehaviour {
 public:
  void evaluate(const sandbox::Call& call, const Event& event, const JobProcesses& processes,
                std::vector<Alert>& alerts);

 private:
  void on_exec(const Event& event, const JobProcesses& processes, std::vector<Alert>& alerts);
  void on_shell(const Event& event, const JobProcesses& processes, std::vector<Alert>& alerts) const;
  void on_unlink(const Event& event, const JobProcesses& processes, std::vector<Alert>& alerts) const;
  void on_fork(const sandbox::Call& call, const Event& event, std::vector<Alert>& alerts);

  static constexpr size_t known_most = 4096;
  std::set<std::string, std::less<>> executed_;  // full paths
  size_t forks_refused_ = 0;
  bool begun_ = false;  // the job's own program
};

}  // namespace shrike::detonate
