#include "scoring/sequence/ngrams.h"

#include <gtest/gtest.h>

#include <random>

#include "scoring/sequence/automaton.h"
#include "tests/unit/sequence/traces.h"

namespace shrike::scoring::sequence {
namespace {

NgramCounts counts_of(const std::vector<std::vector<Call>>& traces) {
  NgramCounts counts;
  for (const auto& trace : traces) counts.add(trace, 0);
  return counts;
}

uint32_t count(const NgramCounts& counts, std::vector<Call> ngram) {
  const uint32_t at = counts.find(ngram);
  return at == NgramCounts::none ? 0 : counts.node(at).count;
}

TEST(NgramCounts, CountsAnNgramOnceForEachTrace) {
  const NgramCounts counts = counts_of({{1, 2, 1, 2, 1, 2}, {1, 2}, {2}});
  EXPECT_EQ(count(counts, {1}), 2u);
  EXPECT_EQ(count(counts, {2}), 3u);
  EXPECT_EQ(count(counts, {1, 2}), 2u);
  EXPECT_EQ(count(counts, {2, 1}), 1u);
  EXPECT_EQ(count(counts, {3}), 0u);
}

TEST(NgramCounts, KeepsNothingLongerThanItsOrder) {
  const NgramCounts counts = counts_of({{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12}});
  EXPECT_EQ(count(counts, {2, 3, 4, 5, 6, 7, 8, 9, 10, 11}), 1u);
  EXPECT_EQ(count(counts, {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11}), 0u);
}

TEST(NgramCounts, ProbabilityIsInterpolatedWittenBell) {
  // Root: 1 in two traces, 2 in two, 3 in one: total 5, three kinds. After 1: 2 twice, 3 once: total 3, two kinds.
  const NgramCounts counts = counts_of({{1, 2}, {1, 2, 1, 3}});
  const double uniform = 1.0 / call_limit;
  const double p2 = (2 + 3 * uniform) / (5 + 3);
  const double p3 = (1 + 3 * uniform) / (5 + 3);
  const double p9 = (0 + 3 * uniform) / (5 + 3);
  ActiveNodes active;
  EXPECT_DOUBLE_EQ(counts.probability(active.nodes(), 2), p2);
  active.push(counts, 1);
  EXPECT_DOUBLE_EQ(counts.probability(active.nodes(), 2), (2 + 2 * p2) / (3 + 2));
  EXPECT_DOUBLE_EQ(counts.probability(active.nodes(), 3), (1 + 2 * p3) / (3 + 2));
  EXPECT_DOUBLE_EQ(counts.probability(active.nodes(), 9), 2 * p9 / (3 + 2));
}

TEST(NgramCounts, ProbabilitiesOfAllCallsAddUpToOne) {
  const NgramCounts counts = counts_of(random_traces(20, 100, 12, 1));
  ActiveNodes active;
  const auto trace = random_traces(1, 50, 12, 2).front();
  for (const Call call : trace) {
    double sum = 0;
    for (size_t next = 0; next < call_limit; ++next) {
      sum += counts.probability(active.nodes(), static_cast<Call>(next));
    }
    EXPECT_NEAR(sum, 1, 1e-9);
    active.push(counts, call);
  }
}

TEST(NgramCounts, LeavingATraceOutIsAsNeverHavingLearntIt) {
  auto traces = random_traces(10, 60, 6, 3);
  NgramCounts all = counts_of(traces);
  const auto left_out = traces.back();
  traces.pop_back();
  const NgramCounts others = counts_of(traces);
  NgramCounts without = all;
  without.remove(left_out);
  ActiveNodes a, b;
  for (const Call call : left_out) {
    EXPECT_DOUBLE_EQ(without.probability(a.nodes(), call), others.probability(b.nodes(), call));
    a.push(without, call);
    b.push(others, call);
  }
  without.restore(left_out);
  for (uint32_t i = 0; i < all.size(); ++i) {
    EXPECT_EQ(without.node(i).count, all.node(i).count);
    EXPECT_EQ(without.node(i).total, all.node(i).total);
    EXPECT_EQ(without.node(i).kinds, all.node(i).kinds);
  }
}

TEST(NgramCounts, RefusesAndCountsWhatIsAboveItsLimit) {
  NgramCounts counts(100);
  for (const auto& trace : random_traces(50, 200, 500, 4)) counts.add(trace, 0);
  EXPECT_LE(counts.size(), 101u);
  EXPECT_GT(counts.refused(), 0u);
  // And what is kept can still be judged by.
  ActiveNodes active;
  const auto trace = random_traces(1, 200, 500, 5).front();
  for (const Call call : trace) {
    const double p = counts.probability(active.nodes(), call);
    EXPECT_GT(p, 0);
    EXPECT_LE(p, 1);
    active.push(counts, call);
  }
}

TEST(NgramCounts, MergingIsAsLearningBoth) {
  const auto a = random_traces(10, 80, 8, 6), b = random_traces(10, 80, 8, 7);
  NgramCounts merged = counts_of(a);
  merged.merge(counts_of(b), 0);
  auto both = a;
  both.insert(both.end(), b.begin(), b.end());
  const NgramCounts learnt = counts_of(both);
  ASSERT_EQ(merged.size(), learnt.size());
  for (const auto& trace : both) {
    for (size_t from = 0; from + 5 <= trace.size(); ++from) {
      const std::vector<Call> ngram(trace.begin() + from, trace.begin() + from + 5);
      EXPECT_EQ(count(merged, ngram), count(learnt, ngram));
    }
  }
}

TEST(NgramCounts, ForgetsWhatWasNotSeenSinceAnEpoch) {
  NgramCounts counts;
  counts.add(std::vector<Call>{1, 2, 3}, 1);
  counts.add(std::vector<Call>{1, 2, 4}, 2);
  const NgramCounts kept = counts.since(2);
  EXPECT_EQ(count(kept, {1, 2, 3}), 0u);
  EXPECT_EQ(count(kept, {3}), 0u);
  EXPECT_EQ(count(kept, {1, 2, 4}), 1u);
  EXPECT_EQ(count(kept, {1, 2}), 2u);
}

TEST(NgramCounts, PutRefusesCountsThatContradictTheParent) {
  NgramCounts counts;
  ASSERT_TRUE(counts.put(NgramCounts::root, 1, 3, 0));
  const uint32_t one = counts.find(std::vector<Call>{1});
  EXPECT_FALSE(counts.put(one, 2, 4, 0));
  EXPECT_TRUE(counts.put(one, 2, 3, 0));
  EXPECT_FALSE(counts.put(one, 3, 0, 0));
  EXPECT_FALSE(counts.put(12345, 3, 1, 0));
  EXPECT_FALSE(counts.put(one, call_limit, 1, 0));
}

// What the automaton says may differ by the rounding of each fall-back, half a step.
void expect_agreement(const NgramCounts& counts, const std::vector<std::vector<Call>>& traces) {
  const Automaton automaton(counts);
  for (const auto& trace : traces) {
    ActiveNodes active;
    uint32_t state = Automaton::start;
    for (const Call call : trace) {
      const double expected = -std::log(counts.probability(active.nodes(), call)) * surprise_steps;
      EXPECT_NEAR(automaton.step(state, call), expected, 6);
      active.push(counts, call);
    }
  }
}

TEST(Automaton, AgreesWithTheCountsItIsMadeFrom) {
  const auto known = random_traces(30, 120, 7, 8);
  const NgramCounts counts = counts_of(known);
  expect_agreement(counts, known);
  expect_agreement(counts, random_traces(30, 120, 9, 9));
  expect_agreement(counts, random_traces(5, 50, 1024, 10));
}

TEST(Automaton, AgreesWhereNgramsWereRefusedOrTakenOut) {
  NgramCounts small(300);
  const auto traces = random_traces(30, 120, 20, 11);
  for (const auto& trace : traces) small.add(trace, 0);
  const Automaton automaton(small);
  uint32_t state = Automaton::start;
  for (const Call call : traces.back()) {
    EXPECT_LT(automaton.step(state, call), 0xffffu * NgramCounts::order);
    EXPECT_LT(state, automaton.states());
  }
  NgramCounts counts = counts_of(traces);
  counts.remove(traces.back());
  expect_agreement(counts, traces);
}

TEST(Automaton, OfNothingFindsEveryCallEquallySurprising) {
  const NgramCounts counts;
  const Automaton automaton(counts);
  uint32_t state = Automaton::start;
  EXPECT_EQ(automaton.step(state, 0), automaton.step(state, 1023));
}

TEST(Automaton, RemembersOnlyTheLastNineCalls) {
  const auto known = random_traces(20, 200, 3, 12);
  const NgramCounts counts = counts_of(known);
  const Automaton automaton(counts);
  const auto tail = random_traces(1, 9, 3, 13).front();
  uint32_t a = Automaton::start, b = Automaton::start;
  for (const Call call : known[0]) automaton.step(a, call);
  for (const Call call : tail) automaton.step(a, call), automaton.step(b, call);
  EXPECT_EQ(a, b);
}

}  // namespace
}  // namespace shrike::scoring::sequence
