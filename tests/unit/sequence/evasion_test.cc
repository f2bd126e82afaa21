// What someone who knows the detectors can do, and what it costs them: each test says what is caught and what is not.
#include <gtest/gtest.h>

#include "scoring/sequence/calibration.h"
#include "scoring/sequence/scorer.h"
#include "tests/unit/sequence/traces.h"

namespace shrike::scoring::sequence {
namespace {

class Evasion : public testing::Test {
 protected:
  Evasion() {
    for (unsigned seed = 0; seed < 200; ++seed) traces_.push_back({"t", program_trace(seed)});
    for (const Trace& trace : traces_) profile_.learn(trace.calls);
    past_ = profile_.leave_one_out(traces_);
  }
  double p_value(const std::vector<Call>& trace) const {
    return Calibration(past_).p_value(static_cast<float>(Scorer(profile_).score(trace).combined));
  }
  // What an intruder runs inside the program: a shell's beginning.
  static std::vector<Call> attack() {
    return {102, 63, 63, 63, 11, 45, 33,  192, 33,  5, 197, 192, 6, 5,
            3,   64, 49, 50, 54, 54, 175, 174, 174, 2, 7,   114, 60};
  }
  // The attack in the middle of `times` as many usual calls.
  static std::vector<Call> padded(size_t times) {
    std::vector<Call> trace = program_trace(900, times * attack().size() / 7);
    const auto calls = attack();
    trace.insert(trace.begin() + static_cast<std::ptrdiff_t>(trace.size() / 2), calls.begin(), calls.end());
    return trace;
  }

  std::vector<Trace> traces_;
  Profile profile_;
  std::vector<float> past_;
};

TEST_F(Evasion, AnAttackAloneIsFarOutInTheTail) { EXPECT_LT(p_value(attack()), 0.005); }

TEST_F(Evasion, PaddingWithUsualCallsDoesNotHideNewKindsOfCalls) {
  EXPECT_LT(p_value(padded(1)), 0.01);
  EXPECT_LT(p_value(padded(4)), 0.01);
}

TEST_F(Evasion, PaddingThinsTheSurpriseAsItGrows) {
  Scorer scorer(profile_);
  double before = scorer.score(attack()).surprise;
  for (const size_t times : {1, 4, 16}) {
    const double now = scorer.score(padded(times)).surprise;
    EXPECT_LT(now, before);
    before = now;
  }
}

TEST_F(Evasion, AWholeNormalTraceHidesAnOddOrderOfItsOwnCalls) {
  // Nothing of a new kind, only an order the program never has; alone it is far out.
  std::vector<Call> odd;
  for (int i = 0; i < 12; ++i) odd.insert(odd.end(), {252, 11, 168, 45, 78});
  const double alone = Scorer(profile_).score(odd).combined;
  std::vector<Call> hidden = program_trace(7, 200);
  const double cover = Scorer(profile_).score(hidden).combined;
  hidden.insert(hidden.begin() + 300, odd.begin(), odd.end());
  EXPECT_LT(Scorer(profile_).score(hidden).combined, alone / 10);
  EXPECT_LT(p_value(odd), 0.005);
  EXPECT_GT(Scorer(profile_).score(hidden).combined, cover);
  // Each run of six that is new stays new, whatever is around it: what a live watcher counts.
  const auto unknown = [&](const std::vector<Call>& trace) {
    size_t count = 0;
    for (size_t i = 0; i + 6 <= trace.size(); ++i) count += !profile_.knows(std::span(trace).subspan(i, 6));
    return count;
  };
  EXPECT_GE(unknown(hidden), unknown(odd));
  EXPECT_GT(unknown(odd), 50u);
}

TEST_F(Evasion, KnownCallsInKnownOrderAreNotFound) {
  // Mimicry: an attack made only of what the program does anyway looks like the program. Rules have to see its effect.
  EXPECT_GT(p_value(program_trace(5)), 0.05);
}

TEST_F(Evasion, OneLongPoisonedTraceWeighsNoMoreThanAnyOther) {
  Profile once = profile_, thousandfold = profile_;
  const auto calls = attack();
  std::vector<Call> repeated;
  for (int i = 0; i < 1000; ++i) repeated.insert(repeated.end(), calls.begin(), calls.end());
  once.learn(calls);
  thousandfold.learn(repeated);
  EXPECT_EQ(once.ngrams().node(once.ngrams().find(std::vector<Call>{63, 63, 11})).count, 1u);
  EXPECT_EQ(thousandfold.ngrams().node(thousandfold.ngrams().find(std::vector<Call>{63, 63, 11})).count, 1u);
}

TEST_F(Evasion, OncePoisonedTheSameAttackIsKnown) {
  // Learning believes what it sees: whoever is in while it learns stays unseen. Only age, a merge with clean nodes'
  // profiles and rules help.
  Profile poisoned = profile_;
  poisoned.learn(attack());
  EXPECT_LT(Scorer(poisoned).score(attack()).combined, Scorer(profile_).score(attack()).combined / 10);
  poisoned.next_epoch();
  for (const Trace& trace : traces_) poisoned.learn(trace.calls);
  poisoned.forget(1);
  const double aged = Scorer(poisoned).score(attack()).combined;
  EXPECT_GT(aged, Scorer(profile_).score(attack()).combined * 0.9);
}

TEST_F(Evasion, AFloodOfNewNgramsEndsAtTheLimit) {
  Profile flooded(Profile::Limits{.ngrams = 20000, .sets = 50});
  for (const Trace& trace : traces_) flooded.learn(trace.calls);
  const std::string before = flooded.save();
  for (const auto& storm : random_traces(100, 1000, 1024, 3)) flooded.learn(storm);
  EXPECT_LE(flooded.ngrams().size(), 20001u);
  EXPECT_GT(flooded.refused(), 0u);
  EXPECT_LT(flooded.save().size(), before.size() + 20000 * 8);
}

}  // namespace
}  // namespace shrike::scoring::sequence
