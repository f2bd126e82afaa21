#pragma once
// Where a job wanted to go, and what it said there.

#include <set>
#include <string>
#include <vector>

#include "common/wire/alert.h"
#include "common/wire/event.h"
#include "sandbox/report.h"

namespace shrike::detonate {

class NetworkBehaviour {
 public:
  void evaluate(const Event& event, std::vector<Alert>& alerts);
  /// What the sink heard. `user_files_read`: how many the job had read by then.
  void at_end(const sandbox::Report& report, size_t user_files_read, const Event& about,
              std::vector<Alert>& alerts) const;

 private:
  void on_destination(const Event& event, std::vector<Alert>& alerts);

  static constexpr size_t known_most = 4096;
  std::set<std::string, std::less<>> destinations_;  // addresses
};

}  // namespace shrike::detonate
