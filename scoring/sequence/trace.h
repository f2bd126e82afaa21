#pragma once
// What the detectors judge: the numbers of one program's system calls, in their order.

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace shrike::scoring::sequence {

/// Number of a system call; 512 and above are free for what joins the sequence without one (io_uring's operations).
using Call = uint16_t;
/// Calls are below this: ten bits, so that the kernel half packs six into one word.
inline constexpr size_t call_limit = 1024;

/// Longest trace taken, in calls: 8 MiB of memory.
inline constexpr size_t max_trace_calls = 4u << 20;
/// Longest name of a trace, in bytes.
inline constexpr size_t max_trace_name = 4096;

struct Trace {
  std::string name;
  std::vector<Call> calls;
};

}  // namespace shrike::scoring::sequence
