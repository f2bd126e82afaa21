#include "collector/metrics.h"

#include <prometheus/metric_family.h>
#include <prometheus/text_serializer.h>

namespace shrike::collector {
namespace {

using prometheus::ClientMetric;
using prometheus::MetricFamily;
using prometheus::MetricType;

class Families {
 public:
  void begin(const char* name, const char* help, MetricType type) {
    families.push_back({std::string("shrike_collector_") + name, help, type, {}});
  }
  void value(double value, std::vector<ClientMetric::Label> labels = {}) {
    ClientMetric metric;
    metric.label = std::move(labels);
    if (families.back().type == MetricType::Counter) {
      metric.counter.value = value;
    } else {
      metric.gauge.value = value;
    }
    families.back().metric.push_back(std::move(metric));
  }
  void counter(const char* name, const char* help, uint64_t count) {
    begin(name, help, MetricType::Counter);
    value(static_cast<double>(count));
  }
  void gauge(const char* name, const char* help, uint64_t count) {
    begin(name, help, MetricType::Gauge);
    value(static_cast<double>(count));
  }
  std::vector<MetricFamily> families;
};

}  // namespace

std::string metrics_text(const Metrics& metrics, const Gauges& gauges) {
  Families out;
  const Lane lanes[] = {Lane::alerts, Lane::telemetry};
  const auto per_lane = [&](const char* name, const char* help, auto&& get) {
    out.begin(name, help, MetricType::Counter);
    for (const Lane lane : lanes)
      out.value(static_cast<double>(get(metrics.lane(lane))), {{"lane", std::string(lane_name(lane))}});
  };
  out.begin("messages_total", "Messages judged, by verdict", MetricType::Counter);
  for (const Lane lane : lanes)
    for (size_t verdict = 1; verdict < 8; ++verdict)
      out.value(static_cast<double>(metrics.lane(lane).verdicts[verdict].load()),
                {{"lane", std::string(lane_name(lane))},
                 {"verdict", std::string(verdict_name(static_cast<Verdict>(verdict)))}});
  per_lane("batches_stored_total", "Batches on the disk", [](const auto& lane) { return lane.batches.load(); });
  per_lane("events_stored_total", "Events in them", [](const auto& lane) { return lane.events.load(); });
  per_lane("stored_bytes_total", "Bytes of batches as received", [](const auto& lane) { return lane.bytes.load(); });
  per_lane("check_seconds_total", "Time spent judging",
           [](const auto& lane) { return static_cast<double>(lane.check_ns.load()) / 1e9; });
  out.counter("alerts_total", "Alerts from agents", metrics.alerts);
  out.counter("integrity_alerts_total", "Alerts of the collector's own", metrics.integrity_alerts);
  out.counter("alerts_unread_total", "Events of the alerts lane without a readable alert", metrics.alerts_unread);
  out.counter("verdicts_unstored_total", "Refusals past the rate that is stored", metrics.verdicts_unstored);
  out.counter("commits_total", "Groups synced to the disk", metrics.commits);
  out.begin("commit_seconds_total", "Time spent storing, syncing and indexing", MetricType::Counter);
  out.value(static_cast<double>(metrics.commit_ns.load()) / 1e9);
  out.counter("store_errors_total", "Failed writes of segments", metrics.store_errors);
  out.counter("index_errors_total", "Failed writes of the index", metrics.index_errors);
  out.counter("acknowledgements_total", "Acknowledgements sent, repeats included", metrics.acks);
  out.counter("nats_reconnects_total", "Connections to NATS made again", metrics.nats_reconnects);
  out.counter("followers_dropped_total", "Followers that were too slow", metrics.followers_dropped);
  out.gauge("nats_connected", "1: connected", metrics.nats_connected ? 1 : 0);
  out.gauge("accepting", "0: nothing is accepted, see the log", metrics.accepting ? 1 : 0);
  out.gauge("segments", "Segment files", gauges.segments);
  out.gauge("store_bytes", "Bytes in them", gauges.store_bytes);
  out.gauge("free_bytes", "Bytes free beside them", gauges.free_bytes);
  out.gauge("waiting_batches", "Accepted, not on the disk yet", gauges.waiting_batches);
  out.gauge("followers", "Open follow requests", gauges.followers);
  out.gauge("nodes", "Nodes with stored batches", gauges.nodes);
  return prometheus::TextSerializer().Serialize(out.families);
}

}  // namespace shrike::collector
