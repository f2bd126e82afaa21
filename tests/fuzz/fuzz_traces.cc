// Traces of system calls as text.
//
// Threat model: `shrike score` reads files that others wrote, and a trace's name and calls are what a watched program
// chose. Whatever the bytes, and in whatever pieces they come, the reader gives the same traces or the same error with
// a place, needs memory for the calls only, and what it gives can be learnt and scored.
//
// link: shrike_sequence shrike_wire
#include <cstdint>
#include <cstdlib>

#include "scoring/sequence/calibration.h"
#include "scoring/sequence/scorer.h"
#include "scoring/sequence/trace_reader.h"

namespace {

using namespace shrike;
using namespace shrike::scoring::sequence;

Result<std::vector<Trace>> read(std::string_view text, CallNotation notation, size_t piece) {
  TraceReader reader("fuzz", notation);
  std::vector<Trace> traces;
  while (!text.empty()) {
    std::string_view part = text.substr(0, piece);
    text.remove_prefix(part.size());
    while (!part.empty()) {
      auto trace = reader.next(part);
      if (!trace.ok()) return trace.error();
      if (*trace) traces.push_back(std::move(**trace));
    }
  }
  auto last = reader.finish();
  if (!last.ok()) return last.error();
  if (*last) traces.push_back(std::move(**last));
  return traces;
}

void check(bool condition) {
  if (!condition) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 1 || size > 20000) return 0;
  const std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
  const auto notation = data[0] % 2 == 0 ? CallNotation::numbers : CallNotation::names;
  const auto whole = read(text, notation, SIZE_MAX);
  const auto parts = read(text, notation, 1 + data[0] / 2);
  check(whole.ok() == parts.ok());
  if (!whole.ok()) {
    check(whole.error().message == parts.error().message);
    check(whole.error().message.starts_with("fuzz:"));
    return 0;
  }
  check(whole->size() == parts->size());
  Profile profile;
  for (const Trace& trace : *whole) profile.learn(trace.calls);
  Calibration calibration(profile.leave_one_out(*whole));
  Scorer scorer(profile);
  for (const Trace& trace : *parts) {
    const Score score = scorer.score(trace.calls);
    check(score.combined >= 0 && score.combined < 100);
    check(score.set_distance == 0);  // it was learnt
    const double p = calibration.add(static_cast<float>(score.combined));
    check(p > 0 && p <= 1);
  }
  return 0;
}
