#pragma once
// A check with its field found, its operator allowed and its values parsed.

#include <memory>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "scoring/rules/field.h"
#include "scoring/rules/match.h"
#include "scoring/rules/syntax.h"

namespace re2 {
class RE2;
}

namespace shrike::scoring {

struct Check {
  FieldUse use;
  std::vector<Transform> transforms;
  Type type = Type::text;  ///< of what is compared: the field's, or that of the last transformer
  Operator op = Operator::exists;
  std::vector<std::string> texts;
  std::vector<int64_t> numbers;
  std::vector<Network> networks;
  std::unique_ptr<const TextSet> set;  ///< `in` of more than four texts
  std::unique_ptr<const re2::RE2> regex;
  std::string slot;  ///< same text: same values ("tolower(fd.name)")
  std::string key;   ///< same text: same check
  unsigned cost = 1;

  Check();
  Check(Check&&) noexcept;
  ~Check();
  /// Whether one value passes.
  [[nodiscard]] bool passes(const Value& value) const;
  /// Whether the check holds of a field's values; no values: it does not, whatever the operator.
  [[nodiscard]] bool holds(std::span<const Value> values) const;
};

using CheckPtr = std::shared_ptr<const Check>;

/// Binds a check. `remark` receives what is allowed but surely not meant (an evt.type nobody has).
std::variant<CheckPtr, Fault> bind_check(const Node& node, std::string& remark);

/// Applies transformers to values in place.
void transform(std::span<const Transform> transforms, std::span<Value> values, Arena& arena);

}  // namespace shrike::scoring
