// SHRIKE_RENEW=1 writes what is expected instead of comparing (tests/golden/renew does it).

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>

#include "agent/replay.h"
#include "agent/rules_loader.h"
#include "common/base/file.h"

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

std::vector<std::string> captures() {
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(folder + "captures"))
    if (entry.path().extension() == ".cap") names.push_back(entry.path().stem());
  std::sort(names.begin(), names.end());
  return names;
}

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
  const std::string expected = folder + "captures/" + GetParam() + ".json";
  if (std::getenv("SHRIKE_RENEW") != nullptr) {
    ASSERT_TRUE(write_file_atomic(expected, lines.text));
    return;
  }
  const auto text = read_file(expected);
  ASSERT_TRUE(text) << text.error().message;
  EXPECT_EQ(lines.text, *text) << "if the change is meant: tests/golden/renew";
}

INSTANTIATE_TEST_SUITE_P(Captures, Golden, ::testing::ValuesIn(captures()), [](const auto& given) {
  std::string name = given.param;
  std::replace(name.begin(), name.end(), '-', '_');
  return name;
});

}  // namespace
}  // namespace shrike::agent
