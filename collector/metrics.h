#pragma once
// Counters, and their Prometheus text. The names are in shrike-collector(8).

#include <array>
#include <atomic>
#include <cstdint>
#include <string>

#include "common/wire/batch.h"

namespace shrike::collector {

/// Counted by any thread; values since start.
struct Metrics {
  struct PerLane {
    std::array<std::atomic<uint64_t>, 8> verdicts{};  ///< by Verdict
    std::atomic<uint64_t> batches{0};                 ///< stored
    std::atomic<uint64_t> events{0};                  ///< stored
    std::atomic<uint64_t> bytes{0};                   ///< stored, as received
    std::atomic<uint64_t> check_ns{0};                ///< spent judging
  };
  std::array<PerLane, 2> lanes;
  std::atomic<uint64_t> alerts{0};
  std::atomic<uint64_t> integrity_alerts{0};
  std::atomic<uint64_t> alerts_unread{0};
  std::atomic<uint64_t> verdicts_unstored{0};  ///< held back by the rate limit
  std::atomic<uint64_t> commits{0};
  std::atomic<uint64_t> commit_ns{0};
  std::atomic<uint64_t> store_errors{0};
  std::atomic<uint64_t> index_errors{0};
  std::atomic<uint64_t> acks{0};
  std::atomic<uint64_t> nats_reconnects{0};
  std::atomic<uint64_t> followers_dropped{0};
  std::atomic<bool> nats_connected{false};
  std::atomic<bool> accepting{true};

  PerLane& lane(Lane lane_id) { return lanes[lane_id == Lane::alerts ? 0 : 1]; }
  [[nodiscard]] const PerLane& lane(Lane lane_id) const { return lanes[lane_id == Lane::alerts ? 0 : 1]; }
};

/// What is not counted but looked at when asked.
struct Gauges {
  uint64_t segments = 0;
  uint64_t store_bytes = 0;
  uint64_t free_bytes = 0;
  uint64_t waiting_batches = 0;  ///< accepted, and not on the disk yet
  uint64_t followers = 0;
  uint64_t nodes = 0;
};

/// Prometheus' text format 0.0.4.
std::string metrics_text(const Metrics& metrics, const Gauges& gauges);

}  // namespace shrike::collector
