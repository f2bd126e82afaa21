#pragma once
// What the operator wants refused, as far as the kernel can decide it. Pure.

#include <map>
#include <string>
#include <vector>

#include "agent/respond/policy.h"
#include "agent/respond/responder.h"
#include "common/wire/filter.h"
#include "scoring/rules/engine.h"

namespace shrike::agent {

struct DenyList {
  std::vector<Denial> denials;
  respond::Denying denying;  ///< for the responder; `why_not`: the rules that are refused, and why
};

/// Of every rule whose action is deny.
DenyList deny_list(const respond::Policy& policy, const scoring::RuleSet& rules);

/// Adds it to what the kernel is given: denials, the programs that are never touched, and which files keep their sets.
void add_denials(FilterSpec& filter, const DenyList& list, const std::vector<std::string>& never_touched);

}  // namespace shrike::agent
