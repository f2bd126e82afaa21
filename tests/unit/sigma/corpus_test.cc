// All of Sigma's own rules for Linux.

#include <gmock/gmock.h>

#include <iostream>
#include <map>
#include <regex>

#include "tests/require.h"
#include "tests/unit/sigma/rules.h"

namespace shrike::scoring::sigma {
namespace {

// The same reason about other names: what stands in quotes is left out.
std::string kind_of(const std::string& reason) {
  return std::regex_replace(reason, std::regex("\"[^\"]*\""), "\"...\"");
}

TEST(SigmaCorpus, AtLeast135Of210LoadAndEveryOtherHasItsReason) {
  const std::vector<RuleFile> files = linux_rules();
  SHRIKE_NEED("data", !files.empty());
  std::vector<RuleStatus> statuses;
  const auto rules = compile_rules(files, &statuses);
  ASSERT_TRUE(rules.ok()) << rules.error().message;
  EXPECT_EQ(statuses.size(), 210u);
  size_t loaded = 0, with_remark = 0;
  std::map<std::string, int> reasons;
  for (const RuleStatus& status : statuses) {
    if (status.state == RuleStatus::State::loaded) {
      ++loaded;
      with_remark += status.reason.empty() ? 0 : 1;
      continue;
    }
    EXPECT_FALSE(status.reason.empty()) << status.rule;
    EXPECT_NE(status.state, RuleStatus::State::wrong) << status.file << ": " << status.reason;
    ++reasons[kind_of(status.reason)];
  }
  EXPECT_EQ(rules.value().size(), loaded);
  EXPECT_GE(loaded, 135u);
  std::cout << loaded << " loaded, of which " << with_remark << " with a remark\n";
  for (const auto& [reason, count] : reasons) std::cout << count << '\t' << reason << '\n';
}

}  // namespace
}  // namespace shrike::scoring::sigma
