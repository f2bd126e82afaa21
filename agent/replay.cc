#include "agent/replay.h"

#include "agent/probe/capture.h"
#include "common/base/clock.h"

namespace shrike::agent {
namespace {

/// Notes the times of what passes, and moves the flood guard's clock: in life a timer does.
class Clocked : public Sink {
 public:
  explicit Clocked(Sink& next) : next_(next) {}
  void event(const Event& event) override {
    if (first_ns == 0) first_ns = event.time_ns;
    last_ns = event.time_ns;
    next_.event(event);
  }
  void alert(const Alert& alert) override { next_.alert(alert); }
  uint64_t first_ns = 0;
  uint64_t last_ns = 0;

 private:
  Sink& next_;
};

}  // namespace

Result<ReplaySummary> replay(const ReplayOptions& options, scoring::RuleSet rules, Sink& sink) {
  auto reader = TRY(probe::CaptureReader::open(options.capture));
  Clocked clocked(sink);
  PipelineOptions wiring;
  wiring.node = options.node;
  wiring.wall_offset_ns = reader.info().wall_offset_ns;
  wiring.table = options.table;
  wiring.findings = options.findings;
  wiring.roots = {.proc = "", .cgroup = "", .etc = options.etc};
  Pipeline pipeline(std::move(wiring), std::move(rules), clocked);

  ReplaySummary summary;
  summary.host = reader.info().host;
  constexpr uint64_t tick_ns = 1'000'000'000;
  uint64_t next_tick_ns = 0;
  for (;;) {
    auto record = reader.next();
    if (!record) {
      summary.damage = record.error().message;
      break;
    }
    if (!record->has_value()) break;
    pipeline.feed(**record);
    if (clocked.last_ns >= next_tick_ns) {
      pipeline.tick(clocked.last_ns);
      next_tick_ns = clocked.last_ns + tick_ns;
    }
  }
  pipeline.flush();
  summary.counts = pipeline.counts();
  summary.first_ns = clocked.first_ns;
  summary.last_ns = clocked.last_ns;
  return summary;
}

std::string summary_text(const ReplaySummary& summary) {
  const auto& counts = summary.counts;
  std::string out = std::to_string(counts.records) + " records of " + summary.host;
  if (summary.first_ns != 0) out += " from " + rfc3339(summary.first_ns) + " to " + rfc3339(summary.last_ns);
  out += "\n" + std::to_string(counts.alerts) + " alerts, " + std::to_string(counts.suppressed) +
         " repeated findings counted, " + std::to_string(counts.undecodable) + " records undecodable\n";
  for (size_t kind = 0; kind < event_kind_count; ++kind)
    if (counts.events[kind] != 0)
      out += "  " + std::string(kind_name(static_cast<EventKind>(kind))) + " " + std::to_string(counts.events[kind]) +
             "\n";
  if (!summary.damage.empty()) out += "stopped early: " + summary.damage + "\n";
  return out;
}

}  // namespace shrike::agent
