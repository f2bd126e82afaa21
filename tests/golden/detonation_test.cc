// Calls of sandboxed programs through the real scoring with the rules we ship, compared with what they gave before,
// byte for byte. SHRIKE_RENEW=1 writes what is expected instead (tests/golden/renew does it).

#include "agent/detonate/detonation.h"

#include <gtest/gtest.h>

#include "agent/rules_loader.h"
#include "common/base/file.h"
#include "common/wire/codec.h"
#include "tests/golden/expected.h"

namespace shrike::detonate {
namespace {

const std::string root = SHRIKE_SOURCE_DIR;
const std::string folder = root + "/tests/golden/calls/";
constexpr int64_t wall_offset_ns = 1'795'000'000'000'000'000;

/// Every alert, and of the events how many of each kind there were.
class Lines : public Sink {
 public:
  void event(const Event& event) override { ++kinds[std::string(kind_name(event.kind))]; }
  void alert(const Alert& alert) override { text += alert_to_json(alert) + "\n"; }
  std::map<std::string, uint64_t> kinds;
  std::string text;
};

class GoldenDetonation : public ::testing::TestWithParam<std::string> {};

TEST_P(GoldenDetonation, GivesTheSameAlertsByteForByte) {
  auto rules = agent::load_rules({root + "/packaging/config/rules/shrike.yaml"}, "golden");
  ASSERT_TRUE(rules) << rules.error().message;
  const auto recorded = read_file(folder + GetParam() + ".calls");
  ASSERT_TRUE(recorded) << recorded.error().message;
  Lines lines;
  DetonationOptions options;
  options.converter = {.job = "golden-job-1", .wall_offset_ns = wall_offset_ns, .uid = 0, .gid = 0};
  options.node = "golden";
  Detonation detonation(std::move(options), rules->rules, lines);
  std::span<const std::byte> bytes(reinterpret_cast<const std::byte*>(recorded->data()), recorded->size());
  while (!bytes.empty()) {
    const auto call = sandbox::decode_call(bytes);
    ASSERT_TRUE(call) << call.error().message;
    detonation.call(*call);
  }
  sandbox::Report report;
  report.status = sandbox::Status::ok;
  detonation.finish(report);
  EXPECT_GT(detonation.counts().calls, 0u);
  for (const auto& reason : report.reasons)
    lines.text += "reason " + reason.severity + " " + std::to_string(reason.risk) + " " + reason.rule + " " +
                  std::to_string(reason.count) + "\n";
  lines.text += "risk " + std::to_string(report.risk) + "\n";
  for (const auto& [kind, count] : lines.kinds) lines.text += "events " + kind + " " + std::to_string(count) + "\n";
  golden::expect_as_before(lines.text, folder + GetParam() + ".json");
}

INSTANTIATE_TEST_SUITE_P(Calls, GoldenDetonation, ::testing::ValuesIn(golden::inputs(folder, ".calls")),
                         golden::test_name);

}  // namespace
}  // namespace shrike::detonate
