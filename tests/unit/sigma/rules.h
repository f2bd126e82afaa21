#pragma once
// Sigma rules of a few lines, and what becomes of them.

#include <algorithm>
#include <filesystem>
#include <string>
#include <vector>

#include "common/base/file.h"
#include "scoring/sigma/load.h"
#include "tests/data.h"
#include "tests/unit/rules/scene.h"

namespace shrike::scoring::sigma {

/// A rule about `logsource` ("category: process_creation") with this detection, each line of it indented by four.
inline std::string rule(const std::string& detection, const std::string& logsource = "category: process_creation") {
  return "title: T\nid: 11111111-2222-3333-4444-555555555555\nauthor: A. Author\nstatus: stable\nlevel: high\n"
         "tags:\n    - attack.execution\n    - attack.t1059.004\nlogsource:\n    product: linux\n    " +
         logsource + "\ndetection:\n" + detection;
}

/// One selection and its condition.
inline std::string selection(const std::string& items) {
  return "    selection:\n        " + items + "\n    condition: selection\n";
}

/// Whether the one rule of `text` fires. Not loaded: it does not.
inline bool fires(const std::string& text, const Event& event) {
  auto rules = compile_rules({{"t.yml", text}}, nullptr, {.hostname = "web-1"});
  return rules.ok() && !fired(rules.value(), event).empty();
}

/// Why the one rule of `text` is not loaded ("state: reason"); empty when it is.
inline std::string refusal(const std::string& text) {
  std::vector<RuleStatus> statuses;
  static_cast<void>(compile_rules({{"t.yml", text}}, &statuses));
  for (const RuleStatus& status : statuses) {
    if (status.state == RuleStatus::State::wrong) return "wrong: " + status.reason;
    if (status.state == RuleStatus::State::unsupported) return "unsupported: " + status.reason;
    if (status.state == RuleStatus::State::disabled) return "disabled: " + status.reason;
  }
  return statuses.empty() ? "no rule" : "";
}

using shrike::test::data_folder;

/// Sigma's own rules for Linux, in the order of their names; none where the data are not there.
inline std::vector<RuleFile> linux_rules() {
  std::vector<RuleFile> files;
  std::error_code none;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(data_folder() / "sigma/linux", none)) {
    if (entry.path().extension() == ".yml") files.push_back({entry.path().string(), read_file(entry.path()).value()});
  }
  std::sort(files.begin(), files.end(), [](const RuleFile& a, const RuleFile& b) { return a.name < b.name; });
  return files;
}

}  // namespace shrike::scoring::sigma
