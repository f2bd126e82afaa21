#pragma once
// The middle of the agent: record bytes -> event -> process -> alerts. The same object runs live, in --replay, in the
// golden tests and in the benchmarks; only what feeds it and where it delivers differ.

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "agent/enrich/host_lookup.h"
#include "agent/enrich/process_table.h"
#include "agent/flood_guard.h"
#include "agent/probe/decode.h"
#include "agent/self_watch.h"
#include "common/wire/alert.h"
#include "common/wire/event.h"
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
};

class Pipeline {
 public:
  /// Totals since the start.
  struct Counts {
    std::array<uint64_t, event_kind_count> events{};  ///< by kind
    uint64_t records = 0;
    uint64_t undecodable = 0;  ///< counted as lost
    uint64_t alerts = 0;       ///< delivered
    uint64_t suppressed = 0;   ///< counted by the flood guard instead of delivered
  };

  Pipeline(PipelineOptions options, scoring::RuleSet rules, Sink& sink);

  /// Runs one record through all stages. Bytes that are no record are counted, never fatal.
  void feed(std::span<const std::byte> record);
  /// Delivers an alert that no event made (agent started, events lost, ...). Gives it node and uid.
  void raise(Alert alert);
  /// Tells what the flood guard has counted, where the second is over.
  void tick(uint64_t wall_now_ns);
  /// The same for everything it holds: before the end.
  void flush();

  void set_rules(scoring::RuleSet rules) { rules_ = std::move(rules); }
  [[nodiscard]] const scoring::RuleSet& rules() const { return rules_; }
  void set_wall_offset(int64_t wall_offset_ns) { decoder_.set_wall_offset(wall_offset_ns); }
  /// Whose processes and kernel objects are the agent's own.
  void set_self(SelfWatch::Self self) { watch_.set_self(std::move(self)); }

  [[nodiscard]] const Counts& counts() const { return counts_; }
  [[nodiscard]] const enrich::ProcessTable& table() const { return table_; }

 private:
  void deliver(const Event& event, Alert& alert);
  void deliver_due();

  std::string node_;
  probe::Decoder decoder_;
  enrich::HostLookup lookup_;
  enrich::ProcessTable table_;
  SelfWatch watch_;
  scoring::RuleSet rules_;
  FloodGuard guard_;
  Sink& sink_;
  Counts counts_;
  Event event_;
  std::vector<Alert> alerts_;  // kept for its memory
  std::vector<Alert> due_;
};

}  // namespace shrike::agent
