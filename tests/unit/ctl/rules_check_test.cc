#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <sstream>

#include "collector/ctl/commands.h"
#include "common/base/fd.h"
#include "common/base/file.h"
#include "tests/unit/ctl/temporary.h"

namespace shrike::ctl {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

const std::string falco = "- rule: F\n  desc: d\n  condition: evt.type = execve\n  output: o\n  priority: INFO\n";
const std::string sigma =
    "title: S\nlogsource:\n    category: process_creation\ndetection:\n    s:\n        Image|endswith: /nc\n"
    "    condition: s\n";
const std::string unsupported =
    "title: U\nlogsource:\n    service: sshd\ndetection:\n    s:\n        - failed\n    condition: s\n";

class RulesCheck : public testing::Test {
 protected:
  int check(const std::vector<std::string>& files, bool json = false) {
    const std::string to = dir_.file("out.txt", "");
    const Fd fd(::open(to.c_str(), O_WRONLY | O_TRUNC | O_CLOEXEC));
    Output out(fd.get());
    testing::internal::CaptureStderr();
    const int code = run_rules_check({json, files}, out);
    complaint_ = testing::internal::GetCapturedStderr();
    lines_.clear();
    std::istringstream text(read_file(to).value());
    for (std::string line; std::getline(text, line);) lines_.push_back(line);
    return code;
  }
  Temporary dir_;
  std::vector<std::string> lines_;
  std::string complaint_;
};

TEST_F(RulesCheck, TellsSigmaFromFalcoByContentAndTakesFolders) {
  const std::string f = dir_.file("a.yaml", falco), s = dir_.file("b.yml", sigma), u = dir_.file("c.yml", unsupported);
  EXPECT_EQ(check({dir_.dir()}), exit_ok);
  EXPECT_THAT(lines_, ElementsAre(u + ":1:8: unsupported: U: needs the log of sshd, which Shrike does not read",
                                  f + ":1:9: loaded: F", s + ":1:8: loaded: S",
                                  "2 loaded, 0 disabled, 1 unsupported, 0 wrong"));
}

TEST_F(RulesCheck, ABrokenSigmaRuleFailsWithItsPlace) {
  const std::string s = dir_.file("b.yml", "title: S\nlogsource: {product: linux}\n");
  EXPECT_EQ(check({s}, true), exit_failed);
  ASSERT_EQ(lines_.size(), 1u);
  EXPECT_THAT(lines_[0], HasSubstr(R"({"state":"wrong","rule":"S")"));
  EXPECT_THAT(lines_[0], HasSubstr(R"("line":1,"column":1,"reason":"the rule has no detection"})"));
}

TEST_F(RulesCheck, AFolderWithoutRulesIsSaid) {
  EXPECT_EQ(check({dir_.dir()}), exit_failed);
  EXPECT_THAT(complaint_, HasSubstr("no file *.yaml, *.yml in this folder"));
}

}  // namespace
}  // namespace shrike::ctl
