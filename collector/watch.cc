#include "collector/watch.h"

#include <algorithm>

namespace shrike::collector {
namespace {
constexpr uint64_t second = 1'000'000'000;
constexpr uint64_t gap_patience_ns = 30 * second;
constexpr uint64_t gap_again_ns = 600 * second;
constexpr uint64_t losses_interval_ns = 10 * second;
constexpr size_t boots_max = 4;
// A clock that was set back is no reason to be silent until it has caught up.
uint64_t since(uint64_t then, uint64_t now) { return now >= then ? now - then : UINT64_MAX; }
}  // namespace

void Watch::restore(const std::vector<NodeState>& nodes) {
  const std::lock_guard lock(mutex_);
  for (const NodeState& state : nodes) {
    Node& node = nodes_[state.node];
    for (const auto& [lane, lane_state] : state.lanes) {
      Counters& counters = node.boots[lane_state.head.boot];
      counters.by_lane[lane] = lane_state.losses;
      for (const auto& [key, count] : lane_state.losses) counters.known[key] = std::max(counters.known[key], count);
    }
  }
}

Alert Watch::lost(const std::string& name, Node& node, uint64_t now_ns) {
  uint64_t total = 0;
  std::string causes;
  for (const auto& [key, count] : node.waiting) {
    total += count;
    causes += (causes.empty() ? "" : ", ") + std::to_string(count) + " " + key.cause + "/" + key.loss_class;
  }
  Alert alert =
      integrity_alert("Events lost", Severity::medium, node.subject, Verdict::accepted,
                      "Events lost: node " + name + " says that it lost " + std::to_string(total) + " events (" +
                          causes + "), as signed up to lane " + std::string(lane_name(node.subject.lane)) + ", seq " +
                          std::to_string(node.subject.seq),
                      now_ns);
  alert.fields.emplace_back("lost", std::to_string(total));
  for (const auto& [key, count] : node.waiting)
    alert.fields.emplace_back("lost." + key.cause + "." + key.loss_class, std::to_string(count));
  alert.count = static_cast<uint32_t>(std::min<uint64_t>(total, UINT32_MAX));
  node.waiting.clear();
  node.told_ns = now_ns;
  return alert;
}

std::vector<Alert> Watch::accepted(const BatchHeader& header, uint64_t now_ns) {
  const std::lock_guard lock(mutex_);
  gaps_.erase({header.node, header.lane});
  Node& node = nodes_[header.node];
  if (node.boots.size() >= boots_max && !node.boots.contains(header.boot)) node.boots.clear();
  Counters& counters = node.boots[header.boot];
  const Losses& last = counters.by_lane[header.lane];
  for (const auto& [key, count] : header.losses) {
    uint64_t& known = counters.known[key];
    const auto before = last.find(key);
    if (before != last.end() && count < before->second) known = 0;  // the agent began to count anew
    if (count <= known) continue;
    node.waiting[key] += count - known;
    known = count;
  }
  counters.by_lane[header.lane] = header.losses;
  if (node.waiting.empty()) return {};
  node.subject = {header.node, header.lane, header.boot, header.seq};
  if (node.told_ns != 0 && since(node.told_ns, now_ns) < losses_interval_ns) return {};
  return {lost(header.node, node, now_ns)};
}

void Watch::gap(const BatchHeader& header, const std::string& reason, uint64_t now_ns) {
  const std::lock_guard lock(mutex_);
  const auto [gap, fresh] = gaps_.try_emplace({header.node, header.lane});
  if (!fresh) return;
  gap->second = {{header.node, header.lane, header.boot, header.seq}, reason, now_ns, 0};
}

std::vector<Alert> Watch::tick(uint64_t now_ns) {
  std::vector<Alert> alerts;
  const std::lock_guard lock(mutex_);
  for (auto& [name, gap] : gaps_) {
    if (since(gap.since_ns, now_ns) < gap_patience_ns) continue;
    if (gap.told_ns != 0 && since(gap.told_ns, now_ns) < gap_again_ns) continue;
    gap.told_ns = now_ns;
    alerts.push_back(integrity_alert("Batches missing", Severity::high, gap.subject, Verdict::gap,
                                     "Batches missing: " + gap.reason + "; they have not come for " +
                                         std::to_string((now_ns - std::min(now_ns, gap.since_ns)) / second) +
                                         " s, and nothing of this lane is accepted meanwhile",
                                     now_ns));
  }
  for (auto& [name, node] : nodes_)
    if (!node.waiting.empty() && since(node.told_ns, now_ns) >= losses_interval_ns)
      alerts.push_back(lost(name, node, now_ns));
  return alerts;
}

}  // namespace shrike::collector
