#pragma once
// Integrity alerts: what makes the evidence itself less than complete, and who tries. Pure.

#include <cstdint>
#include <string>
#include <unordered_set>
#include <vector>

#include "agent/probe/kernel_source.h"
#include "common/wire/alert.h"
#include "common/wire/event.h"
#include "common/wire/filter.h"

namespace shrike::agent {

/// An alert of source `integrity` about the agent itself at `time_ns`.
Alert integrity_alert(uint64_t time_ns, std::string rule, Severity severity, std::string message);

/// What the self-watch needs to see, whatever the rules say.
FilterSpec self_watch_filter();

/// Judges each event: does it reach for the agent?
///  bpf() that takes hold of one of our programs, maps or links;
///  a signal, ptrace or memory access to the agent;
///  an argument in user memory that changed while the call ran (of any process);
///  a process that says it runs another program than the one it was run from (of any).
class SelfWatch {
 public:
  struct Self {
    uint32_t pid = 0;         ///< 0: nobody
    uint32_t parent_pid = 0;  ///< who started the agent: its signals are worth a line, not an alarm
    std::unordered_set<uint32_t> programs;
    std::unordered_set<uint32_t> maps;
    std::unordered_set<uint32_t> links;
  };

  explicit SelfWatch(Self self) : self_(std::move(self)) {}
  void set_self(Self self) { self_ = std::move(self); }
  /// Appends at most one alert of each.
  void evaluate(const Event& event, std::vector<Alert>& alerts) const;

 private:
  void on_bpf(const Event& event, std::vector<Alert>& alerts) const;
  void on_signal(const Event& event, std::vector<Alert>& alerts) const;
  Self self_;
};

/// Judges what changes only slowly: loss and heartbeats. Called about once a second.
class HealthWatch {
 public:
  struct Lost {
    probe::Counters kernel;
    uint64_t undecodable = 0;
  };
  /// Alerts about losses that grew since they were last told; the first at once, then at most one in ten seconds for
  /// each class and cause.
  std::vector<Alert> on_losses(uint64_t time_ns, const Lost& lost);

  /// `programs` after the agent has called bpf(), opened a file and started a thread: the programs that see these must
  /// have run since the last time. `opens`: opening files leaves the kernel at all, so that its entry is hooked.
  /// Told once when one stops (after two silent rounds) and once when it goes on.
  std::vector<Alert> on_heartbeat(uint64_t time_ns, const std::vector<probe::Counters::Program>& programs, bool opens);

 private:
  struct Told {
    std::string name;
    uint64_t value = 0;
    uint64_t time_ns = 0;
  };
  void told_loss(std::vector<Alert>& alerts, uint64_t time_ns, const std::string& cause, const std::string& loss_class,
                 uint64_t value);
  std::vector<Told> told_;
  struct Beat {
    std::string name;
    uint64_t runs = 0;
    int silent = 0;
    bool reported = false;
  };
  std::vector<Beat> beats_;
};

/// One alert for each thing this kernel lacks.
std::vector<Alert> feature_alerts(uint64_t time_ns, const probe::Features& features);

}  // namespace shrike::agent
