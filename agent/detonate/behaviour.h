#pragma once
// What only a sandbox can tell of a program, as alerts of source `sandbox`: what it was refused, what it made and then
// ran, where it wanted to go. Pure.

#include <set>
#include <string>
#include <vector>

#include "agent/detonate/job_processes.h"
#include "common/wire/alert.h"
#include "common/wire/event.h"
#include "sandbox/call.h"
#include "sandbox/report.h"

namespace shrike::detonate {

class Behaviour {
 public:
  /// Appends what `call`, whose event is `event`, says of the program. `event` has its process.
  void evaluate(const sandbox::Call& call, const Event& event, const JobProcesses& processes,
                std::vector<Alert>& alerts);
  /// Appends what can be said at its end only. `about`: an event of the first process.
  void at_end(const sandbox::Report& report, const Event& about, std::vector<Alert>& alerts) const;

 private:
  void on_refusal(const sandbox::Call& call, const Event& event, std::vector<Alert>& alerts) const;
  void on_exec(const Event& event, const JobProcesses& processes, std::vector<Alert>& alerts);
  void on_unlink(const Event& event, std::vector<Alert>& alerts) const;
  void on_destination(const Event& event, std::vector<Alert>& alerts);
  void on_probe(const Event& event, std::vector<Alert>& alerts) const;
  void on_change(const Event& event, const JobProcesses& processes, std::vector<Alert>& alerts);

  static constexpr size_t known_most = 4096;
  std::set<std::string, std::less<>> executed_;      // full paths
  std::set<std::string, std::less<>> destinations_;  // addresses
  std::set<std::string, std::less<>> rewritten_;     // files that were there before
};

}  // namespace shrike::detonate
