#pragma once
// One sandboxed job as the scoring sees it: calls in; events, alerts, a risk and its reasons out.

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "agent/detonate/behaviour.h"
#include "agent/detonate/converter.h"
#include "agent/detonate/job_risk.h"
#include "agent/detonate/traces.h"
#include "agent/enrich/process_table.h"
#include "common/wire/alert.h"
#include "sandbox/report.h"
#include "scoring/risk/findings.h"
#include "scoring/rules/engine.h"

namespace shrike::detonate {

/// Where events and alerts go.
class Sink {
 public:
  virtual ~Sink() = default;
  /// In order. Its views are gone when this returns.
  virtual void event(const Event& event) = 0;
  virtual void alert(const Alert& alert) = 0;
};

struct DetonationOptions {
  ConverterOptions converter;
  std::string node;
  std::vector<std::string> given;  ///< paths of the files that were put in with the job
  /// Normal programs' calls; null: the order of calls is not scored. Owned by the configuration and each job that runs.
  std::shared_ptr<const scoring::sequence::Profile> background;
};

class Detonation final : public sandbox::CallSink {
 public:
  static constexpr uint64_t alerts_most = 1000;  ///< told; what comes after only counts in the reasons

  /// `rules` are used by this alone while it lives; `sink` outlives it.
  Detonation(DetonationOptions options, scoring::RuleSet& rules, Sink& sink);
  ~Detonation() override;

  /// One thing that happened. A hole in the numbers before it is counted.
  void call(const sandbox::Call& call) override;
  /// The job has ended: tells what is left to tell, and fills risk and reasons of its report.
  void finish(sandbox::Report& report);

  struct Counts {
    uint64_t calls = 0;
    uint64_t events = 0;
    uint64_t alerts = 0;          ///< told
    uint64_t alerts_dropped = 0;  ///< beyond alerts_most
    uint64_t missing = 0;         ///< things that were not told to us
  };
  [[nodiscard]] const Counts& counts() const { return counts_; }

 private:
  class JobLookup;
  void deliver(const Event& event, Alert& alert);
  void tell(const Alert& alert);
  void tell_due();
  void score_traces(std::vector<Alert>& alerts);
  [[nodiscard]] Event about(uint32_t pid) const;

  DetonationOptions options_;
  scoring::RuleSet& rules_;
  Sink& sink_;
  Converter converter_;
  std::unique_ptr<JobLookup> lookup_;
  enrich::ProcessTable table_;
  Behaviour behaviour_;
  Traces traces_;
  JobRisk risk_;
  scoring::Findings findings_;
  Counts counts_;
  Event event_;
  uint32_t first_pid_ = 0;
  uint64_t next_seq_ = 0;
  std::vector<Alert> alerts_, due_;  // kept for their memory
};

}  // namespace shrike::detonate
