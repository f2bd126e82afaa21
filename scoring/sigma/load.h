#pragma once
// Rules of both languages, told apart by what is in their files, in one compiled set.

#include <vector>

#include "scoring/rules/engine.h"
#include "scoring/rules/ready_rule.h"

namespace shrike::scoring::sigma {

/// What became of one Sigma file.
struct Loaded {
  std::vector<ReadyRule> rules;
  std::vector<RuleStatus> statuses;  ///< of the rules that are not in `rules`
};

/// Translates every rule of a Sigma file. A rule that asks for a log, field or modifier we do not have is
/// `unsupported`, a deprecated one `disabled`, a broken one `wrong`; reasons name file, place and key.
Loaded load(const RuleFile& file);

}  // namespace shrike::scoring::sigma

namespace shrike::scoring {

/// What the names of rule files end in, where a folder stands for its files.
inline const std::vector<std::string_view> rule_file_endings{".yaml", ".yml"};

/// RuleSet::compile for files of which some are Falco's and some Sigma's. Errors: the first wrong item of either.
Result<RuleSet> compile_rules(const std::vector<RuleFile>& files, std::vector<RuleStatus>* statuses,
                              const CompileOptions& options = {});

}  // namespace shrike::scoring
