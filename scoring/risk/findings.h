#pragma once
// One finding for one cause.

#include <cstdint>
#include <set>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "common/wire/alert.h"
#include "common/wire/event.h"

namespace shrike::scoring {

struct FindingLimits {
  uint64_t quiet_ns = 600'000'000'000;         ///< without coming again for so long it is over; 0: nothing is merged
  uint64_t first_pause_ns = 1'000'000'000;     ///< between the first alert and its first update; then doubled
  uint64_t longest_pause_ns = 60'000'000'000;  ///< between updates
  size_t findings = 4096;
  size_t bytes = 16u << 20;  ///< of the alerts kept to be told
};

/// Alerts in, fewer alerts out; every one that is held back is in the count of one that comes.
class Findings {
 public:
  explicit Findings(FindingLimits limits = {}) : limits_(limits) {}

  /// Gives `alert` its uid, activity, count and times. True: pass it on now. False: it was counted. `told` receives
  /// what had to be told early for want of room. `now_ns`: kernel time, as in all of these.
  bool admit(const Event& event, Alert& alert, uint64_t now_ns, std::vector<Alert>& told);
  /// Gives `alert` a uid of its own: for what must never be merged.
  static void single(const Event& event, Alert& alert, uint64_t now_ns);
  /// Appends updates that are due and the ends of findings that came more than once.
  void expire(uint64_t now_ns, std::vector<Alert>& told);
  /// Ends all of them: before the agent stops.
  void flush(std::vector<Alert>& told);

  /// Alerts that were counted instead of passed on.
  [[nodiscard]] uint64_t suppressed() const { return suppressed_; }
  [[nodiscard]] size_t open() const { return open_.size(); }
  /// Upper bound of what the kept alerts take.
  [[nodiscard]] size_t bytes() const { return bytes_; }

 private:
  struct Key {
    uint64_t low = 0, high = 0;
    auto operator<=>(const Key&) const = default;
  };
  struct KeyHash {
    size_t operator()(const Key& key) const { return key.low; }
  };
  struct Finding {
    Alert last;  // from the second time on
    std::string uid;
    Severity severity = Severity::info;
    uint64_t first_time_ns = 0;  // wall clock, as alerts have it
    uint64_t count = 1;
    uint64_t untold = 0;   // of `count`
    uint64_t told_ns = 0;  // kernel time, as all below
    uint64_t pause_ns = 0;
    uint64_t next_ns = 0;  // its place in order_
    size_t bytes = 0;
  };
  using Open = std::unordered_map<Key, Finding, KeyHash>;

  static Key key_of(const Event& event, const Alert& alert);
  void set_next(const Key& key, Finding& finding, uint64_t next_ns);
  void keep(Finding& finding, const Alert& alert);
  static void fill(const Finding& finding, Activity activity, Alert& alert);
  void close(Open::iterator at, std::vector<Alert>& told);
  void make_room(std::vector<Alert>& told);

  FindingLimits limits_;
  Open open_;
  std::set<std::pair<uint64_t, Key>> order_;  // by when something is due
  size_t bytes_ = 0;
  uint64_t suppressed_ = 0;
};

}  // namespace shrike::scoring
