#pragma once
// What a job does to files, as far as only the whole of it tells: many that it did not make, places from which it will
// be started again, other people's credentials, signs of who looks at it.

#include <set>
#include <string>
#include <vector>

#include "agent/detonate/job_processes.h"
#include "common/wire/alert.h"
#include "common/wire/event.h"

namespace shrike::detonate {

class FileBehaviour {
 public:
  /// `path` was put in with the job: the job did not make it.
  void given(const std::string& path) { given_.insert(path); }
  void evaluate(const Event& event, const JobProcesses& processes, std::vector<Alert>& alerts);
  /// How many files in people's homes, not made by the job, were read.
  [[nodiscard]] size_t user_files_read() const { return read_.size(); }

 private:
  void on_open(const Event& event, const JobProcesses& processes, std::vector<Alert>& alerts);
  void on_probe(const Event& event, std::vector<Alert>& alerts) const;
  void on_credential(const Event& event, std::vector<Alert>& alerts);
  void on_system_place(const Event& event, std::string_view path, std::vector<Alert>& alerts) const;
  void on_place(const Event& event, std::string_view path, std::vector<Alert>& alerts) const;
  void on_change(const Event& event, const JobProcesses& processes, std::vector<Alert>& alerts);
  void on_loss(const Event& event, std::vector<Alert>& alerts, bool rewritten);

  static constexpr size_t known_most = 4096;
  using Paths = std::set<std::string, std::less<>>;
  Paths made_;                 // opened so that they are made
  Paths rewritten_, deleted_;  // that were there before
  Paths read_;                 // of users'
  Paths sought_;               // credentials that were not there
  Paths given_;                // put in with the job
};

}  // namespace shrike::detonate
