#include "agent/deny_list.h"

namespace shrike::agent {

DenyList deny_list(const respond::Policy& policy, const scoring::RuleSet& rules) {
  DenyList out;
  for (const auto& [rule, action] : policy.rules) {
    if (action != respond::Action::deny) continue;
    const auto denials = rules.denials(rule);
    if (!denials) {
      out.denying.why_not[rule] = denials.error().message;
    } else if (out.denials.size() + denials->size() > denials_max) {
      out.denying.why_not[rule] = "more than " + std::to_string(denials_max) + " refusals in all";
    } else {
      out.denials.insert(out.denials.end(), denials->begin(), denials->end());
      out.denying.rules[denial_number(rule)] = rule;
    }
  }
  return out;
}

void add_denials(FilterSpec& filter, const DenyList& list, const std::vector<std::string>& never_touched) {
  if (list.denials.empty()) return;
  filter.kinds.set(static_cast<size_t>(EventKind::denied));
  filter.denials = list.denials;
  // A running program is exempt also when its file has just been replaced by an update.
  uint32_t programs = 0;
  for (const Denial& denial : list.denials) programs |= denial.only | denial.exempt;
  for (auto& [name, set] : filter.objects) set.keep = (set.sets & programs) != 0;
  filter.objects["(never touched)"] = {.sets = never_denied_set, .access = 0, .keep = true, .paths = never_touched};
}

}  // namespace shrike::agent
