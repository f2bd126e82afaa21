// SHRIKE_RENEW=1 writes what is expected instead of comparing (tests/golden/renew does it).

#include <gtest/gtest.h>

#include "agent/replay.h"
#include "agent/rules_loader.h"
#include "tests/golden/expected.h"

namespace shrike::agent {
namespace {

const std::string root = SHRIKE_SOURCE_DIR;
const std::string folder = root + "/tests/golden/";

class Lines : public Sink {
 public:
  void event(const Event&) override {}
  void alert(const Alert& alert) override { text += alert_to_json(alert) + "\n"; }
  std::string text;
};

class Golden : public ::testing::TestWithParam<std::string> {};

TEST_P(Golden, ReplayGivesTheSameAlertsByteForByte) {
  auto rules = load_rules({root + "/packaging/config/rules/shrike.yaml"}, "golden");
  ASSERT_TRUE(rules) << rules.error().message;
  Lines lines;
  ReplayOptions options;
  options.capture = folder + "captures/" + GetParam() + ".cap";
  options.node = "golden";
  options.etc = folder + "etc";
  const auto summary = replay(options, std::move(rules->rules), lines);
  ASSERT_TRUE(summary) << summary.error().message;
  EXPECT_EQ(summary->damage, "");
  EXPECT_EQ(summary->counts.undecodable, 0u);
  EXPECT_GT(summary->counts.records, 0u);
  golden::expect_as_before(lines.text, folder + "captures/" + GetParam() + ".json");
}

INSTANTIATE_TEST_SUITE_P(Captures, Golden, ::testing::ValuesIn(golden::inputs(folder + "captures", ".cap")),
                         golden::test_name);

}  // namespace
}  // namespace shrike::agent
