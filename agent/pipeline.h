#pragma once
// The middle of the agent: record bytes -> event -> process -> alerts. The same object runs live, in --replay, in the
// golden tests and in the benchmarks; only what feeds it and where it delivers differ.

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "agent/enrich/host_lookup.h"
#include "agent/enrich/process_table.h"
#include "agent/own_jobs.h"
#include "agent/probe/decode.h"
#include "agent/respond/responder.h"
#include "agent/self_watch.h"
#include "agent/sequence/sequence_alerts.h"
#include "common/wire/alert.h"
#include "common/wire/event.h"
#include "scoring/risk/findings.h"
#include "scoring/risk/tree_risk.h"
#include "scoring/rules/engine.h"

namespace shrike::agent {

/// Where the pipeline delivers.
class Sink {
 public:
  virtual ~Sink() = default;
  /// Every event, in order. Its views are gone when this returns.
  virtual void event(const Event& event) = 0;
  virtual void alert(const Alert& alert) = 0;
};

struct PipelineOptions {
  std::string node;
  int64_t wall_offset_ns = 0;
  enrich::TableLimits table;
  enrich::HostRoots roots;
  SelfWatch::Self self;  ///< default: nobody, nothing is self-watched
  scoring::FindingLimits findings;
};

class Pipeline {
 public:
  /// Totals since the start.
  struct Counts {
    std::array<uint64_t, event_kind_count> events{};  ///< by kind
    uint64_t records = 0;
    uint64_t undecodable = 0;      ///< counted as lost
    uint64_t alerts = 0;           ///< delivered
    uint64_t left_to_sandbox = 0;  ///< alerts about our own sandboxes: not this host's, their detonation judges them
    uint64_t suppressed = 0;       ///< counted into an update of their finding instead of delivered
  };

  Pipeline(PipelineOptions options, scoring::RuleSet rules, Sink& sink);

  /// Runs one record through all stages. Bytes that are no record are counted, never fatal.
  void feed(std::span<const std::byte> record);
  /// Delivers an alert that no event made (agent started, events lost, ...). Gives it node and uid.
  void raise(Alert alert);
  /// Tells what findings have counted, where it is time.
  void tick(uint64_t wall_now_ns);
  /// The same for everything it holds: before the end.
  void flush();

  void set_rules(scoring::RuleSet rules) {
    rules_ = std::move(rules);
    rules_.set_hosts(hosts_);
  }
  /// The names of addresses, as far as rules ask for them.
  void set_hosts(std::shared_ptr<const scoring::HostNames> hosts) {
    hosts_ = std::move(hosts);
    rules_.set_hosts(hosts_);
  }
  [[nodiscard]] const scoring::RuleSet& rules() const { return rules_; }
  void set_wall_offset(int64_t wall_offset_ns) {
    wall_offset_ns_ = wall_offset_ns;
    decoder_.set_wall_offset(wall_offset_ns);
  }
  /// Who acts on alerts; nobody when null. Lives as long as this.
  void set_responder(respond::Responder* responder) { responder_ = responder; }
  /// What becomes of events of kind `sequence`. Without it: alerts of unusual calls, none of novel programs.
  void set_sequence(sequence::SequenceAlerts alerts) { sequence_ = std::move(alerts); }
  /// Which processes are our own sandboxes'; none when null. Lives as long as this.
  void set_own_jobs(const OwnJobs* jobs) { own_jobs_ = jobs; }
  /// Whose processes and kernel objects are the agent's own.
  void set_self(SelfWatch::Self self) { watch_.set_self(std::move(self)); }

  [[nodiscard]] const Counts& counts() const { return counts_; }
  [[nodiscard]] const enrich::ProcessTable& table() const { return table_; }

 private:
  void deliver(const Event& event, Alert& alert, uint64_t boot_ns);
  void leave_to_sandbox();
  void respond(const Event& event, const Alert& cause, uint64_t boot_ns);
  void tell_responses(const Event& event, uint64_t boot_ns);
  void deliver_due();
  [[nodiscard]] uint64_t boot_ns(uint64_t wall_ns) const {
    const auto offset = static_cast<uint64_t>(wall_offset_ns_);
    return wall_ns > offset ? wall_ns - offset : 0;
  }

  std::string node_;
  int64_t wall_offset_ns_;
  probe::Decoder decoder_;
  enrich::HostLookup lookup_;
  enrich::ProcessTable table_;
  SelfWatch watch_;
  sequence::SequenceAlerts sequence_;
  scoring::RuleSet rules_;
  std::shared_ptr<const scoring::HostNames> hosts_;
  scoring::TreeRisk trees_;
  scoring::Findings findings_;
  respond::Responder* responder_ = nullptr;
  const OwnJobs* own_jobs_ = nullptr;
  Sink& sink_;
  Counts counts_;
  Event event_;
  std::vector<Alert> alerts_;  // kept for its memory
  std::vector<Alert> due_;
  std::vector<Alert> responses_;
};

}  // namespace shrike::agent
