#pragma once
// What a job's alerts add up to.

#include <string>
#include <vector>

#include "common/wire/alert.h"
#include "sandbox/report.h"

namespace shrike::detonate {

/// Each rule counts once, at its highest risk; independent causes add up as 1 - product(1 - risk), as in a process tree
/// on a host. A job is one tree, and short: nothing fades.
class JobRisk {
 public:
  static constexpr size_t causes_most = 200;

  /// Adds `alert` and fills its tree_risk and scores.
  void add(Alert& alert);
  [[nodiscard]] double risk() const;
  /// Why, the weightiest first.
  [[nodiscard]] std::vector<sandbox::Reason> reasons() const;

 private:
  struct Cause {
    std::string rule;
    AlertSource source = AlertSource::sandbox;
    Severity severity = Severity::info;
    double risk = 0;
    std::string message;
    uint32_t count = 0;
  };
  std::vector<Cause> causes_;
};

}  // namespace shrike::detonate
