#include "scoring/sequence/calibration.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <random>

namespace shrike::scoring::sequence {
namespace {

std::vector<float> uniform(size_t count, unsigned seed, float from = 0, float to = 1) {
  std::mt19937 random(seed);
  std::uniform_real_distribution<float> draw(from, to);
  std::vector<float> scores;
  for (size_t i = 0; i < count; ++i) scores.push_back(draw(random));
  return scores;
}

double alarms(Calibration& calibration, const std::vector<float>& scores, double at) {
  size_t count = 0;
  for (const float score : scores) count += calibration.add(score) <= at;
  return static_cast<double>(count) / static_cast<double>(scores.size());
}

TEST(Calibration, PValueIsTheShareThatIsAsHigh) {
  const Calibration calibration(std::vector<float>{1, 2, 3, 3, 4});
  EXPECT_DOUBLE_EQ(calibration.p_value(0), 1);
  EXPECT_DOUBLE_EQ(calibration.p_value(3), 4.0 / 6);
  EXPECT_DOUBLE_EQ(calibration.p_value(3.5), 2.0 / 6);
  EXPECT_DOUBLE_EQ(calibration.p_value(9), 1.0 / 6);
  EXPECT_DOUBLE_EQ(Calibration({}).p_value(9), 1);
}

TEST(Calibration, NeverRisesWithTheScore) {
  const Calibration calibration(uniform(500, 1));
  double before = 1;
  for (float score = -1; score < 50; score += 0.01f) {
    const double p = calibration.p_value(score);
    EXPECT_LE(p, before);
    EXPECT_GT(p, 0);
    before = p;
  }
}

TEST(Calibration, OfMoreOfTheSameRaisesAsManyAlarmsAsItSays) {
  Calibration calibration(uniform(2000, 2));
  const auto stream = uniform(20000, 3);
  EXPECT_NEAR(alarms(calibration, stream, 0.05), 0.05, 0.005);
}

TEST(Calibration, FollowsAProgramThatChanges) {
  Calibration calibration(uniform(2000, 4));
  // All scores rise by half: with a fixed threshold every second would be an alarm for ever.
  alarms(calibration, uniform(40000, 5, 0.5, 1.5), 0.05);
  EXPECT_NEAR(alarms(calibration, uniform(10000, 6, 0.5, 1.5), 0.05), 0.05, 0.01);
}

TEST(Calibration, DoesNotTakeABurstForTheUsual) {
  Calibration calibration(uniform(2000, 7));
  size_t seen = 0;
  for (int i = 0; i < 500; ++i) seen += calibration.add(5 + static_cast<float>(i % 10)) <= 0.01;
  EXPECT_GT(seen, 490u);
  const auto past = calibration.past();
  EXPECT_LE(std::count_if(past.begin(), past.end(), [](float score) { return score > 2; }), 15);
}

// The share of attacks with p at most 0.05, when one score in `one_in` of a stream is an attack's.
double caught(size_t stream, unsigned one_in) {
  Calibration calibration(uniform(2000, 8));
  std::mt19937 random(9);
  size_t found = 0, attacks = 0;
  for (const float score : uniform(stream, 10)) {
    if (random() % one_in == 0) {
      ++attacks;
      found += calibration.add(3 + score) <= 0.05;
    } else {
      calibration.add(score);
    }
  }
  return static_cast<double>(found) / static_cast<double>(attacks);
}

TEST(Calibration, IsRobustToAShareOfAttacks) {
  EXPECT_GT(caught(20000, 25), 0.99) << "4 % for ever";
  EXPECT_GT(caught(1000, 10), 0.9) << "10 % for half a window";
  // What comes that often for ever is taken for the program: the price of following one that changes.
  EXPECT_LT(caught(20000, 5), 0.5) << "20 % for ten windows";
}

TEST(Calibration, KeepsNoMoreThanItsWindow) {
  Calibration calibration(uniform(10000, 11));
  alarms(calibration, uniform(10000, 12), 0.05);
  EXPECT_EQ(calibration.past().size(), Calibration::window);
}

TEST(Calibration, PassesOverWhatIsNoNumber) {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  Calibration calibration(std::vector<float>{1, nan, 2});
  EXPECT_EQ(calibration.past().size(), 2u);
  EXPECT_DOUBLE_EQ(calibration.add(nan), 1);
  EXPECT_EQ(calibration.past().size(), 2u);
  EXPECT_GT(calibration.add(std::numeric_limits<float>::infinity()), 0);
}

TEST(Calibration, GoesOnFromItsPast) {
  Calibration one(uniform(3000, 13));
  alarms(one, uniform(1000, 14), 0.05);
  const Calibration two(one.past());
  for (const float score : uniform(100, 15)) EXPECT_EQ(one.p_value(score), two.p_value(score));
}

}  // namespace
}  // namespace shrike::scoring::sequence
