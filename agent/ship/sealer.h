#pragma once
// Events and alerts to signed batches in the spool.

#include <chrono>
#include <string>

#include "agent/ship/spool.h"
#include "common/wire/alert.h"
#include "common/wire/event.h"

namespace shrike::ship {

struct SealerOptions {
  /// Telemetry is sealed at this payload size once it is `batch_pause` old, at four times of it in any case, and after
  /// `telemetry_age`.
  size_t telemetry_bytes = 64u << 10;
  std::chrono::milliseconds batch_pause{10};
  std::chrono::milliseconds telemetry_age{1000};
  std::chrono::milliseconds heartbeat{10000};
};

/// Belongs to the pipeline's thread. Compression, signature and the write to the spool happen in `tick`, `add` when a
/// batch is full, and `seal_all`.
class Sealer {
 public:
  using Time = std::chrono::steady_clock::time_point;

  /// `spool` must outlive it.
  Sealer(Spool& spool, SealerOptions options, Time now);

  /// Puts an event into the telemetry lane. Errors: of writing, then its batch is lost and counted (spool_full); larger
  /// than 256 KiB, then it alone is.
  Result<void> add(const Event& event);
  /// The same of one that is encoded already.
  Result<void> add_encoded(std::string_view event, uint64_t time_ns);
  /// Puts an alert into the alerts lane. Errors: the spool has been full of alerts for so long that 256 KiB wait here,
  /// or it is larger than that; then this alert was not taken.
  Result<void> add(const Alert& alert);
  /// What the stages before lost since the agent started.
  void set_losses(const Losses& outside) { outside_ = outside; }
  /// SHA-256 over the loaded rules and filter, raw.
  void set_policy(std::string digest) { policy_ = std::move(digest); }

  /// After each drain of the rings, and at least every 100 ms: seals alerts, telemetry that is due, heartbeats.
  /// Errors: of writing, the first; alerts are kept and tried again with the next call.
  Result<void> tick(Time now);
  /// Seals everything, for the end.
  Result<void> seal_all();

  struct Counters {
    uint64_t batches = 0;
    uint64_t events = 0;
    uint64_t alerts = 0;
    uint64_t payload_bytes = 0;
    uint64_t sealed_bytes = 0;
    uint64_t lost_events = 0;  ///< sealed, but there was no room
  };
  [[nodiscard]] const Counters& counters() const { return counters_; }

 private:
  struct LaneState {
    explicit LaneState(Lane which) : lane(which), builder(which) {}
    Lane lane;
    BatchBuilder builder;
    Time last_sealed{};
  };
  BatchHeader header_for(LaneState& lane);
  Result<void> seal(LaneState& lane);
  Result<void> heartbeat(LaneState& lane);
  Result<void> write(LaneState& lane, const std::string& bytes, const BatchHeader& header, const Digest& hash);

  Spool& spool_;
  const SealerOptions options_;
  LaneState alerts_{Lane::alerts};
  LaneState telemetry_{Lane::telemetry};
  /// An alerts batch for which there was no room. Nothing else can be appended to its lane before it is.
  struct Waiting {
    std::string bytes;
    BatchHeader header;
    Digest hash{};
  };
  std::optional<Waiting> waiting_;
  Time now_;
  Time telemetry_since_;  ///< when its oldest event was added, to a tick
  Losses outside_;
  std::string policy_;
  std::string scratch_;
  Counters counters_;
};

}  // namespace shrike::ship
