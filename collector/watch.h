#pragma once
// What becomes an integrity alert only over time: gaps that stay, losses that grow. Thread-safe.

#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "collector/findings.h"

namespace shrike::collector {

class Watch {
 public:
  /// Takes over the loss counters that were told of before.
  void restore(const std::vector<NodeState>& nodes);

  /// An accepted header: ends its lane's gap; returns "Events lost" when its counters grew and the node has been told
  /// of less than ten seconds ago (then it waits for a later `tick`).
  std::vector<Alert> accepted(const BatchHeader& header, uint64_t now_ns);
  /// A batch ahead of its turn.
  void gap(const BatchHeader& header, const std::string& reason, uint64_t now_ns);
  /// Once a second: gaps older than 30 s (told again every ten minutes), and losses that waited.
  std::vector<Alert> tick(uint64_t now_ns);

 private:
  struct Gap {
    Subject subject;
    std::string reason;
    uint64_t since_ns = 0;
    uint64_t told_ns = 0;
  };
  struct Counters {
    Losses known;                    // the largest of both lanes
    std::map<Lane, Losses> by_lane;  // each lane's last: a smaller one later is a restarted counter
  };
  struct Node {
    std::map<BootId, Counters> boots;  // a few: one lane may still deliver the boot before
    Losses waiting;                    // grown, and not told yet
    Subject subject;
    uint64_t told_ns = 0;
  };
  static Alert lost(const std::string& name, Node& node, uint64_t now_ns);

  std::mutex mutex_;
  std::map<std::pair<std::string, Lane>, Gap> gaps_;
  std::map<std::string, Node> nodes_;
};

}  // namespace shrike::collector
