#pragma once
// A condition as a tree: what the parser makes of the text, before anybody asks whether its fields exist.

#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "scoring/rules/source_text.h"

namespace shrike::scoring {

enum class Operator : uint8_t {
  equal,
  not_equal,
  less,
  less_equal,
  greater,
  greater_equal,
  contains,
  icontains,
  bcontains,
  startswith,
  bstartswith,
  endswith,
  glob,
  iglob,
  regex,
  in,
  intersects,
  pmatch,
  exists,
  search,  ///< a regular expression anywhere in the text: no word of Falco's, for other front ends
};
std::string_view operator_name(Operator op);

/// `contains allof (a, b)`: how many of the values have to pass. `none`: there is one value, or `in` and its like.
enum class Quantity : uint8_t { none, one_of, any_of, all_of };
std::string_view quantity_name(Quantity quantity);

/// What makes a new value of others. `list` is what stands in parentheses of its own: join("-", (a, b)).
enum class Function : uint8_t { tolower, toupper, b64, basename, length, join, concat, getopt, list };
std::string_view function_name(Function function);

/// What is compared: a field, a text, or a function of them.
struct Expression {
  enum class Kind : uint8_t { field, text, call };
  Kind kind = Kind::field;
  size_t offset = 0;                    ///< in the condition's text
  std::string text;                     ///< field: its name; text: itself
  std::optional<std::string> argument;  ///< field[argument], getopt(...)[o]
  Function function = Function::list;
  std::vector<Expression> parts;  ///< call: what it is given
};

/// What is wrong with a condition, and where.
struct Fault {
  std::string message;
  size_t offset = 0;     ///< in the condition's text
  bool unknown = false;  ///< a field, operator or transformer we do not have
};

struct Node;
using NodePtr = std::shared_ptr<const Node>;

struct Node {
  enum class Kind : uint8_t { all, any, negation, check, macro };
  Kind kind = Kind::check;
  std::shared_ptr<const SourceText> source;  ///< what it was parsed from
  size_t offset = 0;                         ///< in that text
  std::vector<NodePtr> children;             ///< all: and; any: or; negation: one

  std::string name;  ///< macro
  Expression left;   ///< check
  Operator op = Operator::exists;
  Quantity quantity = Quantity::none;
  std::vector<std::string> values;
  std::optional<Expression> right;  ///< instead of values: val(field), tolower(field)
};

/// Parses a condition. Nesting deeper than 200 is an error, as is anything behind the end.
std::variant<NodePtr, Fault> parse_condition(const std::shared_ptr<const SourceText>& condition);
/// Parses the field or function that begins at `at` (in an output, behind the percent sign) and moves `at` behind it.
std::variant<Expression, Fault> parse_expression(std::string_view text, size_t& at);

}  // namespace shrike::scoring
