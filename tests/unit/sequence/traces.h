#pragma once
// Traces for tests, the same at each run.

#include <random>
#include <vector>

#include "scoring/sequence/trace.h"

namespace shrike::scoring::sequence {

/// `count` traces of `length` calls below `calls`.
inline std::vector<std::vector<Call>> random_traces(size_t count, size_t length, unsigned calls, unsigned seed) {
  std::mt19937 random(seed);
  std::vector<std::vector<Call>> traces(count);
  for (auto& trace : traces) {
    for (size_t i = 0; i < length; ++i) trace.push_back(static_cast<Call>(random() % calls));
  }
  return traces;
}

/// A program of its own: rounds of a few fixed runs of calls in an order that changes. `base` moves its calls.
inline std::vector<Call> program_trace(unsigned seed, size_t rounds = 40, Call base = 0) {
  static const std::vector<std::vector<Call>> runs{
      {5, 3, 3, 6}, {102, 4, 4}, {192, 197, 6, 91}, {78, 168, 142}, {45, 45}};
  std::mt19937 random(seed);
  std::vector<Call> trace{11, 45, 33, 192};
  for (size_t i = 0; i < rounds; ++i) {
    const auto& run = runs[random() % runs.size()];
    trace.insert(trace.end(), run.begin(), run.end());
  }
  trace.push_back(252);
  for (Call& call : trace) call = static_cast<Call>(call + base);
  return trace;
}

}  // namespace shrike::scoring::sequence
