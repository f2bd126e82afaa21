#pragma once
// Rule files and what must leave the kernel for them.

#include <string>
#include <vector>

#include "agent/config.h"
#include "common/base/result.h"
#include "common/wire/filter.h"
#include "scoring/rules/engine.h"

namespace shrike::agent {

struct LoadedRules {
  scoring::RuleSet rules;
  std::vector<scoring::RuleStatus> statuses;
};

/// Reads and compiles `files`, in their order. Errors: a file that cannot be read; the first wrong item, with its
/// place.
Result<LoadedRules> load_rules(const std::vector<std::string>& files, const std::string& host_name, bool first = false);

/// This host's name as the kernel has it: what rules may ask for.
std::string host_name();

/// What the kernel lets through: what the rules ask for, what the process table and the self-watch live on, and the
/// extra kinds of the configuration (file kinds whatever the path).
FilterSpec filter_for(const scoring::RuleSet& rules, const std::vector<EventKind>& extra_kinds);

/// SHA-256 over rules and filter, raw: a batch header's policy digest.
std::string policy_digest(const scoring::RuleSet& rules, const FilterSpec& filter);

}  // namespace shrike::agent
