#pragma once
// Which calls the kernel could refuse for a rule, so that it refuses what the rule would have told of and nothing else.

#include <string>
#include <vector>

#include "common/base/result.h"
#include "common/wire/denial.h"
#include "common/wire/filter.h"
#include "scoring/rules/tree.h"

namespace shrike::scoring {

/// `set_names`: by bit, what fd.object and proc.exe_object name; `sets`: with their paths.
/// Errors: what in the condition only user space can answer, or no call that could be refused; then nothing is.
Result<std::vector<Denial>> denials_of(const std::string& rule, const TreePtr& condition,
                                       const std::vector<std::string>& set_names,
                                       const std::map<std::string, FilterSpec::Objects>& sets);

}  // namespace shrike::scoring
