#pragma once
// All files put together: later items change earlier ones, lists are substituted, macros inlined. What comes out are
// rules whose conditions stand alone.

#include <string>
#include <unordered_map>
#include <variant>
#include <vector>

#include "scoring/rules/document.h"
#include "scoring/rules/syntax.h"

namespace shrike::scoring {

/// A rule after all appends and overrides.
struct RuleDefinition {
  std::string name;
  Position position;  ///< of its first item
  SourceText condition;
  ScalarPtr output, desc, priority;
  std::string source = "syscall";
  std::vector<std::string> tags;
  bool enabled = true;
  bool skip_if_unknown = false;
  bool warn_types = true;  ///< say so when it is judged for nearly every kind of event
  double confidence = 0;   ///< 0: not given
  std::vector<Exception> exceptions;
  std::vector<std::string> remarks;
};

/// Files that rules name as objects.
struct ObjectsDefinition {
  std::string name;
  std::vector<std::string> paths;
};

class Definitions {
 public:
  /// Adds one file's items. Problems are appended; what has one is left as it was.
  void add(Document document, std::vector<std::pair<std::string, Problem>>& problems);
  [[nodiscard]] const std::vector<RuleDefinition>& rules() const { return rules_; }
  /// In the order of their first definition, which is that of their bits in an event.
  [[nodiscard]] const std::vector<ObjectsDefinition>& objects() const { return objects_; }
  /// The condition of a rule as a tree without macros, its exceptions included.
  [[nodiscard]] std::variant<NodePtr, Problem> condition_of(const RuleDefinition& rule) const;

 private:
  struct Macro {
    SourceText condition;
    size_t index;       // place of its first definition: later macros see it
    size_t visibility;  // place of its last one: it sees what is before that
  };
  struct List {
    std::vector<ScalarPtr> items;
  };

  void add_rule(Item& item);
  void add_macro(Item& item);
  void add_list(Item& item);
  void add_objects(Item& item);
  [[nodiscard]] NodePtr spell_objects(const NodePtr& check) const;
  void expand(const std::string& name, std::vector<std::string>& open, size_t& budget,
              std::vector<ScalarPtr>& out) const;
  [[nodiscard]] SourceText substitute(const SourceText& condition) const;
  [[nodiscard]] SourceText with_exceptions(const RuleDefinition& rule) const;
  struct Inlining;
  [[nodiscard]] NodePtr inline_macros(const NodePtr& node, size_t visibility, Inlining& state) const;
  [[nodiscard]] NodePtr parse(const SourceText& condition) const;

  std::vector<RuleDefinition> rules_;
  std::unordered_map<std::string, size_t> rule_index_;
  std::unordered_map<std::string, Macro> macros_;
  std::unordered_map<std::string, List> lists_;
  std::vector<ObjectsDefinition> objects_;
  size_t next_ = 0;
};

}  // namespace shrike::scoring
