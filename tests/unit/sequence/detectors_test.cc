#include <gtest/gtest.h>

#include <cmath>

#include "scoring/sequence/call_sets.h"
#include "scoring/sequence/scorer.h"
#include "tests/unit/sequence/traces.h"

namespace shrike::scoring::sequence {
namespace {

CallSet calls(std::initializer_list<Call> list) { return set_of(std::vector<Call>(list)); }

TEST(SurpriseHistogram, MeansTheLargerHalf) {
  SurpriseHistogram histogram;
  EXPECT_EQ(histogram.mean_of_upper_half(), 0);
  const double half_bin = 1.0 / 64;
  histogram.add(256);  // 1 nat
  EXPECT_DOUBLE_EQ(histogram.mean_of_upper_half(), 1 + half_bin);
  histogram.add(768);
  EXPECT_DOUBLE_EQ(histogram.mean_of_upper_half(), 3 + half_bin);
  histogram.add(512);
  EXPECT_DOUBLE_EQ(histogram.mean_of_upper_half(), 2.5 + half_bin);
  histogram.add(1'000'000);
  EXPECT_DOUBLE_EQ(histogram.mean_of_upper_half(), (3 + half_bin + 32 - half_bin) / 2);
  histogram.clear();
  EXPECT_EQ(histogram.count(), 0u);
}

TEST(SetIndex, KnowsWhatItWasShownAndNothingElse) {
  KnownSets known;
  known.add(calls({1, 2, 3}), 1, 0);
  known.add(calls({2, 3}), 1, 0);
  const SetIndex index(known);
  EXPECT_DOUBLE_EQ(index.distance(calls({1, 2, 3})), 0);
  EXPECT_DOUBLE_EQ(index.distance(calls({2, 3})), 0);
  EXPECT_DOUBLE_EQ(index.distance(calls({7, 8})), 1);
  EXPECT_DOUBLE_EQ(index.distance({}), 0);
  EXPECT_DOUBLE_EQ(SetIndex(KnownSets()).distance(calls({1})), 1);
}

TEST(SetIndex, DistanceIsTverskysWithRareCallsWeighingMore) {
  KnownSets known;
  known.add(calls({1, 2}), 3, 0);
  known.add(calls({2, 9}), 1, 0);
  // Four traces: 1 in three of them, 2 in all, 9 in one, 5 in none; weights in steps of 1/256.
  const auto weight = [](double with) { return std::lround(256 * (1 + std::log(5 / (with + 1)))); };
  const auto w1 = static_cast<float>(weight(3)), w2 = static_cast<float>(weight(4)), w5 = static_cast<float>(weight(0));
  const SetIndex index(known);
  // {2, 5}: nearest is {1, 2}, since what {2, 9} has in addition is rarer.
  EXPECT_NEAR(index.distance(calls({2, 5})), 1 - w2 / (w2 + w5 + 3 * w1), 1e-6);
  // {1}: 2 is missing.
  EXPECT_NEAR(index.distance(calls({1})), 1 - w1 / (w1 + 3 * w2), 1e-6);
  EXPECT_NEAR(index.distance(calls({1, 2}), 0), 1 - w2 / (w1 + w2 + 3 * static_cast<float>(weight(1))), 1e-6);
}

TEST(SetIndex, SearchesMoreSetsThanFitItsBlock) {
  KnownSets known;
  for (Call i = 0; i < 1020; ++i) {
    for (Call j = 1; j < 4; ++j) known.add(calls({i, static_cast<Call>(i + j)}), 1, 0);
  }
  ASSERT_EQ(known.sets().size(), 3060u);
  const SetIndex index(known);
  for (size_t i = 0; i < known.sets().size(); i += 97) {
    EXPECT_DOUBLE_EQ(index.distance(known.sets()[i].calls), 0);
    EXPECT_GT(index.distance(known.sets()[i].calls, i), 0);
  }
}

TEST(KnownSets, RefusesAndCountsWhatIsAboveItsLimit) {
  KnownSets known(2);
  known.add(calls({1}), 1, 0);
  known.add(calls({2}), 1, 0);
  known.add(calls({3}), 1, 0);
  known.add(calls({1}), 1, 0);
  EXPECT_EQ(known.sets().size(), 2u);
  EXPECT_EQ(known.refused(), 1u);
  EXPECT_EQ(known.traces(), 4u);
}

TEST(KnownSets, CountsDoNotWrapAround) {
  KnownSets known;
  known.add(calls({1}), 0xfffffff0, 0);
  known.add(calls({1}), 0xfffffff0, 0);
  EXPECT_EQ(known.traces(), 0xffffffffu);
  EXPECT_EQ(known.traces_with(1), 0xffffffffu);
  EXPECT_EQ(known.sets()[0].count, 0xffffffffu);
}

Profile usual() {
  Profile profile;
  for (unsigned seed = 0; seed < 40; ++seed) profile.learn(program_trace(seed));
  return profile;
}

TEST(Scorer, IsTheProductOfBothDetectors) {
  EXPECT_DOUBLE_EQ(combine(0.48, 1.95), 0.25 * 2);
  Scorer scorer(usual());
  const Score score = scorer.score(random_traces(1, 50, 300, 1).front());
  EXPECT_DOUBLE_EQ(score.combined, combine(score.set_distance, score.surprise));
}

TEST(Scorer, OfAnEmptyTraceIsNothing) {
  Scorer scorer(usual());
  EXPECT_EQ(scorer.score({}).combined, 0);
}

TEST(Scorer, RisesWithWhatIsForeign) {
  Scorer scorer(usual());
  const double known = scorer.score(program_trace(3)).combined;
  const double similar = scorer.score(program_trace(1000)).combined;
  auto foreign = program_trace(1000);
  double before = similar;
  EXPECT_LE(known, similar);
  for (const size_t share : {8, 4, 2, 1}) {
    foreign = program_trace(1000);
    for (size_t i = 0; i < foreign.size(); i += share) foreign[i] = static_cast<Call>(300 + i % 7);
    const double score = scorer.score(foreign).combined;
    EXPECT_GT(score, before) << "every " << share << "th call is foreign";
    before = score;
  }
}

TEST(Scorer, SaysTheSameOfTheSameInput) {
  Scorer one(usual()), two(usual());
  for (const auto& trace : random_traces(20, 100, 250, 5)) {
    const Score a = one.score(trace), b = two.score(trace), c = one.score(trace);
    EXPECT_EQ(a.combined, b.combined);
    EXPECT_EQ(a.combined, c.combined);
  }
}

TEST(Scorer, TakesEveryCallThereIs) {
  Scorer scorer(usual());
  std::vector<Call> all;
  for (size_t call = 0; call < call_limit; ++call) all.push_back(static_cast<Call>(call));
  EXPECT_GT(scorer.score(all).combined, 0.5);
}

}  // namespace
}  // namespace shrike::scoring::sequence
