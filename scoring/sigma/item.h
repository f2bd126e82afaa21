#pragma once
// One item of a detection after its modifiers: what is compared, and how.

#include <string>
#include <variant>
#include <vector>

#include "scoring/sigma/pattern.h"
#include "scoring/sigma/rule.h"

namespace shrike::scoring::sigma {

struct Comparand {
  enum class What : uint8_t { patterns, regex, network, exists, order, field };
  What what = What::patterns;
  /// One entry for each value; it holds when one of its patterns does. A null value has none.
  std::vector<std::vector<Pattern>> patterns;
  std::vector<std::string> texts;  ///< regex, network, order, field: the values as they are
  Operator op = Operator::equal;   ///< order: which; field: equal, contains, startswith or endswith
  bool all = false;                ///< all values have to hold, not one of them
  bool cased = false;
  bool negated = false;
};

/// Applies an item's modifiers. The text is why it cannot be, without a place.
std::variant<Comparand, std::string> apply_modifiers(const Item& item);

}  // namespace shrike::scoring::sigma
