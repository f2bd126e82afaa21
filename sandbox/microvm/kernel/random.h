#pragma once
// Everything random in the guest, from the job's seed: the same job sees the same numbers. Not for secrets.

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

namespace shrike::sandbox::microvm {

class Random {
 public:
  explicit Random(uint64_t seed) : state_(seed) {}
  /// SplitMix64 (Steele, Lea, Flood 2014).
  uint64_t next() {
    uint64_t z = state_ += 0x9e3779b97f4a7c15;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
  }
  void fill(std::span<std::byte> out) {
    for (size_t at = 0; at < out.size(); at += sizeof(uint64_t)) {
      const uint64_t value = next();
      std::memcpy(&out[at], &value, out.size() - at < sizeof value ? out.size() - at : sizeof value);
    }
  }

 private:
  uint64_t state_;
};

}  // namespace shrike::sandbox::microvm
