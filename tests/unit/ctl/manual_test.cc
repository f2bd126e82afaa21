#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <re2/re2.h>

#include <nlohmann/json.hpp>
#include <set>

#include "collector/ctl/options.h"
#include "collector/ctl/run.h"
#include "common/base/file.h"

namespace shrike::ctl {
namespace {

std::set<std::string> options_of(const std::vector<std::string>& command) {
  std::vector<std::string> arguments = command;
  arguments.emplace_back("--help");
  const auto parsed = parse_options(arguments);
  const std::string text = std::get<Stop>(parsed).text;
  std::set<std::string> out;
  re2::StringPiece rest(text);
  std::string option;
  static const RE2 pattern("[\\s,](--[a-z][a-z-]+)");
  while (RE2::FindAndConsume(&rest, pattern, &option)) out.insert(option);
  return out;
}

std::string without_escapes(std::string text) {
  RE2::GlobalReplace(&text, R"(\\-)", "-");
  RE2::GlobalReplace(&text, R"(\\f[BIRP])", "");
  return text;
}

TEST(Manual, AndCompletionKnowEveryCommandAndOption) {
  const std::string manual = without_escapes(read_file(SHRIKE_SOURCE_DIR "/packaging/man/shrike.1").value());
  const std::string completion = read_file(SHRIKE_SOURCE_DIR "/packaging/completion/shrike").value();
  for (const std::vector<std::string>& command : {std::vector<std::string>{},
                                                  {"tail"},
                                                  {"query"},
                                                  {"nodes"},
                                                  {"status"},
                                                  {"profiles"},
                                                  {"profiles", "list"},
                                                  {"profiles", "show"},
                                                  {"profiles", "export"},
                                                  {"profiles", "send"},
                                                  {"verify"},
                                                  {"demo"},
                                                  {"rules"},
                                                  {"rules", "check"},
                                                  {"rules", "explain"},
                                                  {"rules", "test"},
                                                  {"run"},
                                                  {"score"}}) {
    std::string name;
    for (const std::string& word : command) name += " " + word;
    EXPECT_NE(manual.find("shrike" + name), std::string::npos) << name;
    const auto options = options_of(command);
    EXPECT_THAT(options, testing::Contains("--help"));
    for (const std::string& option : options) {
      EXPECT_NE(manual.find(option), std::string::npos) << "shrike" << name << " " << option;
      EXPECT_NE(completion.find(option), std::string::npos) << "shrike" << name << " " << option;
    }
  }
}

void collect_keys(const nlohmann::json& json, std::set<std::string>& keys) {
  if (json.is_object())
    for (const auto& [key, value] : json.items()) keys.insert(key), collect_keys(value, keys);
  if (json.is_array())
    for (const auto& value : json) collect_keys(value, keys);
}

TEST(Manual, KnowsEveryKeyOfASandboxsReport) {
  sandbox::Report report;
  report.artefacts.resize(1);
  report.processes.resize(1);
  report.connections.resize(1);
  report.refusals.resize(1);
  report.steps.resize(1);
  report.reasons.resize(1);
  std::set<std::string> keys;
  collect_keys(nlohmann::json::parse(run_report_as_json(report, "", "")), keys);
  ASSERT_GT(keys.size(), 50u);
  std::string manual = without_escapes(read_file(SHRIKE_SOURCE_DIR "/packaging/man/shrike.1").value());
  manual = manual.substr(manual.find(".SH REPORTS AS JSON"));
  for (const std::string& key : keys) EXPECT_TRUE(RE2::PartialMatch(manual, "\\b" + key + "\\b")) << key;
}

}  // namespace
}  // namespace shrike::ctl
