#pragma once
// A Sigma detection as a condition of ours.

#include <optional>
#include <set>
#include <string>

#include "scoring/rules/syntax.h"
#include "scoring/sigma/view.h"

namespace shrike::scoring::sigma {

struct Translation {
  NodePtr condition;  ///< null: `problem` says why there is none
  std::optional<Problem> problem;
  std::set<std::string> notes;  ///< parts of the detection that never hold, because what they ask for is not seen
};

/// Translates the detection for each view of the log and joins them. Exact, or not at all: a part that asks for
/// something we do not have is left out only where the rest decides without it.
Translation translate(const Rule& rule, const Log& log);

}  // namespace shrike::scoring::sigma
