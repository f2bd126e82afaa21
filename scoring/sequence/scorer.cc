#include "scoring/sequence/scorer.h"

#include <array>

namespace shrike::scoring::sequence {

double combine(double set_distance, double surprise) {
  const double distance = set_distance + 0.02;
  return distance * distance * (surprise + 0.05);
}

Scorer::Scorer(const Profile& profile) : automaton_(profile.ngrams()), sets_(profile.sets()) {}

Score Scorer::score(std::span<const Call> trace) {
  if (trace.empty()) return {};
  histogram_.clear();
  // A byte for each call: a store that depends on no load, unlike setting a bit.
  std::array<uint8_t, call_limit> had{};
  uint32_t state = Automaton::start;
  for (const Call call : trace) {
    had[call] = 1;
    histogram_.add(automaton_.step(state, call));
  }
  CallSet calls;
  for (size_t call = 0; call < call_limit; ++call) calls[call] = had[call] != 0;
  Score score;
  score.set_distance = sets_.distance(calls);
  score.surprise = histogram_.mean_of_upper_half();
  score.combined = combine(score.set_distance, score.surprise);
  return score;
}

}  // namespace shrike::scoring::sequence
