#pragma once

#include <array>
#include <cmath>
#include <cstdint>

namespace shrike::scoring::sequence {

/// Surprise, -ln of a probability, in steps of 1/256: whole numbers add up the same way everywhere.
using Surprise = uint32_t;
inline constexpr double surprise_steps = 256;

inline Surprise to_surprise(double probability) {
  return static_cast<Surprise>(std::lround(-std::log(probability) * surprise_steps));
}

/// The surprises of a trace, in bins of 1/32 up to 32: what is beyond counts as 32.
class SurpriseHistogram {
 public:
  void clear() { bins_.fill(0), count_ = 0; }
  void add(Surprise surprise) {
    const Surprise bin = surprise / steps_per_bin;
    ++bins_[bin < bins_.size() ? bin : bins_.size() - 1];
    ++count_;
  }
  [[nodiscard]] uint64_t count() const { return count_; }

  /// The mean of the larger half of the surprises (expected shortfall at one half); 0 without any. Usual calls around
  /// as many odd ones do not bring it below the mean of the odd ones, and unlike a maximum it does not stand on one
  /// call.
  [[nodiscard]] double mean_of_upper_half() const {
    uint64_t wanted = count_ - count_ / 2;
    if (wanted == 0) return 0;
    const auto all = static_cast<double>(wanted);
    double sum = 0;
    for (size_t bin = bins_.size(); bin-- > 0 && wanted > 0;) {
      const uint64_t taken = bins_[bin] < wanted ? bins_[bin] : wanted;
      sum += static_cast<double>(taken) * (static_cast<double>(bin) + 0.5);
      wanted -= taken;
    }
    return sum * steps_per_bin / surprise_steps / all;
  }

 private:
  static constexpr Surprise steps_per_bin = 8;
  std::array<uint32_t, 1024> bins_{};
  uint64_t count_ = 0;
};

}  // namespace shrike::scoring::sequence
