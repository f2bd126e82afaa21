#pragma once
// A Sigma document as it was written: who wrote it, what log it is about, and its detection as a tree whose leaves are
// items ("Image|endswith: '/nc'"). Fields are not looked up yet.

#include <memory>
#include <string>
#include <vector>

#include "scoring/rules/document.h"

namespace shrike::scoring::sigma {

/// `Field|modifier|modifier: value` or a keyword, which has no field.
struct Item {
  std::string field;
  std::vector<std::string> modifiers;
  struct Value {
    std::string text;
    bool null = false;
  };
  std::vector<Value> values;
  Position position;
  [[nodiscard]] std::string key() const;  ///< as written: "Image|endswith"
};

struct Term;
using TermPtr = std::shared_ptr<const Term>;
struct Term {
  enum class Kind : uint8_t { all, any, negation, item };
  Kind kind = Kind::item;
  std::vector<TermPtr> children;
  Item item;

  static TermPtr join(Kind kind, std::vector<TermPtr> children);
  static TermPtr negate(TermPtr term);
};

struct Rule {
  std::string title, id, author, status, level, description;
  std::vector<std::string> tags, references, falsepositives;
  std::string product, category, service, definition;
  TermPtr detection;
  Position position;
};

/// One document of a file, or why it is none.
struct Reading {
  Rule rule;
  bool wrong = false;        ///< it is broken
  bool unsupported = false;  ///< a Sigma document of a kind that is no single rule
  Problem problem;
};

/// Whether a file's text looks like Sigma: one of its documents has the keys `logsource` and `detection`, or is one of
/// Sigma's other documents, at its first level.
bool is_sigma(std::string_view text);

/// All documents of a file. A file that is not YAML is one Reading that is wrong.
std::vector<Reading> read_rules(const RuleFile& file);

}  // namespace shrike::scoring::sigma
