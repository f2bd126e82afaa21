#pragma once
// Times as the program gives and gets them, in nanoseconds inside. Nothing overflows: what is too long is for ever.

#include <sys/time.h>

#include <ctime>

#include "sandbox/microvm/kernel/user_memory.h"
#include "sandbox/microvm/kernel/virtual_clock.h"

namespace shrike::sandbox::microvm {

inline constexpr uint64_t second_ns = 1'000'000'000;
inline constexpr uint64_t for_ever_ns = uint64_t{1} << 62;

/// -EINVAL: negative, or nanoseconds out of range.
inline int64_t duration_of(const struct ::timespec& time, uint64_t& ns) {
  if (time.tv_sec < 0 || time.tv_nsec < 0 || time.tv_nsec >= 1'000'000'000) return -EINVAL;
  const auto seconds = static_cast<uint64_t>(time.tv_sec);
  ns = seconds >= for_ever_ns / second_ns ? for_ever_ns : seconds * second_ns + static_cast<uint64_t>(time.tv_nsec);
  return 0;
}

/// Of a timespec in memory: -EFAULT, -EINVAL.
inline int64_t read_duration(const UserMemory& memory, uint64_t address, uint64_t& ns) {
  struct ::timespec time {};
  return memory.get(address, time) ? duration_of(time, ns) : -EFAULT;
}

/// The same of a timeval.
inline int64_t duration_of(const struct ::timeval& time, uint64_t& ns) {
  if (time.tv_usec < 0 || time.tv_usec >= 1'000'000) return -EINVAL;
  return duration_of(timespec{time.tv_sec, time.tv_usec * 1000}, ns);
}

inline uint64_t deadline_in(const VirtualClock& clock, uint64_t ns) { return clock.now() + ns; }

inline struct ::timespec timespec_of(uint64_t ns) {
  return {static_cast<time_t>(ns / second_ns), static_cast<long>(ns % second_ns)};
}
inline struct ::timeval timeval_of(uint64_t ns) {
  return {static_cast<time_t>(ns / second_ns), static_cast<suseconds_t>(ns % second_ns / 1000)};
}

}  // namespace shrike::sandbox::microvm
