#pragma once

#include <deque>
#include <span>
#include <vector>

namespace shrike::scoring::sequence {

/// Turns scores into tail probabilities against a program's own recent past, and moves with it.
///
/// The p-value of a score is the share of recent scores that are as high or higher, itself included. So that an attack
/// cannot make itself usual quickly, only `tail_rate` times as many scores enter the past below p = `tail` as would
/// without any attack; whether that was a burst or the program has changed is a matter of time: a lasting change
/// still moves the past, more slowly.
class Calibration {
 public:
  static constexpr size_t window = 2048;
  static constexpr double tail = 0.01;
  static constexpr double tail_rate = 2;
  static constexpr double tail_burst = 5;

  /// `past`: scores to begin with, oldest first; only the last `window` are used. Not-a-number is passed over.
  explicit Calibration(std::span<const float> past);

  /// The p-value of `score`, from 1e-9 to 1; then the score becomes part of the past. Beyond the highest recent
  /// score the tail is taken as exponential, with the slope of the highest twentieth, down to 1e-9. Cost: about 1 us.
  double add(float score);
  /// The same without changing anything.
  [[nodiscard]] double p_value(float score) const;

  /// The past, oldest first: what the next Calibration begins with.
  [[nodiscard]] std::vector<float> past() const { return {in_order_.begin(), in_order_.end()}; }

 private:
  void remember(float score);

  std::deque<float> in_order_;
  std::vector<float> sorted_;
  double allowed_ = tail_burst;
};

}  // namespace shrike::scoring::sequence
