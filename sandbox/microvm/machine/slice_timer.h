#pragma once

#include <cstdint>
#include <ctime>

#include "common/base/result.h"

namespace shrike::sandbox::microvm {

/// Sets a byte to one after a time, by a signal to the thread that made the timer: a system call of that thread's ends.
class SliceTimer {
 public:
  /// `flag` must outlive the timer. Errors: errno of sigaction or timer_create.
  static Result<SliceTimer> create(uint8_t* flag);
  SliceTimer(SliceTimer&& other) noexcept;
  SliceTimer& operator=(SliceTimer&& other) noexcept;
  ~SliceTimer();

  /// Clears the flag and begins; 0: never. Only the thread that made it may call this. Errors: errno of timer_settime.
  Result<void> start(uint64_t ns);
  /// No signal comes from now on.
  void stop();

 private:
  SliceTimer(timer_t timer, uint8_t* flag) : timer_(timer), flag_(flag) {}
  timer_t timer_;
  uint8_t* flag_;  // null: moved from
};

}  // namespace shrike::sandbox::microvm
