#include "scoring/risk/tree_risk.h"

#include <xxhash.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <iterator>
#include <string_view>

namespace shrike::scoring {
namespace {

constexpr int depth_max = 256;
/// One cause alone never makes a tree certain: there is always something that another can add.
constexpr double risk_max = 0.99;

constexpr std::array<std::string_view, 4> detectors = {"rules", "sequence", "integrity", "sandbox"};

size_t detector_of(AlertSource source) {
  switch (source) {
    case AlertSource::falco:
    case AlertSource::sigma:
    case AlertSource::response:
      return 0;
    case AlertSource::sequence:
      return 1;
    case AlertSource::integrity:
      return 2;
    case AlertSource::sandbox:
      return 3;
  }
  return 0;
}

/// Four digits are more than it means, and the same on every machine.
double rounded(double value) { return std::round(value * 1e4) / 1e4; }

double strength_of(double risk) { return -std::log1p(-std::clamp(std::isfinite(risk) ? risk : 0, 0.0, risk_max)); }

}  // namespace

TreeId tree_of(const Process& process) {
  const Process* root = &process;
  for (int depth = 0; depth < depth_max; ++depth) {
    const Process* up = root->parent;
    if (up == nullptr || up->pid <= 1 || up->container != process.container ||
        up->task.cgroup_id != root->task.cgroup_id)
      break;
    root = up;
  }
  return {root->pid, root->start_ns};
}

double TreeRisk::strength_at(const Cause& cause, uint64_t now_ns) const {
  if (now_ns <= cause.time_ns) return cause.strength;
  const double half_lives = static_cast<double>(now_ns - cause.time_ns) / static_cast<double>(limits_.half_life_ns);
  return cause.strength * std::exp2(-half_lives);
}

TreeRisk::Tree& TreeRisk::tree(const TreeId& id) {
  const auto at = trees_.find(id);
  if (at != trees_.end()) {
    order_.splice(order_.end(), order_, at->second);
    return *at->second;
  }
  if (trees_.size() >= std::max<size_t>(limits_.trees, 1)) {
    trees_.erase(order_.front().id);
    order_.pop_front();
  }
  order_.push_back({id, {}});
  trees_.emplace(id, std::prev(order_.end()));
  return order_.back();
}

void TreeRisk::add(const Event& event, Alert& alert, uint64_t now_ns) {
  const double strength = strength_of(alert.risk);
  std::array<double, detectors.size()> sums{};
  if (event.process == nullptr) {
    sums[detector_of(alert.source)] = strength;
  } else {
    Tree& here = tree(tree_of(*event.process));
    const uint64_t id = XXH3_64bits_withSeed(alert.rule.data(), alert.rule.size(), static_cast<uint64_t>(alert.source));
    auto at = std::find_if(here.causes.begin(), here.causes.end(), [&](const Cause& cause) { return cause.id == id; });
    if (at == here.causes.end()) {
      if (here.causes.size() >= std::max<size_t>(limits_.causes, 1)) {
        here.causes.erase(std::min_element(here.causes.begin(), here.causes.end(), [&](const Cause& a, const Cause& b) {
          return strength_at(a, now_ns) < strength_at(b, now_ns);
        }));
      }
      here.causes.push_back({id, alert.source, strength, now_ns});
    } else {
      at->strength = std::max(strength_at(*at, now_ns), strength);
      at->time_ns = std::max(at->time_ns, now_ns);
    }
    for (const Cause& cause : here.causes) sums[detector_of(cause.source)] += strength_at(cause, now_ns);
  }
  double all = 0;
  // What a detector has said of its own parts stays.
  std::erase_if(alert.scores, [](const auto& score) {
    return std::find(detectors.begin(), detectors.end(), score.first) != detectors.end();
  });
  for (size_t i = 0; i < sums.size(); ++i) {
    all += sums[i];
    if (const double score = rounded(-std::expm1(-sums[i])); score > 0) alert.scores.emplace_back(detectors[i], score);
  }
  alert.tree_risk = rounded(-std::expm1(-all));
}

}  // namespace shrike::scoring
