#pragma once
// What the collector itself has to say: integrity alerts, and how often it may.

#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include "collector/index.h"
#include "common/wire/alert.h"
#include "common/wire/batch.h"

namespace shrike::collector {

/// What an integrity alert is about.
struct Subject {
  std::string node;
  Lane lane = Lane::telemetry;
  BootId boot{};
  uint64_t seq = 0;
};

/// An alert of source integrity that names node, lane, boot and seq. `now_ns`: wall clock.
Alert integrity_alert(const std::string& rule, Severity severity, const Subject& subject, Verdict verdict,
                      const std::string& message, uint64_t now_ns);
/// The alert for a verdict that is neither accepted nor duplicate.
Alert verdict_alert(const VerdictRow& row, uint64_t more, uint64_t now_ns);

/// The body of a finding's record: what cannot be made again from the batches.
std::string finding_of(const Alert& alert);
std::string finding_of(const VerdictRow& row);
struct Finding {
  std::optional<Alert> alert;
  std::optional<VerdictRow> verdict;
};
/// Errors: neither of the two.
Result<Finding> open_finding(std::string_view body);

/// Lets a name through `burst` times and then once an interval; counts what it held back. Bounded memory: past
/// `names_max` names all further ones share one.
class Limiter {
 public:
  Limiter(uint64_t interval_ns, uint32_t burst, size_t names_max = 4096)
      : interval_ns_(interval_ns), burst_(burst), names_max_(names_max) {}
  /// How many were held back since the last one that passed; nothing: this one is held back too.
  std::optional<uint64_t> pass(const std::string& name, uint64_t now_ns);

 private:
  struct State {
    uint64_t refilled_ns = 0;
    uint32_t tokens = 0;
    uint64_t held_back = 0;
  };
  uint64_t interval_ns_;
  uint32_t burst_;
  size_t names_max_;
  std::map<std::string, State> states_;
};

}  // namespace shrike::collector
