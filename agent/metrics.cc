// Status as Prometheus metrics. Rendered by prometheus-cpp from families made for the moment: the loop counts in its
// own plain numbers, so that no event pays for a shared counter.

#include <prometheus/metric_family.h>
#include <prometheus/text_serializer.h>

#include <ctime>

#include "agent/status.h"

namespace shrike::agent {
namespace {

using prometheus::ClientMetric;
using prometheus::MetricFamily;
using prometheus::MetricType;

using Labels = std::vector<ClientMetric::Label>;

class Families {
 public:
  MetricFamily& add(MetricType type, const char* name, const char* help) {
    list_.push_back({std::string("shrike_agent_") + name, help, type, {}});
    return list_.back();
  }
  static void put(MetricFamily& family, double value, Labels labels = {}) {
    ClientMetric metric;
    metric.label = std::move(labels);
    metric.counter.value = value;
    metric.gauge.value = value;
    family.metric.push_back(std::move(metric));
  }
  void one(MetricType type, const char* name, const char* help, double value) { put(add(type, name, help), value); }
  [[nodiscard]] std::string text() const { return prometheus::TextSerializer().Serialize(list_); }

 private:
  std::vector<MetricFamily> list_;
};

constexpr const char* class_names[probe::event_class_count] = {"lifecycle", "privilege", "file", "network"};

double number(uint64_t value) { return static_cast<double>(value); }

void kernel_families(Families& out, const Status& s) {
  auto& sent = out.add(MetricType::Counter, "kernel_events_total", "Records the kernel programs put into a ring");
  for (size_t c = 0; c < probe::event_class_count; ++c)
    Families::put(sent, number(s.kernel.events[c]), {{"class", class_names[c]}});
  auto& runs = out.add(MetricType::Counter, "program_runs_total", "Runs of each eBPF program that did something");
  for (const auto& program : s.kernel.programs) Families::put(runs, number(program.runs), {{"program", program.name}});
  auto& used = out.add(MetricType::Gauge, "ring_used_bytes", "Bytes waiting in each ring");
  for (size_t i = 0; i < s.kernel.rings.size(); ++i)
    Families::put(used, number(s.kernel.rings[i].used_bytes), {{"ring", std::to_string(i)}});
}

void lane_families(Families& out, const Status& s) {
  auto& sealed = out.add(MetricType::Counter, "sealed_batches_total", "Sequence number of the last sealed batch");
  for (const auto& [name, lane] : s.lanes) Families::put(sealed, number(lane.sealed_seq), {{"lane", name}});
  auto& acked = out.add(MetricType::Counter, "acked_batches_total", "Last sequence number the collector acknowledged");
  for (const auto& [name, lane] : s.lanes) Families::put(acked, number(lane.acked_seq), {{"lane", name}});
  auto& spool = out.add(MetricType::Gauge, "spool_bytes", "Bytes in the spool");
  for (const auto& [name, lane] : s.lanes) Families::put(spool, number(lane.spool_bytes), {{"lane", name}});
  auto& pending = out.add(MetricType::Gauge, "pending_batches", "Batches not acknowledged yet");
  for (const auto& [name, lane] : s.lanes) Families::put(pending, number(lane.pending_batches), {{"lane", name}});
}

void sequence_families(Families& out, const SequenceKeeper::Status& s) {
  out.one(MetricType::Gauge, "sequence_running", "1 while system calls are scored in the kernel", s.running ? 1 : 0);
  if (!s.running) return;
  const auto counter = [&](const char* name, const char* help, uint64_t value) {
    out.one(MetricType::Counter, name, help, number(value));
  };
  counter("sequence_calls_total", "System calls scored", s.kernel.calls);
  counter("sequence_told_total", "Unusual 6-grams of calls reported", s.kernel.told);
  counter("sequence_repeated_total", "Unusual 6-grams of calls not reported again", s.kernel.repeated);
  counter("sequence_held_back_total", "Unusual 6-grams of calls beyond their program's rate", s.kernel.held_back);
  auto& missed =
      out.add(MetricType::Counter, "sequence_not_scored_total", "What could not be learned or scored, by cause");
  Families::put(missed, number(s.kernel.programs_full), {{"cause", "programs_full"}});
  Families::put(missed, number(s.kernel.profile_full), {{"cause", "profile_full"}});
  Families::put(missed, number(s.kernel.table_full), {{"cause", "table_full"}});
  Families::put(missed, number(s.kernel.unstored), {{"cause", "no_memory"}});
  const auto gauge = [&](const char* name, const char* help, size_t value) {
    out.one(MetricType::Gauge, name, help, number(value));
  };
  gauge("sequence_programs", "Programs with a profile", s.programs);
  gauge("sequence_programs_settled", "Programs that are learned and judged", s.settled);
  gauge("sequence_profiles_full", "Programs that do more than their profile holds", s.full);
  gauge("sequence_ngrams", "6-grams of calls known", s.ngrams);
}

}  // namespace

std::string status_to_metrics(const Status& s) {
  Families out;
  auto& info = out.add(MetricType::Gauge, "info", "1, with the agent's version and node");
  Families::put(info, 1, {{"version", s.version}, {"node", s.node}});
  auto& events = out.add(MetricType::Counter, "events_total", "Events through the pipeline");
  for (size_t kind = 0; kind < event_kind_count; ++kind)
    if (s.counts.events[kind] != 0)
      Families::put(events, number(s.counts.events[kind]),
                    {{"kind", std::string(kind_name(static_cast<EventKind>(kind)))}});
  out.one(MetricType::Counter, "alerts_total", "Alerts delivered", number(s.counts.alerts));
  out.one(MetricType::Counter, "alerts_suppressed_total", "Repeated findings counted instead of delivered",
          number(s.counts.suppressed));
  out.one(MetricType::Counter, "alerts_left_to_sandbox_total",
          "Alerts about processes of Shrike's own sandboxes, which their detonation judges",
          number(s.counts.left_to_sandbox));
  auto& lost = out.add(MetricType::Counter, "lost_events_total", "Events lost, by cause and class");
  for (const auto& [key, count] : s.losses)
    Families::put(lost, number(count), {{"cause", key.first}, {"class", key.second}});
  kernel_families(out, s);
  lane_families(out, s);
  out.one(MetricType::Gauge, "processes", "Processes in the table", number(s.table.processes));
  out.one(MetricType::Gauge, "processes_live", "Processes in the table that have not exited", number(s.table.live));
  out.one(MetricType::Counter, "processes_evicted_live_total", "Running processes dropped from a full table",
          number(s.table.evicted_live));
  out.one(MetricType::Gauge, "publisher_connected", "1 while there is a connection to NATS",
          s.publisher.connected ? 1 : 0);
  out.one(MetricType::Counter, "published_batches_total", "Batches given to NATS", number(s.publisher.sent_batches));
  out.one(MetricType::Counter, "acks_total", "Acknowledgements of the collector", number(s.publisher.acks));
  out.one(MetricType::Counter, "refused_acks_total", "Acknowledgements that were not the collector's",
          number(s.publisher.refused_acks));
  out.one(MetricType::Counter, "publisher_errors_total", "Errors of the connection to NATS",
          number(s.publisher.errors));
  out.one(MetricType::Counter, "sealed_events_total", "Events in sealed batches", number(s.sealed.events));
  out.one(MetricType::Counter, "sealed_bytes_total", "Bytes of sealed batches", number(s.sealed.bytes));
  out.one(MetricType::Counter, "rules_reloads_total", "Reloads of configuration and rules", number(s.reloads));
  out.one(MetricType::Counter, "rules_reloads_failed_total", "Reloads that left the old set in force",
          number(s.reloads_failed));
  out.one(MetricType::Gauge, "rules", "Rules loaded", number(s.rules));
  auto& posts = out.add(MetricType::Counter, "http_alerts_total", "Alerts for the webhook, by what became of them");
  Families::put(posts, number(s.http.posted), {{"outcome", "posted"}});
  Families::put(posts, number(s.http.dropped), {{"outcome", "dropped"}});
  Families::put(posts, number(s.http.refused), {{"outcome", "refused"}});
  out.one(MetricType::Counter, "http_failures_total", "Attempts to post that failed", number(s.http.failures));
  out.one(MetricType::Gauge, "http_queued", "Alerts that wait for the webhook", number(s.http.queued));
  auto& actions = out.add(MetricType::Counter, "responses_total", "Responses to alerts, by what became of them");
  Families::put(actions, number(s.response.taken), {{"outcome", "taken"}});
  Families::put(actions, number(s.response.withheld), {{"outcome", "withheld"}});
  Families::put(actions, number(s.response.failed), {{"outcome", "failed"}});
  out.one(MetricType::Gauge, "response_breaker_open", "1 when too many actions made the agent observe only",
          s.response.breaker_open ? 1 : 0);
  out.one(MetricType::Counter, "sandbox_jobs_total", "Programs detonated", number(s.sandbox.jobs));
  out.one(MetricType::Counter, "sandbox_jobs_failed_total", "Programs that could not be detonated",
          number(s.sandbox.failed));
  out.one(MetricType::Gauge, "sandbox_jobs_running", "Programs in sandboxes now", number(s.sandbox.running));
  out.one(MetricType::Counter, "commands_refused_total", "Messages on the command subject that were not obeyed",
          number(s.sandbox.commands_refused));
  sequence_families(out, s.sequence);
  out.one(MetricType::Gauge, "resident_bytes", "Resident memory", number(s.rss_bytes));
  out.one(MetricType::Gauge, "status_time_seconds", "When these figures were taken",
          static_cast<double>(s.time_ns) / 1e9);
  return out.text();
}

}  // namespace shrike::agent
