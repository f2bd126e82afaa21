#pragma once
// What a process tree has added up to.

#include <cstdint>
#include <list>
#include <unordered_map>
#include <vector>

#include "common/wire/alert.h"
#include "common/wire/event.h"

namespace shrike::scoring {

struct TreeRiskLimits {
  uint64_t half_life_ns = 600'000'000'000;  ///< in which a cause loses half of its strength
  size_t trees = 4096;                      ///< the one that was quiet longest goes first
  size_t causes = 32;                       ///< of one tree; the weakest goes first
};

/// A tree by its root: the furthest ancestor in the same container and cgroup, below pid 1. A service is a tree, so is
/// a login session where each has its cgroup.
struct TreeId {
  uint32_t pid = 0;
  uint64_t start_ns = 0;
  bool operator==(const TreeId&) const = default;
};
TreeId tree_of(const Process& process);

class TreeRisk {
 public:
  explicit TreeRisk(TreeRiskLimits limits = {}) : limits_(limits) {}

  /// Adds `alert` to the tree of the event's process and fills its tree_risk and scores. Without a process both are of
  /// the alert alone. `now_ns`: kernel time; one that runs back counts as no time.
  void add(const Event& event, Alert& alert, uint64_t now_ns);

  [[nodiscard]] size_t trees() const { return trees_.size(); }

 private:
  struct Cause {
    uint64_t id = 0;  // hash of the rule's name and source
    AlertSource source = AlertSource::falco;
    double strength = 0;  // -ln(1 - risk), at `time_ns`
    uint64_t time_ns = 0;
  };
  struct Tree {
    TreeId id;
    std::vector<Cause> causes;
  };
  struct Hash {
    size_t operator()(const TreeId& id) const { return id.start_ns * 0x9e3779b97f4a7c15ull ^ id.pid; }
  };
  Tree& tree(const TreeId& id);
  [[nodiscard]] double strength_at(const Cause& cause, uint64_t now_ns) const;

  TreeRiskLimits limits_;
  std::list<Tree> order_;  // longest quiet first
  std::unordered_map<TreeId, std::list<Tree>::iterator, Hash> trees_;
};

}  // namespace shrike::scoring
