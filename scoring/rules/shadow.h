#pragma once
// Which rules say nothing that another one before them does not.

#include <cstdint>
#include <string>
#include <vector>

#include "scoring/rules/tree.h"

namespace shrike::scoring {

class Shadows {
 public:
  /// What a rule before this one, by its name, makes of it.
  struct Finding {
    std::string same;   ///< has the same condition; empty: none
    std::string wider;  ///< holds whenever this one does, by having only some of its conditions; empty: none
  };
  /// Compares a rule with all that were given before.
  Finding add(const std::string& name, const TreePtr& condition);

 private:
  struct Rule {
    std::string name;
    std::vector<std::string> parts;  // operands of its outermost `and`, in order
    uint64_t mask = 0;               // a bit for each
  };
  std::vector<Rule> rules_;
};

}  // namespace shrike::scoring
