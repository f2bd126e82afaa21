#pragma once

#include <span>

#include "scoring/sequence/automaton.h"
#include "scoring/sequence/call_sets.h"
#include "scoring/sequence/profile.h"

namespace shrike::scoring::sequence {

/// How unlike its program's profile a trace is.
struct Score {
  double set_distance = 0;  ///< of its distinct calls to the nearest known set: 0 known, 1 nothing in common
  double surprise = 0;      ///< mean of the larger half of its calls' surprises, in nats
  double combined = 0;      ///< of both; higher is more suspicious
};

/// Both detectors as one figure: (distance + 0.02)^2 * (surprise + 0.05), for empty traces 0. A product, because each
/// is wrong about other traces: threads that interleave are surprising yet do known things, a loop of three usual calls
/// surprises nobody yet lacks what the program always does. The constants keep one that is 0 from hiding the other.
/// That the set weighs more, and lacking calls thrice, is what telling groups of similar normal traces from all others
/// wants.
double combine(double set_distance, double surprise);

/// Scores traces against a profile as it was when the scorer was made. Keeps working space: one for each thread.
class Scorer {
 public:
  /// Cost: about 0.5 us for each n-gram of the profile.
  explicit Scorer(const Profile& profile);

  /// Cost: about 15 ns a call and 2 us a trace. Calls must be below call_limit.
  Score score(std::span<const Call> trace);

  [[nodiscard]] const Automaton& automaton() const { return automaton_; }
  [[nodiscard]] const SetIndex& sets() const { return sets_; }

 private:
  Automaton automaton_;
  SetIndex sets_;
  SurpriseHistogram histogram_;
};

}  // namespace shrike::scoring::sequence
