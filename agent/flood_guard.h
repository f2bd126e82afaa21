#pragma once

#include <cstdint>
#include <deque>
#include <unordered_map>
#include <vector>

#include "common/wire/alert.h"
#include "common/wire/event.h"

namespace shrike::agent {

/// Keeps one process that does one thing a thousand times a second from making a thousand alerts of it. The first alert
/// of a finding (rule, process, path or peer) passes at once; the same one again within a second is counted; when the
/// second is over, and it came again, one more alert with the same uid tells how often (`count`: all of them).
/// Nothing else is held back. Holds at most `max_findings`; when full, the oldest are told early.
class FloodGuard {
 public:
  static constexpr uint64_t window_ns = 1'000'000'000;
  static constexpr size_t max_findings = 1024;

  /// Gives `alert` its uid. True: pass it on. False: it was counted. `early` receives what had to be told early.
  bool admit(const Event& event, Alert& alert, std::vector<Alert>& early);
  /// Appends the alerts of windows that are over at `now_ns` (wall clock of events).
  void expire(uint64_t now_ns, std::vector<Alert>& due);
  /// The same for all windows: before the agent stops.
  void flush(std::vector<Alert>& due) { expire(UINT64_MAX, due); }

  /// Alerts that were counted instead of passed on.
  [[nodiscard]] uint64_t suppressed() const { return suppressed_; }

 private:
  struct Key {
    uint64_t low = 0, high = 0;
    bool operator==(const Key&) const = default;
  };
  struct KeyHash {
    size_t operator()(const Key& key) const { return key.low; }
  };
  static Key key_of(const Event& event, const Alert& alert);
  void close_oldest(std::vector<Alert>& due);

  struct Finding {
    Alert last;  // filled from the second time on
    std::string uid;
    uint32_t count = 1;
  };
  std::unordered_map<Key, Finding, KeyHash> open_;
  std::deque<std::pair<uint64_t, Key>> order_;  // end of the window, oldest first
  uint64_t suppressed_ = 0;
};

}  // namespace shrike::agent
