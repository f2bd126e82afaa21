#pragma once
// What a loaded rule asks, of which events, and how the engine comes to ask it: `shrike rules explain`.

#include <string>
#include <vector>

#include "common/wire/filter.h"
#include "scoring/rules/tree.h"

namespace shrike::scoring {

struct Explanation {
  /// How one kind of event is judged.
  struct Kind {
    std::string kind;
    std::string condition;           ///< what is left to ask of this kind
    std::vector<std::string> gates;  ///< asked once for many rules before any is begun
    std::vector<std::string> guard;  ///< one of these has to be found in the pass over its field; none: always begun
    double begun = 1;                ///< how often it is begun, roughly: 1 is every event that passes the gates
    unsigned cost = 0;               ///< of asking all of it, relative to reading a number
  };
  std::string rule;
  std::string condition;            ///< lists and macros put in, exceptions included
  std::vector<std::string> fields;  ///< asked for by the condition, in order of their names
  std::vector<Kind> kinds;          ///< those that can satisfy it; none: it never fires
  std::vector<std::string> never;   ///< why not, when there are none
  FilterSpec filter;                ///< what has to leave the kernel for it alone
};

/// A condition as Falco's language writes it, on one line.
std::string spell(const TreePtr& tree);

/// All but the gates and guards, which the whole rule set decides.
Explanation explain_condition(const std::string& rule, const TreePtr& condition);

}  // namespace shrike::scoring
