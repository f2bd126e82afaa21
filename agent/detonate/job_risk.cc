#include "agent/detonate/job_risk.h"

#include <algorithm>
#include <array>
#include <cmath>

namespace shrike::detonate {
namespace {

/// No single cause makes certain: there is always something that another can add.
constexpr double risk_most = 0.99;
constexpr size_t message_most = 512;

double strength_of(double risk) { return -std::log1p(-std::clamp(std::isfinite(risk) ? risk : 0, 0.0, risk_most)); }
double rounded(double value) { return std::round(value * 1e4) / 1e4; }

std::string_view detector_of(AlertSource source) {
  return source == AlertSource::sandbox ? "sandbox" : source == AlertSource::sequence ? "sequence" : "rules";
}

}  // namespace

void JobRisk::add(Alert& alert) {
  auto at = std::find_if(causes_.begin(), causes_.end(),
                         [&](const Cause& cause) { return cause.source == alert.source && cause.rule == alert.rule; });
  if (at == causes_.end() && causes_.size() < causes_most) {
    causes_.push_back({alert.rule, alert.source, alert.severity, alert.risk, alert.message.substr(0, message_most), 0});
    at = std::prev(causes_.end());
  }
  if (at != causes_.end()) {
    ++at->count;
    at->severity = std::max(at->severity, alert.severity);
    if (alert.risk > at->risk) {
      at->risk = alert.risk;
      at->message = alert.message.substr(0, message_most);
    }
  }
  std::array<std::pair<std::string_view, double>, 3> sums = {{{"rules", 0}, {"sequence", 0}, {"sandbox", 0}}};
  for (const Cause& cause : causes_)
    for (auto& [name, sum] : sums)
      if (name == detector_of(cause.source)) sum += strength_of(cause.risk);
  alert.scores.clear();
  for (const auto& [name, sum] : sums)
    if (const double score = rounded(-std::expm1(-sum)); score > 0) alert.scores.emplace_back(name, score);
  alert.tree_risk = risk();
}

double JobRisk::risk() const {
  double all = 0;
  for (const Cause& cause : causes_) all += strength_of(cause.risk);
  return rounded(-std::expm1(-all));
}

std::vector<sandbox::Reason> JobRisk::reasons() const {
  std::vector<sandbox::Reason> reasons;
  for (const Cause& cause : causes_)
    reasons.push_back({cause.rule, std::string(severity_name(cause.severity)), cause.risk, cause.message, cause.count});
  std::stable_sort(reasons.begin(), reasons.end(), [](const auto& a, const auto& b) { return a.risk > b.risk; });
  return reasons;
}

}  // namespace shrike::detonate
