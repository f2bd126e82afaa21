#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <re2/re2.h>

#include <set>

#include "collector/ctl/options.h"
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

}  // namespace
}  // namespace shrike::ctl
