// The figures on ADFA-LD that must hold. The data is no part of the project: SHRIKE_DATA says where it is.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <set>

#include "common/base/file.h"
#include "scoring/sequence/calibration.h"
#include "scoring/sequence/scorer.h"
#include "scoring/sequence/trace_reader.h"
#include "tests/data.h"
#include "tests/require.h"

namespace shrike::scoring::sequence {
namespace {

std::string data(const std::string& file) { return shrike::test::data_folder() / "adfa-ld" / file; }

std::vector<Trace> traces_of(const std::string& file) {
  const std::string text = read_file(data(file)).value();
  TraceReader reader(file);
  std::vector<Trace> traces;
  for (std::string_view rest = text; !rest.empty();) {
    if (auto trace = reader.next(rest).value()) traces.push_back(std::move(*trace));
  }
  return traces;
}

// The chance that an attack scores higher than a normal trace.
double area(const std::vector<double>& normal, const std::vector<double>& attack) {
  std::vector<double> sorted = normal;
  std::sort(sorted.begin(), sorted.end());
  double sum = 0;
  for (const double score : attack) {
    const auto [low, high] = std::equal_range(sorted.begin(), sorted.end(), score);
    sum += static_cast<double>(low - sorted.begin()) + static_cast<double>(high - low) / 2;
  }
  return sum / static_cast<double>(normal.size()) / static_cast<double>(attack.size());
}

TEST(Figures, HoldOnAdfaLd) {
  SHRIKE_NEED("data", read_file(data("attack.tsv")).ok());
  const auto train = traces_of("normal-train.tsv"), normal = traces_of("normal-validation.tsv"),
             attack = traces_of("attack.tsv");
  ASSERT_EQ(train.size(), 833u);
  ASSERT_EQ(normal.size(), 4372u);
  ASSERT_EQ(attack.size(), 746u);
  Profile profile;
  for (const Trace& trace : train) profile.learn(trace.calls);
  Calibration calibration(profile.leave_one_out(train));
  Scorer scorer(profile);

  std::set<std::vector<Call>> seen;
  std::vector<double> normals, attacks, distinct_normals, distinct_attacks;
  size_t alarms = 0;
  for (const Trace& trace : normal) {
    const double score = scorer.score(trace.calls).combined;
    normals.push_back(score);
    alarms += calibration.add(static_cast<float>(score)) <= 0.05;
    if (seen.insert(trace.calls).second) distinct_normals.push_back(score);
  }
  for (const Trace& trace : attack) {
    attacks.push_back(scorer.score(trace.calls).combined);
    if (seen.insert(trace.calls).second) distinct_attacks.push_back(attacks.back());
  }
  EXPECT_EQ(distinct_normals.size(), 2420u);
  EXPECT_EQ(distinct_attacks.size(), 730u);
  EXPECT_GE(area(normals, attacks), 0.88);
  EXPECT_GE(area(distinct_normals, distinct_attacks), 0.83);
  std::vector<double> sorted = normals;
  std::sort(sorted.rbegin(), sorted.rend());
  const double threshold = sorted[normals.size() / 100];
  const auto found = std::count_if(attacks.begin(), attacks.end(), [&](double score) { return score > threshold; });
  EXPECT_GE(static_cast<double>(found) / static_cast<double>(attacks.size()), 0.20);
  EXPECT_LE(static_cast<double>(alarms) / static_cast<double>(normals.size()) / 0.05, 1.5);
}

}  // namespace
}  // namespace shrike::scoring::sequence
