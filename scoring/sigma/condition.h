#pragma once
// The condition of a detection: "selection and not 1 of filter_*".

#include <map>
#include <string>
#include <variant>

#include "scoring/sigma/rule.h"

namespace shrike::scoring::sigma {

using Selections = std::map<std::string, TermPtr>;

/// Why a condition cannot be read.
struct ConditionFault {
  std::string message;
  size_t offset = 0;
  bool unsupported = false;  ///< it is right, but asks for something over more than one event
};

/// Reads `text`; names stand for `selections`. Nesting deeper than 100 is a fault.
std::variant<TermPtr, ConditionFault> read_condition(std::string_view text, const Selections& selections);

}  // namespace shrike::scoring::sigma
