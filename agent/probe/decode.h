#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

#include "common/base/result.h"
#include "common/wire/event.h"

namespace shrike::probe {

/// Kernel records to events. Not thread-safe: it owns the room for the paths it puts together.
class Decoder {
 public:
  /// `wall_offset_ns`: what to add to CLOCK_BOOTTIME to get wall time (common/base/clock.h, or a capture's header).
  explicit Decoder(int64_t wall_offset_ns);

  /// Fills all of `event` from one record. Its views point into `record` and into this decoder: they hold until the
  /// record is gone or the next decode(). Paths become absolute where the kernel told what they are relative to, and
  /// lexically normalised; a path that cannot be made absolute leaves full_path empty. A path that the kernel could
  /// not read has `fault` set.
  /// Errors (event is then in no defined state): shorter than the fixed part, longer than SHRIKE_RECORD_MAX, a size
  /// field that is not the number of bytes given, an unknown kind, a text that reaches outside the record.
  /// Cost: about 50 ns, no allocation.
  Result<void> decode(std::span<const std::byte> record, Event& event);

  /// For a clock that was set: from now on events get this offset.
  void set_wall_offset(int64_t wall_offset_ns) { wall_offset_ns_ = wall_offset_ns; }
  [[nodiscard]] int64_t wall_offset() const { return wall_offset_ns_; }

 private:
  int64_t wall_offset_ns_;
  std::unique_ptr<char[]> scratch_;
};

}  // namespace shrike::probe
