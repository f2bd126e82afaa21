#pragma once
// A check with its fields found, its operator allowed and its values parsed.

#include <memory>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "scoring/rules/field.h"
#include "scoring/rules/match.h"
#include "scoring/rules/operand.h"
#include "scoring/rules/syntax.h"

namespace re2 {
class RE2;
}

namespace shrike::scoring {

struct Check {
  OperandPtr left;
  OperandPtr right;        ///< compared with instead of values; null: with values
  Type type = Type::text;  ///< of what is compared
  Operator op = Operator::exists;
  Quantity quantity = Quantity::none;
  std::vector<std::string> texts;  ///< bcontains, bstartswith: the bytes that the hexadecimal digits stand for
  std::vector<int64_t> numbers;
  std::vector<Network> networks;
  std::unique_ptr<const TextSet> set;  ///< `in` of more than four texts
  std::vector<std::unique_ptr<const re2::RE2>> regexes;
  bool patterns = false;  ///< pmatch: there are patterns among the texts
  std::string key;        ///< same text: same check
  unsigned cost = 1;

  Check();
  Check(Check&&) noexcept;
  ~Check();
  /// The field when it is compared as it is with values of the rule; null otherwise.
  [[nodiscard]] const FieldUse* field() const { return left->is_field() && right == nullptr ? &left->use : nullptr; }
  /// Whether one value passes the rule's values. Only without `right`.
  [[nodiscard]] bool passes(const Value& value) const;
  /// Whether the check holds of what its operands are; missing: it does not, whatever the operator.
  [[nodiscard]] bool holds(Given left_values, Given right_values = {}) const;

 private:
  [[nodiscard]] bool passes_one(const Value& value, size_t index) const;
  [[nodiscard]] bool compares(const Value& left_value, const Value& right_value) const;
};

using CheckPtr = std::shared_ptr<const Check>;

/// Binds a check. `remark` receives what is allowed but surely not meant (an evt.type nobody has).
std::variant<CheckPtr, Fault> bind_check(const Node& node, std::string& remark);

}  // namespace shrike::scoring
