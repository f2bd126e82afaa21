#pragma once
// `shrike rules ...`: rule files checked, explained and tried on a capture, offline.

#include <string>
#include <vector>

#include "collector/ctl/output.h"
#include "common/base/result.h"
#include "scoring/rules/engine.h"

namespace shrike::ctl {

struct RulesExplainOptions {
  std::string rule;
  std::vector<std::string> files;  ///< empty: the rules that come with Shrike
  bool json = false;
};

struct RulesTestOptions {
  std::string capture;
  std::vector<std::string> files;   ///< empty: the rules that come with Shrike
  std::vector<std::string> expect;  ///< rules that must match
  bool all = false;                 ///< also those that never matched
  bool json = false;
};

/// What one rule asks, and how it comes to be asked. Returns the exit code.
int run_rules_explain(const RulesExplainOptions& options, Output& out);

/// Which rules match in a capture, and how often. Returns the exit code.
int run_rules_test(const RulesTestOptions& options, Output& out);

/// Reads rule files, in their order; a folder stands for its rule files. Errors: what cannot be read.
Result<std::vector<scoring::RuleFile>> read_rule_files(const std::vector<std::string>& given);

struct CompiledRules {
  scoring::RuleSet rules;
  std::vector<scoring::RuleStatus> statuses;
};
/// The files, or without any the rules that come with Shrike, compiled as one set. Errors: as read_rule_files; the
/// first wrong item, with file, line and column; there are no files.
Result<CompiledRules> compile_rule_files(const std::vector<std::string>& given);

}  // namespace shrike::ctl
