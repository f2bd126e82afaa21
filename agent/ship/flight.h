#pragma once
// Which batches of a lane are on their way to the collector, and when to send them again. No clock, no NATS.

#include <chrono>
#include <cstdint>
#include <deque>

#include "common/wire/batch.h"

namespace shrike::ship {

struct FlightLimits {
  size_t batches = 64;
  size_t bytes = 2u << 20;
  /// Without progress for this long, batches are sent again; doubled each time, up to `resend_most`.
  std::chrono::milliseconds resend_after{5000};
  std::chrono::milliseconds resend_most{60000};
  /// After the collector said gap, or the server refused: doubled the same way.
  std::chrono::milliseconds retry_after{250};
};

/// One lane's. When `due` is true the caller calls `restart` and sends from the first unacknowledged batch on.
class Flight {
 public:
  using Time = std::chrono::steady_clock::time_point;
  explicit Flight(FlightLimits limits) : limits_(limits) {}

  /// Whether one more batch may leave. While nothing comes back (`restart` without progress) only one at a time does: a
  /// stream in front of a collector that is away must not fill with copies.
  [[nodiscard]] bool has_room() const;
  void on_sent(const BootId& boot, uint64_t seq, size_t bytes, Time now);
  /// A verified acknowledgement: everything up to (boot, seq) has arrived.
  void on_ack(const BootId& boot, uint64_t seq, Verdict verdict, Time now);
  /// The server could not store a batch.
  void on_refused(Time now);
  /// A new connection: what was on its way may be lost with the old one.
  void on_connected(Time now);

  [[nodiscard]] bool due(Time now) const { return !waiting_.empty() && now >= resend_at_; }
  /// When `due` may become true; Time::max() when nothing is on its way.
  [[nodiscard]] Time deadline() const { return waiting_.empty() ? Time::max() : resend_at_; }
  /// Forgets what is on its way.
  void restart(Time now);
  /// How often batches are given new message ids: JetStream drops what has an id it has seen, but a batch that the
  /// collector had to refuse (gap) must come through again.
  [[nodiscard]] uint32_t salt() const { return salt_; }
  [[nodiscard]] size_t in_flight() const { return waiting_.size(); }

 private:
  struct Sent {
    BootId boot;
    uint64_t seq;
    size_t bytes;
  };
  void retry_at(Time at) { resend_at_ = std::min(resend_at_, at); }

  const FlightLimits limits_;
  std::deque<Sent> waiting_;
  size_t bytes_ = 0;
  Time resend_at_ = Time::max();
  uint32_t doublings_ = 0;  ///< since the last progress
  bool alone_ = false;      ///< one at a time
  bool salted_ = false;     ///< the next restart takes new ids
  uint32_t salt_ = 0;
};

}  // namespace shrike::ship
