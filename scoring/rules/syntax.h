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
  startswith,
  endswith,
  glob,
  iglob,
  regex,
  in,
  intersects,
  pmatch,
  exists,
};
std::string_view operator_name(Operator op);

/// What is done to a field's text before it is compared; the innermost comes first.
enum class Transform : uint8_t { tolower, toupper, basename, length };
std::string_view transform_name(Transform transform);

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

  std::string name;  ///< check: the field; macro: its name
  std::optional<std::string> argument;
  std::vector<Transform> transforms;
  Operator op = Operator::exists;
  std::vector<std::string> values;
};

/// Parses a condition. Nesting deeper than 200 is an error, as is anything behind the end.
std::variant<NodePtr, Fault> parse_condition(const std::shared_ptr<const SourceText>& condition);

}  // namespace shrike::scoring
