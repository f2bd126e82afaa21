#include "collector/ctl/score.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <sstream>

#include "collector/ctl/options.h"
#include "common/base/fd.h"
#include "common/base/file.h"
#include "tests/unit/ctl/temporary.h"

namespace shrike::ctl {
namespace {

using scoring::sequence::CallNotation;
using testing::HasSubstr;

struct Ran {
  int code;
  std::vector<std::string> lines;
  std::string complaint;
};

class Score : public testing::Test {
 protected:
  Ran run(const std::string& fit, const std::string& input, CallNotation calls = CallNotation::numbers,
          bool json = false) {
    const std::string to = dir_.dir() + "/out";
    testing::internal::CaptureStderr();
    Ran ran{};
    {
      const Fd fd(::open(to.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
      Output out(fd.get());
      ran.code = run_score({dir_.file("fit", fit), dir_.file("input", input), calls, json}, out);
    }
    ran.complaint = testing::internal::GetCapturedStderr();
    std::istringstream text(read_file(to).value());
    for (std::string line; std::getline(text, line);) ran.lines.push_back(line);
    return ran;
  }
  std::string usual() const {
    std::string text;
    for (int i = 0; i < 60; ++i) {
      text += "n" + std::to_string(i) + "\t11 45 33 5 197 6";
      for (int k = 0; k < 5 + i % 7; ++k) text += k % 3 == i % 2 ? " 5 3 6" : " 4 4";
      text += " 252\n";
    }
    return text;
  }
  Temporary dir_;
};

double column(const std::string& line, int which) {
  std::istringstream text(line);
  std::string cell;
  for (int i = 0; i <= which; ++i) std::getline(text, cell, '\t');
  return std::stod(cell);
}

TEST_F(Score, PrintsNameScoreAndPValueOfEachTraceInOrder) {
  const Ran ran = run(
      usual(), "known\t11 45 33 5 197 6 5 3 6 4 4 4 4 5 3 6 4 4 252\nforeign thing\t102 63 63 11 102 63\nempty\t\n");
  EXPECT_EQ(ran.code, exit_ok) << ran.complaint;
  ASSERT_EQ(ran.lines.size(), 3u);
  EXPECT_THAT(ran.lines[0], testing::StartsWith("known\t"));
  EXPECT_THAT(ran.lines[1], testing::StartsWith("foreign thing\t"));
  EXPECT_EQ(ran.lines[2], "empty\t0\t1");
  EXPECT_GT(column(ran.lines[1], 1), 10 * column(ran.lines[0], 1));
  EXPECT_LT(column(ran.lines[1], 2), 0.02);
  EXPECT_GT(column(ran.lines[0], 2), 0.1);
}

TEST_F(Score, SaysTheSameOfTheSameInput) {
  const std::string input = usual() + "x\t1 2 3\n";
  EXPECT_EQ(run(usual(), input).lines, run(usual(), input).lines);
}

TEST_F(Score, PrintsJsonWithEachDetector) {
  const Ran ran = run(usual(), "a\"b\xff\t102 63\n", CallNotation::numbers, true);
  ASSERT_EQ(ran.lines.size(), 1u);
  const auto json = nlohmann::json::parse(ran.lines[0]);
  EXPECT_THAT(json["name"], HasSubstr("a\"b"));
  EXPECT_EQ(json["calls"], 2);
  EXPECT_EQ(json["set_distance"], 1);
  for (const char* key : {"score", "p_value", "surprise"}) EXPECT_TRUE(json[key].is_number()) << key;
}

TEST_F(Score, TakesNames) {
  const Ran ran = run("a\topenat read close\n", "b\topenat read close\n", CallNotation::names);
  EXPECT_EQ(ran.code, exit_ok) << ran.complaint;
  EXPECT_EQ(ran.lines.size(), 1u);
}

TEST_F(Score, SaysWhereAFileIsWrongAfterWhatWasRight) {
  const Ran ran = run(usual(), "a\t3 4\nb\t3 x\nc\t3\n");
  EXPECT_EQ(ran.code, exit_failed);
  EXPECT_EQ(ran.lines.size(), 1u);
  EXPECT_THAT(ran.complaint, HasSubstr("/input:2:5: 'x' is no call number"));
  EXPECT_THAT(run("a 1 2\n", "b\t1\n").complaint, HasSubstr("/fit:1:6: no tab after the name"));
}

TEST_F(Score, NeedsSomethingToCompareWith) {
  for (const char* nothing : {"", "a\t\n", "\n\n"}) {
    const Ran ran = run(nothing, "b\t1\n");
    EXPECT_EQ(ran.code, exit_failed);
    EXPECT_THAT(ran.complaint, HasSubstr("nothing to compare with"));
  }
}

TEST_F(Score, SaysWhatItCannotRead) {
  testing::internal::CaptureStderr();
  Output out(STDOUT_FILENO);
  EXPECT_EQ(run_score({"/nonexistent/fit", "/nonexistent/input", CallNotation::numbers, false}, out), exit_failed);
  EXPECT_THAT(testing::internal::GetCapturedStderr(), HasSubstr("/nonexistent/fit: No such file"));
}

TEST(ScoreOptions, AreReadFromTheCommandLine) {
  const auto parsed = parse_options({"score", "--fit", "a", "--input", "b", "--calls", "names", "--json"});
  const auto& score = std::get<ScoreOptions>(std::get<Invocation>(parsed).command);
  EXPECT_EQ(score.fit, "a");
  EXPECT_EQ(score.input, "b");
  EXPECT_EQ(score.calls, CallNotation::names);
  EXPECT_TRUE(score.json);
  for (const std::vector<std::string>& wrong : std::vector<std::vector<std::string>>{
           {"score"}, {"score", "--fit", "a"}, {"score", "--fit", "a", "--input", "b", "--calls", "words"}}) {
    EXPECT_EQ(std::get<Stop>(parse_options(wrong)).code, exit_usage);
  }
}

}  // namespace
}  // namespace shrike::ctl
