// Command lines of our own, labelled malicious or benign, against all of Sigma's rules for Linux. data/commands.tsv has
// label, executable ("as given -> object" where they differ), parent's executable, command line, titles of the rules
// that match.
// SHRIKE_RENEW=1 writes what matches into the last column; read the difference before you believe it.

#include <gmock/gmock.h>

#include <iostream>
#include <map>
#include <set>

#include "common/base/file.h"
#include "tests/require.h"
#include "tests/unit/sigma/rules.h"

namespace shrike::scoring::sigma {
namespace {

const std::string table = SHRIKE_SOURCE_DIR "/tests/unit/sigma/data/commands.tsv";

struct Command {
  std::vector<std::string> columns;  // label, executable, parent, command line, rules
  [[nodiscard]] bool malicious() const { return columns[0] == "malicious"; }
};

std::vector<std::string> split(const std::string& text, const std::string& by) {
  std::vector<std::string> out;
  size_t at = 0;
  for (size_t next = 0; next != std::string::npos; at = next + by.size()) {
    next = text.find(by, at);
    out.push_back(text.substr(at, next == std::string::npos ? next : next - at));
  }
  return out;
}

std::vector<Command> commands() {
  std::vector<Command> out;
  for (const std::string& line : split(read_file(table).value(), "\n")) {
    if (line.empty()) continue;
    out.push_back({split(line, "\t")});
    out.back().columns.resize(5);
  }
  return out;
}

// Words between blanks; quotes, single or double, keep blanks inside and can hold the other kind.
std::vector<std::string> words(const std::string& line) {
  std::vector<std::string> out;
  std::string word;
  char quote = 0;
  for (const char c : line) {
    if (quote != 0 ? c == quote : (c == '"' || c == '\'') && word.empty()) {
      quote = quote != 0 ? '\0' : c;
    } else if (c == ' ' && quote == 0) {
      out.push_back(std::exchange(word, {}));
    } else {
      word += c;
    }
  }
  out.push_back(word);
  return out;
}

std::string matches(const RuleSet& rules, const Command& command) {
  const std::vector<std::string> argv = words(command.columns[3]);
  const std::vector<std::string> paths = split(command.columns[1], " -> ");
  Scene scene(EventKind::exec);
  scene.path(paths.front())
      .program(paths.back(), {argv.begin() + 1, argv.end()})
      .argv0(argv[0])
      .child_of(command.columns[2]);
  scene.self().name = paths.front().substr(paths.front().rfind('/') + 1).substr(0, 15);
  std::string out;
  for (const std::string& title : fired(rules, scene.event)) out += (out.empty() ? "" : "; ") + title;
  return out;
}

TEST(SigmaCommands, EachLineMatchesTheRulesBesideIt) {
  std::vector<RuleFile> files = linux_rules();
  SHRIKE_NEED("data", !files.empty());
  const auto rules = compile_rules(files, nullptr);
  ASSERT_TRUE(rules.ok()) << rules.error().message;

  struct Count {
    int malicious = 0, benign = 0;
  };
  std::map<std::string, Count> per_rule;
  int malicious = 0, benign = 0, caught = 0, disturbed = 0;
  std::string renewed;
  for (const Command& command : commands()) {
    const std::string now = matches(rules.value(), command);
    const auto& c = command.columns;
    if (std::getenv("SHRIKE_RENEW") == nullptr) {
      EXPECT_EQ(now, c[4]) << c[3];
    }
    renewed += c[0] + "\t" + c[1] + "\t" + c[2] + "\t" + c[3] + "\t" + now + "\n";
    ++(command.malicious() ? malicious : benign);
    if (now.empty()) continue;
    ++(command.malicious() ? caught : disturbed);
    for (const std::string& title : split(now, "; "))
      ++(command.malicious() ? per_rule[title].malicious : per_rule[title].benign);
  }
  if (std::getenv("SHRIKE_RENEW") != nullptr) {
    ASSERT_TRUE(write_file_atomic(table, renewed).ok());
  }
  EXPECT_GE(caught * 4, malicious * 3) << "of the malicious lines three in four are matched";
  EXPECT_LE(disturbed * 2, benign);
  std::cout << caught << " of " << malicious << " malicious and " << disturbed << " of " << benign
            << " benign command lines match a rule\ntrue\tfalse\trule\n";
  for (const auto& [title, count] : per_rule)
    std::cout << count.malicious << '\t' << count.benign << '\t' << title << '\n';
}

}  // namespace
}  // namespace shrike::scoring::sigma
