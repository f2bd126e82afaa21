// `shrike rules check`: what becomes of each rule of some files.

#include <nlohmann/json.hpp>

#include "collector/ctl/commands.h"
#include "common/wire/text.h"
#include "scoring/sigma/load.h"

namespace shrike::ctl {
namespace {

using scoring::RuleStatus;

std::string_view state_name(RuleStatus::State state) {
  switch (state) {
    case RuleStatus::State::loaded:
      return "loaded";
    case RuleStatus::State::disabled:
      return "disabled";
    case RuleStatus::State::unsupported:
      return "unsupported";
    case RuleStatus::State::wrong:
      break;
  }
  return "wrong";
}

std::string as_text(const RuleStatus& status, bool colour) {
  std::string line = printable(status.file);
  if (status.line > 0) line += ":" + std::to_string(status.line) + ":" + std::to_string(status.column);
  const bool bad = status.state == RuleStatus::State::wrong;
  const bool warn = status.state == RuleStatus::State::unsupported;
  const char* paint = !colour ? "" : bad ? "\033[1;31m" : warn ? "\033[33m" : "\033[32m";
  line += std::string(": ") + paint + std::string(state_name(status.state)) + (colour ? "\033[0m" : "");
  if (!status.rule.empty()) line += ": " + printable(status.rule);
  if (!status.reason.empty()) line += ": " + printable(status.reason);
  return line;
}

std::string as_json(const RuleStatus& status) {
  const nlohmann::ordered_json json{
      {"state", state_name(status.state)}, {"rule", status.rule},    {"file", status.file}, {"line", status.line},
      {"column", status.column},           {"reason", status.reason}};
  return json.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

}  // namespace

int run_rules_check(const RulesCheckOptions& options, Output& out) {
  const auto files = read_rule_files(options.files);
  if (!files.ok()) {
    complain(files.error().message);
    return exit_failed;
  }
  std::vector<RuleStatus> statuses;
  const auto rules = scoring::compile_rules(*files, &statuses);
  size_t loaded = 0, disabled = 0, unsupported = 0, wrong = 0;
  for (const RuleStatus& status : statuses) {
    out.line(options.json ? as_json(status) : as_text(status, out.colour()));
    loaded += status.state == RuleStatus::State::loaded;
    disabled += status.state == RuleStatus::State::disabled;
    unsupported += status.state == RuleStatus::State::unsupported;
    wrong += status.state == RuleStatus::State::wrong;
  }
  // An error that belongs to no rule, such as a file that is not YAML, has no status of its own.
  if (!rules.ok() && wrong == 0) complain(rules.error().message);
  if (!options.json) {
    out.line(std::to_string(loaded) + " loaded, " + std::to_string(disabled) + " disabled, " +
             std::to_string(unsupported) + " unsupported, " + std::to_string(wrong) + " wrong");
  }
  return rules.ok() && wrong == 0 ? exit_ok : exit_failed;
}

}  // namespace shrike::ctl
