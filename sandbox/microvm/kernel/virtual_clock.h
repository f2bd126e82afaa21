#pragma once
// Time as the program sees it: the host's while something runs, and a jump ahead whenever everything waits for time
// alone.

#include <cstdint>
#include <functional>

namespace shrike::sandbox::microvm {

class VirtualClock {
 public:
  /// `boot_ns`: how long the guest has been up at the start; `wall_ns`: CLOCK_REALTIME then.
  VirtualClock(std::function<uint64_t()> host_ns, uint64_t boot_ns, uint64_t wall_ns)
      : host_ns_(std::move(host_ns)), start_(host_ns_()), boot_(boot_ns), wall_(wall_ns - boot_ns) {}

  /// CLOCK_MONOTONIC, BOOTTIME and RAW: they are one here. Never runs backwards.
  [[nodiscard]] uint64_t now() const { return boot_ + elapsed(); }
  [[nodiscard]] uint64_t real() const { return wall_ + now(); }
  /// Since the job's start, jumps included.
  [[nodiscard]] uint64_t elapsed() const { return spent() + skipped_; }
  /// Of the host's, since the job's start.
  [[nodiscard]] uint64_t spent() const {
    const uint64_t host = host_ns_();
    return host > start_ ? host - start_ : 0;
  }
  [[nodiscard]] uint64_t host_ns() const { return host_ns_(); }
  /// Jumps to `when` of now(), if that is ahead.
  void skip_to(uint64_t when) {
    const uint64_t at = now();
    if (when > at) skipped_ += when - at;
  }
  void set_real(uint64_t ns) { wall_ = ns - now(); }
  [[nodiscard]] uint64_t boot_ns() const { return boot_; }
  /// now() for a time of CLOCK_REALTIME; 0 for what is past.
  [[nodiscard]] uint64_t from_real(uint64_t ns) const { return ns > wall_ ? ns - wall_ : 0; }

 private:
  std::function<uint64_t()> host_ns_;
  uint64_t start_, boot_, wall_;
  uint64_t skipped_ = 0;
};

}  // namespace shrike::sandbox::microvm
