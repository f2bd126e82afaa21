#pragma once
// A rule file as a list of items: YAML's shape checked, nothing yet looked up.

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "scoring/rules/engine.h"
#include "scoring/rules/source_text.h"

namespace shrike::scoring {

using ScalarPtr = std::shared_ptr<const Scalar>;

/// What is wrong with a file, and where.
struct Problem {
  std::string message;
  Position position;
};

enum class Change : uint8_t { append, replace };

/// One of a rule's exceptions.
struct Exception {
  ScalarPtr name;
  std::vector<ScalarPtr> fields;
  std::vector<ScalarPtr> comps;
  bool single = false;  ///< `fields` was one name, so values are plain and compared with `in`
  std::vector<std::vector<std::vector<ScalarPtr>>> values;  ///< tuples of operands; an operand is one value or a list
  bool values_given = false;
};

/// One entry of a rule file.
struct Item {
  enum class Kind : uint8_t { rule, macro, list, objects };
  Kind kind = Kind::rule;
  ScalarPtr name;
  std::map<std::string, Change> override_keys;
  bool append = false;

  ScalarPtr condition;           // rule, macro
  std::vector<ScalarPtr> items;  // list; objects: their paths
  bool items_given = false;
  ScalarPtr output, desc, priority, source;
  std::vector<ScalarPtr> tags;
  bool tags_given = false;
  std::optional<bool> enabled;
  std::optional<double> confidence;
  std::optional<bool> skip_if_unknown;
  std::optional<bool> warn_types;
  std::vector<Exception> exceptions;
  bool exceptions_given = false;
  std::vector<std::string> remarks;  ///< keys we do not know and ignore
};

struct Document {
  std::vector<Item> items;
  std::vector<std::pair<std::string, Problem>> problems;  ///< name of the item ("" without), what is wrong
};

/// Reads one file. What cannot be read is in `problems`; the other items are there.
Document read_document(const RuleFile& file);

struct YamlPair;

/// Any YAML value with its place, for other formats of rule files.
struct YamlValue {
  enum class Kind : uint8_t { null, scalar, list, map };
  Kind kind = Kind::null;
  std::string text;              ///< scalar
  std::vector<YamlValue> items;  ///< list
  std::vector<YamlPair> pairs;   ///< map, in the file's order; a key may come twice
  int line = 0;                  ///< 1-based
  int column = 0;                ///< 1-based
};
struct YamlPair {
  YamlValue key, value;
};
/// The documents of a YAML file that are not empty. Anchors are spelt out; what would be larger than a million values
/// with them is a problem.
std::variant<std::vector<YamlValue>, Problem> read_yaml(const RuleFile& file);

}  // namespace shrike::scoring
