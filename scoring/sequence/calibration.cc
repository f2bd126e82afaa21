#include "scoring/sequence/calibration.h"

#include <algorithm>
#include <cmath>

namespace shrike::scoring::sequence {
namespace {

// No past of a few thousand scores says more than this about what it has never seen.
constexpr double least = 1e-9;

}  // namespace

Calibration::Calibration(std::span<const float> past) {
  if (past.size() > window) past = past.last(window);
  for (const float score : past) {
    if (!std::isnan(score)) in_order_.push_back(score);
  }
  sorted_.assign(in_order_.begin(), in_order_.end());
  std::sort(sorted_.begin(), sorted_.end());
}

double Calibration::p_value(float score) const {
  const size_t count = sorted_.size();
  const auto at = std::lower_bound(sorted_.begin(), sorted_.end(), score);
  const auto as_high = static_cast<double>(sorted_.end() - at);
  const double p = (as_high + 1) / (static_cast<double>(count) + 1);
  if (as_high > 0 || count < 20) return p;
  const size_t top = count / 20;
  double excess = 0;
  for (size_t i = count - top; i < count; ++i) excess += sorted_[i] - sorted_[count - top];
  const double slope = excess / static_cast<double>(top);
  const double beyond = static_cast<double>(score) - sorted_.back();
  const double factor = slope > 0 ? std::exp(-beyond / slope) : 1;
  return std::max(p * factor, least);
}

double Calibration::add(float score) {
  if (std::isnan(score)) return 1;
  const double p = p_value(score);
  allowed_ = std::min(tail_burst, allowed_ + tail_rate * tail);
  if (p >= tail) {
    remember(score);
  } else if (allowed_ >= 1) {
    allowed_ -= 1;
    remember(score);
  }
  return p;
}

void Calibration::remember(float score) {
  if (in_order_.size() == window) {
    sorted_.erase(std::lower_bound(sorted_.begin(), sorted_.end(), in_order_.front()));
    in_order_.pop_front();
  }
  in_order_.push_back(score);
  sorted_.insert(std::upper_bound(sorted_.begin(), sorted_.end(), score), score);
}

}  // namespace shrike::scoring::sequence
