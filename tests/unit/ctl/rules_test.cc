#include "collector/ctl/rules.h"

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

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

const std::string ours = SHRIKE_SOURCE_DIR "/packaging/config/rules/shrike.yaml";
const std::string captures = SHRIKE_SOURCE_DIR "/tests/golden/captures/";
constexpr const char* shell_rule = "Shell started on a network connection";

struct Ran {
  int code = 0;
  std::string text;
  std::string complaint;
  [[nodiscard]] std::vector<nlohmann::json> json() const {
    std::vector<nlohmann::json> out;
    std::istringstream lines(text);
    for (std::string line; std::getline(lines, line);) out.push_back(nlohmann::json::parse(line));
    return out;
  }
};

class Rules : public testing::Test {
 protected:
  template <class Command>
  Ran run(Command command) {
    const std::string to = dir_.dir() + "/out";
    testing::internal::CaptureStderr();
    Ran ran;
    {
      const Fd fd(::open(to.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
      Output out(fd.get());
      ran.code = command(out);
    }
    ran.complaint = testing::internal::GetCapturedStderr();
    ran.text = read_file(to).value();
    return ran;
  }
  Ran explain(const RulesExplainOptions& options) {
    return run([&](Output& out) { return run_rules_explain(options, out); });
  }
  Ran test(const RulesTestOptions& options) {
    return run([&](Output& out) { return run_rules_test(options, out); });
  }
  Temporary dir_;
};

TEST_F(Rules, ExplainSaysWhatARuleAsksAndWhereItStands) {
  const Ran ran = explain({shell_rule, {ours}, false});
  EXPECT_EQ(ran.code, exit_ok) << ran.complaint;
  EXPECT_THAT(ran.text, testing::StartsWith(shell_rule));
  for (const char* part :
       {"shrike.yaml:", "  condition ", "  fields ", "  guard ", "  cost ", "Leaves the kernel for it"})
    EXPECT_THAT(ran.text, HasSubstr(part));
}

TEST_F(Rules, ExplainGivesOneJsonObject) {
  const Ran ran = explain({shell_rule, {ours}, true});
  ASSERT_EQ(ran.json().size(), 1u) << ran.complaint;
  const auto json = ran.json()[0];
  EXPECT_EQ(json["rule"], shell_rule);
  EXPECT_EQ(json["file"], ours);
  EXPECT_GT(json["line"], 0);
  ASSERT_FALSE(json["kinds"].empty());
  for (const char* key : {"kind", "condition", "gates", "guard", "begun", "cost"})
    EXPECT_TRUE(json["kinds"][0].contains(key)) << key;
  EXPECT_FALSE(json["filter"]["kinds"].empty());
}

TEST_F(Rules, ExplainTakesAFolderOfFalcosAndSigmasRules) {
  dir_.file("a.yaml", "- rule: Mine\n  condition: evt.type=execve and proc.name=x\n  output: o\n  priority: INFO\n");
  dir_.file("b.yml",
            "title: Theirs\nid: 11111111-2222-3333-4444-555555555555\nstatus: stable\nlogsource:\n  product: linux\n"
            "  category: process_creation\ndetection:\n  s:\n    Image|endswith: /nc\n  condition: s\nlevel: high\n");
  EXPECT_EQ(explain({"Mine", {dir_.dir()}, false}).code, exit_ok);
  const Ran ran = explain({"Theirs", {dir_.dir()}, true});
  ASSERT_EQ(ran.code, exit_ok) << ran.complaint;
  EXPECT_EQ(ran.json()[0]["file"], dir_.dir() + "/b.yml");
}

TEST_F(Rules, ExplainSaysWhyARuleNeverFires) {
  const std::string file = dir_.file(
      "r.yaml", "- rule: R\n  condition: evt.type=execve and evt.type=openat\n  output: o\n  priority: INFO\n");
  const Ran ran = explain({"R", {file}, false});
  EXPECT_EQ(ran.code, exit_ok);
  EXPECT_THAT(ran.text, HasSubstr("never fires"));
  EXPECT_THAT(ran.text, Not(HasSubstr("Leaves the kernel")));
}

TEST_F(Rules, ExplainNamesWhatIsLikeAnUnknownRuleAndWhatIsDisabled) {
  EXPECT_THAT(explain({"shell STARTED", {ours}, false}).complaint, HasSubstr(shell_rule));
  const std::string file =
      dir_.file("r.yaml", "- rule: R\n  condition: evt.type=execve\n  output: o\n  priority: INFO\n  enabled: false\n");
  const Ran ran = explain({"R", {file}, false});
  EXPECT_EQ(ran.code, exit_failed);
  EXPECT_THAT(ran.complaint, HasSubstr("r.yaml:1:"));
  EXPECT_THAT(ran.complaint, HasSubstr("\"R\" is disabled"));
}

TEST_F(Rules, ErrorsNameFileAndLine) {
  const std::string file = dir_.file("r.yaml", "- rule: R\n  condition: evt.type=\n  output: o\n  priority: INFO\n");
  for (const Ran& ran :
       {explain({"R", {file}, false}), test({captures + "reverse-shell.cap", {file}, {}, false, false})}) {
    EXPECT_EQ(ran.code, exit_failed);
    EXPECT_THAT(ran.complaint, HasSubstr("r.yaml:2:"));
  }
  EXPECT_THAT(explain({"R", {"/nonexistent"}, false}).complaint, HasSubstr("/nonexistent"));
}

TEST_F(Rules, TestCountsMatchesAndShowsTheFirst) {
  const Ran ran = test({captures + "reverse-shell.cap", {ours}, {shell_rule}, false, false});
  EXPECT_EQ(ran.code, exit_ok) << ran.complaint;
  EXPECT_THAT(ran.text, HasSubstr(std::string("  ") + shell_rule + "\n"));
  EXPECT_THAT(ran.text, HasSubstr("(process "));
  EXPECT_THAT(ran.text, HasSubstr(" rules matched, "));
}

TEST_F(Rules, TestCountsEachMatchNotEachFinding) {
  const std::string file = dir_.file(
      "r.yaml",
      "- rule: Any exec\n  condition: evt.type=execve and evt.num>0\n  output: ran %proc.name\n  priority: INFO\n");
  const Ran ran = test({captures + "nothing-special.cap", {file}, {}, false, true});
  ASSERT_EQ(ran.json().size(), 1u) << ran.complaint;
  const auto json = ran.json()[0];
  EXPECT_GT(json["matches"], 1);
  EXPECT_EQ(json["line"], 1);
  EXPECT_THAT(json["first"]["message"].get<std::string>(), testing::StartsWith("ran "));
  EXPECT_LE(json["first_time"], json["last_time"]);
}

TEST_F(Rules, TestTellsWithAllWhichRulesHadNoChance) {
  const std::string file =
      dir_.file("r.yaml",
                "- rule: Loads\n  condition: evt.type=init_module\n  output: o\n  priority: INFO\n"
                "- rule: Other\n  condition: evt.type=execve and proc.name=nobody\n  output: o\n  priority: INFO\n");
  const RulesTestOptions options{captures + "shadow-read.cap", {file}, {}, true, true};
  const auto lines = test(options).json();
  ASSERT_EQ(lines.size(), 2u);
  for (const auto& line : lines) {
    EXPECT_EQ(line["matches"], 0);
    EXPECT_TRUE(line["first"].is_null());
    const std::string reason = line["reason"];
    EXPECT_THAT(reason, line["rule"] == "Loads" ? HasSubstr("no event it could match") : HasSubstr(""));
    EXPECT_EQ(reason.empty(), line["rule"] == "Other");
  }
  RulesTestOptions few = options;
  few.all = few.json = false;
  EXPECT_THAT(test(few).text, testing::StartsWith("0 of 2 rules matched, 0 times"));
}

TEST_F(Rules, TestFailsWhenAnExpectedRuleDoesNotMatch) {
  const Ran ran = test({captures + "nothing-special.cap", {ours}, {shell_rule, "No such"}, false, false});
  EXPECT_EQ(ran.code, exit_failed);
  EXPECT_THAT(ran.complaint, HasSubstr("did not match"));
  EXPECT_THAT(ran.complaint, HasSubstr("\"No such\" is no rule that is loaded"));
}

TEST_F(Rules, TestSaysWhereACaptureIsDamaged) {
  const std::string whole = read_file(captures + "reverse-shell.cap").value();
  const Ran cut = test({dir_.file("cut.cap", whole.substr(0, whole.size() - 3)), {ours}, {}, false, false});
  EXPECT_EQ(cut.code, exit_failed);
  EXPECT_THAT(cut.text, HasSubstr("rules matched"));
  EXPECT_THAT(cut.complaint, HasSubstr("cut.cap"));
  const Ran none = test({dir_.file("no.cap", "no capture"), {ours}, {}, false, false});
  EXPECT_EQ(none.code, exit_failed);
  EXPECT_THAT(none.complaint, HasSubstr("no.cap"));
}

TEST(RulesOptions, AreReadFromTheCommandLine) {
  const auto command = [](const std::vector<std::string>& words) {
    return std::get<Invocation>(parse_options(words)).command;
  };
  const auto test = std::get<RulesTestOptions>(
      command({"rules", "test", "--capture", "c", "--all", "--expect", "A b", "--json", "x", "y"}));
  EXPECT_EQ(test.capture, "c");
  EXPECT_THAT(test.files, ElementsAre("x", "y"));
  EXPECT_THAT(test.expect, ElementsAre("A b"));
  EXPECT_TRUE(test.all && test.json);
  const auto explain = std::get<RulesExplainOptions>(command({"rules", "explain", "A b", "x"}));
  EXPECT_EQ(explain.rule, "A b");
  EXPECT_THAT(explain.files, ElementsAre("x"));
  EXPECT_EQ(std::get<RulesCheckOptions>(command({"rules", "check", "x"})).files.size(), 1u);
  for (const std::vector<std::string>& wrong : std::vector<std::vector<std::string>>{
           {"rules"}, {"rules", "explain"}, {"rules", "test"}, {"rules", "test", "x"}})
    EXPECT_EQ(std::get<Stop>(parse_options(wrong)).code, exit_usage);
}

}  // namespace
}  // namespace shrike::ctl
