#include "scoring/rules/definitions.h"

#include <algorithm>

#include "common/wire/filter.h"

namespace shrike::scoring {
namespace {

struct Failure {
  Problem problem;
};
[[noreturn]] void fail(const ScalarPtr& where, std::string message) {
  throw Failure{{std::move(message), where->at(0)}};
}

bool is_blank(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }
bool is_delimiter(char c) { return is_blank(c) || c == '(' || c == ')' || c == ',' || c == '='; }

// The change asked for one key: an override names it, `append: true` appends, anything else replaces.
Change change_of(const Item& item, const std::string& key) {
  if (const auto at = item.override_keys.find(key); at != item.override_keys.end()) return at->second;
  return item.append ? Change::append : Change::replace;
}
bool changes_existing(const Item& item) { return item.append || !item.override_keys.empty(); }

// Falco's rules for overrides: which keys can be appended to or replaced; each has to be there; and beside `override`
// stands no key that it does not name.
void check_overrides(const Item& item, std::initializer_list<std::string_view> appendable,
                     std::initializer_list<std::string_view> replaceable,
                     std::initializer_list<std::pair<std::string_view, bool>> given) {
  const auto has = [](const auto& keys, std::string_view key) {
    return std::find(keys.begin(), keys.end(), key) != keys.end();
  };
  if (!item.override_keys.empty() && item.append)
    fail(item.name, "\"append\" and \"override\" cannot stand together: use \"override\"");
  for (const auto& [key, change] : item.override_keys) {
    if (!has(appendable, key) && !has(replaceable, key)) fail(item.name, "\"" + key + "\" cannot be overridden");
    if (change == Change::append && !has(appendable, key))
      fail(item.name, "\"" + key + "\" cannot be appended to, only replaced");
    for (const auto& [name, there] : given)
      if (name == key && !there) fail(item.name, "\"" + key + "\" is to be overridden and is not there");
  }
  if (item.override_keys.empty()) return;
  for (const auto& [name, there] : given)
    if (there && !item.override_keys.contains(std::string(name)))
      fail(item.name, "\"" + std::string(name) + "\" is given, and \"override\" does not say what to do with it");
}

constexpr size_t items_max = 100000;
constexpr size_t nodes_max = 200000;
constexpr int macro_depth_max = 64;
constexpr int height_max = 1000;
constexpr size_t text_max = 4u << 20;
constexpr size_t object_paths_max = 1000;

size_t checks_in(const Node& node) {
  size_t checks = node.kind == Node::Kind::check ? 1 : 0;
  for (const NodePtr& child : node.children) checks += checks_in(*child);
  return checks;
}

}  // namespace

void Definitions::add(Document document, std::vector<std::pair<std::string, Problem>>& problems) {
  for (auto& problem : document.problems) problems.push_back(std::move(problem));
  for (Item& item : document.items) {
    try {
      ++next_;
      switch (item.kind) {
        case Item::Kind::rule:
          add_rule(item);
          break;
        case Item::Kind::macro:
          add_macro(item);
          break;
        case Item::Kind::list:
          add_list(item);
          break;
        case Item::Kind::objects:
          add_objects(item);
          break;
      }
    } catch (const Failure& failure) {
      problems.emplace_back(item.name->value, failure.problem);
    }
  }
}

void Definitions::add_list(Item& item) {
  check_overrides(item, {"items"}, {"items"}, {{"items", item.items_given}});
  if (!item.items_given) fail(item.name, "list \"" + item.name->value + "\" has no items");
  const auto at = lists_.find(item.name->value);
  if (changes_existing(item) && at == lists_.end())
    fail(item.name, "no list \"" + item.name->value + "\" before this to change");
  if (changes_existing(item) && change_of(item, "items") == Change::append) {
    auto& items = at->second.items;
    items.insert(items.end(), item.items.begin(), item.items.end());
  } else {
    lists_[item.name->value].items = std::move(item.items);
  }
}

void Definitions::add_objects(Item& item) {
  const std::string& name = item.name->value;
  check_overrides(item, {"paths"}, {"paths"}, {{"paths", item.items_given}});
  if (!item.items_given) fail(item.name, "objects \"" + name + "\" have no paths");
  auto at = std::find_if(objects_.begin(), objects_.end(), [&](const auto& one) { return one.name == name; });
  if (changes_existing(item) && at == objects_.end())
    fail(item.name, "no objects \"" + name + "\" before this to change");
  std::vector<ScalarPtr> paths;
  size_t budget = items_max;
  for (const ScalarPtr& path : item.items) {
    std::vector<std::string> open;
    if (lists_.contains(path->value))
      expand(path->value, open, budget, paths);
    else
      paths.push_back(path);
  }
  if (paths.size() > object_paths_max) fail(item.name, "objects \"" + name + "\" have more than 1000 paths");
  for (const ScalarPtr& path : paths)
    if (!path->value.starts_with('/') || path->value.find('\\') != std::string::npos)
      fail(path, "\"" + path->value + "\" is not an absolute path");
  if (at == objects_.end()) {
    if (objects_.size() == object_sets_max)
      fail(item.name, "there can be " + std::to_string(object_sets_max) + " sets of objects");
    at = objects_.insert(objects_.end(), {name, {}});
  }
  if (!changes_existing(item) || change_of(item, "paths") == Change::replace) at->paths.clear();
  for (const ScalarPtr& path : paths) {
    std::string text = path->value;
    while (text.size() > 1 && text.ends_with('/')) text.pop_back();
    if (std::find(at->paths.begin(), at->paths.end(), text) == at->paths.end()) at->paths.push_back(std::move(text));
  }
}

void Definitions::add_macro(Item& item) {
  check_overrides(item, {"condition"}, {"condition"}, {{"condition", item.condition != nullptr}});
  if (item.condition == nullptr) fail(item.name, "macro \"" + item.name->value + "\" has no condition");
  const auto at = macros_.find(item.name->value);
  if (changes_existing(item) && at == macros_.end())
    fail(item.name, "no macro \"" + item.name->value + "\" before this to change");
  SourceText condition(item.condition);
  const size_t index = at == macros_.end() ? next_ : at->second.index;
  if (changes_existing(item) && change_of(item, "condition") == Change::append) {
    at->second.condition.append_made(" ", item.condition);
    at->second.condition.append(condition);
    at->second.visibility = next_;
    condition = at->second.condition;
  } else {
    macros_[item.name->value] = {condition, index, next_};
  }
  // Faults in macros nobody uses are reported too.
  static_cast<void>(parse(substitute(condition)));
}

void Definitions::add_rule(Item& item) {
  check_overrides(item, {"condition", "output", "desc", "tags", "exceptions"},
                  {"condition", "output", "desc", "tags", "exceptions", "priority", "enabled", "warn_evttypes",
                   "skip-if-unknown-filter", "confidence", "capture", "capture_duration"},
                  {{"condition", item.condition != nullptr},
                   {"output", item.output != nullptr},
                   {"desc", item.desc != nullptr},
                   {"tags", item.tags_given},
                   {"exceptions", item.exceptions_given},
                   {"priority", item.priority != nullptr},
                   {"enabled", item.enabled.has_value()},
                   {"warn_evttypes", item.warn_types.has_value()},
                   {"skip-if-unknown-filter", item.skip_if_unknown.has_value()},
                   {"confidence", item.confidence.has_value()}});
  if (item.append && (item.output != nullptr || item.priority != nullptr || item.tags_given))
    item.remarks.emplace_back(
        "\"append: true\" takes condition and exceptions only: use \"override\" for the other keys");
  if (item.append) {
    item.output = item.desc = item.priority = nullptr;
    item.tags_given = false;
  }
  const std::string& name = item.name->value;
  const auto at = rule_index_.find(name);
  const bool toggle = item.enabled && item.condition == nullptr && item.output == nullptr;
  const bool existing = changes_existing(item) || (toggle && at != rule_index_.end());
  const bool only_enabled = toggle && item.priority == nullptr && item.desc == nullptr && !changes_existing(item);
  if ((existing || only_enabled) && at == rule_index_.end())
    fail(item.name, "no rule \"" + name + "\" before this to change");

  RuleDefinition fresh;
  RuleDefinition rule = existing ? rules_[at->second] : std::move(fresh);
  rule.name = name;
  if (!existing) {
    rule.position = item.name->at(0);
    if (item.condition == nullptr) fail(item.name, "rule \"" + name + "\" has no condition");
    if (item.output == nullptr) fail(item.name, "rule \"" + name + "\" has no output");
    if (item.priority == nullptr) fail(item.name, "rule \"" + name + "\" has no priority");
  }
  if (item.condition != nullptr) {
    if (existing && change_of(item, "condition") == Change::append) {
      rule.condition.append_made(" ", item.condition);
      rule.condition.append(SourceText(item.condition));
    } else {
      rule.condition = SourceText(item.condition);
    }
  }
  if (item.output != nullptr) {
    if (existing && rule.output != nullptr && change_of(item, "output") == Change::append) {
      auto joined = std::make_shared<Scalar>(*item.output);
      joined->value = rule.output->value + " " + item.output->value;
      rule.output = std::move(joined);
    } else {
      rule.output = item.output;
    }
  }
  if (item.desc != nullptr) rule.desc = item.desc;
  if (item.priority != nullptr) rule.priority = item.priority;
  if (existing && item.source != nullptr && item.source->value != rule.source)
    fail(item.source, "rule \"" + name + "\" has source \"" + rule.source + "\" before this");
  if (item.source != nullptr) rule.source = item.source->value;
  if (item.tags_given) {
    if (!existing || change_of(item, "tags") == Change::replace) rule.tags.clear();
    for (const ScalarPtr& tag : item.tags)
      if (std::find(rule.tags.begin(), rule.tags.end(), tag->value) == rule.tags.end()) rule.tags.push_back(tag->value);
  }
  if (item.enabled) rule.enabled = *item.enabled;
  if (item.confidence) rule.confidence = *item.confidence;
  if (item.warn_types) rule.warn_types = *item.warn_types;
  if (item.skip_if_unknown) rule.skip_if_unknown = *item.skip_if_unknown;
  if (item.exceptions_given) {
    if (existing && change_of(item, "exceptions") == Change::append) {
      for (Exception& exception : item.exceptions) {
        const auto same = std::find_if(rule.exceptions.begin(), rule.exceptions.end(),
                                       [&](const Exception& old) { return old.name->value == exception.name->value; });
        if (same == rule.exceptions.end()) {
          rule.exceptions.push_back(std::move(exception));
        } else {
          same->values.insert(same->values.end(), exception.values.begin(), exception.values.end());
        }
      }
    } else {
      rule.exceptions = std::move(item.exceptions);
    }
  }
  rule.remarks.insert(rule.remarks.end(), item.remarks.begin(), item.remarks.end());
  if (at != rule_index_.end()) {
    rules_[at->second] = std::move(rule);
  } else {
    rule_index_[name] = rules_.size();
    rules_.push_back(std::move(rule));
  }
}

// A list's items with other lists in it spelt out. `open` are the lists being spelt out: one that names itself is text.
void Definitions::expand(const std::string& name, std::vector<std::string>& open, size_t& budget,
                         std::vector<ScalarPtr>& out) const {
  open.push_back(name);
  for (const ScalarPtr& item : lists_.at(name).items) {
    if (budget-- == 0) fail(item, "list \"" + name + "\" has more than 100000 items");
    if (lists_.contains(item->value) && std::find(open.begin(), open.end(), item->value) == open.end()) {
      if (open.size() > macro_depth_max) fail(item, "lists nested too deep");
      expand(item->value, open, budget, out);
    } else {
      out.push_back(item);
    }
  }
  open.pop_back();
}

// Lists are substituted as text: a word between delimiters that is a list's name becomes its items with commas between.
// Items with a blank get quotes unless they bring their own; an empty list takes one comma beside it along.
SourceText Definitions::substitute(const SourceText& condition) const {
  const std::string& text = condition.text();
  SourceText out;
  size_t copied = 0;
  bool drop_comma = false;  // an empty list stood behind "(": the next comma goes
  for (size_t at = 0; at < text.size();) {
    if (text[at] == '"' || text[at] == '\'') {
      const char quote = text[at++];
      while (at < text.size() && text[at] != quote) at += text[at] == '\\' ? 2 : 1;
      at = std::min(at + 1, text.size());
      drop_comma = false;
      continue;
    }
    if (is_delimiter(text[at])) {
      if (drop_comma && text[at] == ',') {
        out.append(condition, copied, at);
        copied = at + 1;
      }
      if (!is_blank(text[at])) drop_comma = false;
      ++at;
      continue;
    }
    size_t end = at;
    while (end < text.size() && !is_delimiter(text[end]) && text[end] != '"' && text[end] != '\'') ++end;
    drop_comma = false;
    const std::string word = text.substr(at, end - at);
    if (lists_.contains(word) && (at == 0 || is_delimiter(text[at - 1])) &&
        (end == text.size() || is_delimiter(text[end]))) {
      std::vector<std::string> open;
      std::vector<ScalarPtr> items;
      size_t budget = items_max;
      expand(word, open, budget, items);
      size_t before = at;
      while (items.empty() && before > copied && is_blank(text[before - 1])) --before;
      const bool comma_before = items.empty() && before > copied && text[before - 1] == ',';
      out.append(condition, copied, comma_before ? before - 1 : at);
      drop_comma = items.empty() && !comma_before;
      std::string made;
      for (const ScalarPtr& item : items) {
        const std::string& value = item->value;
        const bool quote = value.find(' ') != std::string::npos && value.front() != '"' && value.front() != '\'';
        if (!made.empty()) made += ", ";
        made += quote ? "\"" + value + "\"" : value;
      }
      out.append_made(made, condition, at);
      if (out.text().size() > text_max) throw Failure{{"the condition is too large with its lists", condition.at(at)}};
      copied = end;
    }
    at = end;
  }
  out.append(condition, copied, text.size());
  return out;
}

NodePtr Definitions::parse(const SourceText& condition) const {
  const auto text = std::make_shared<const SourceText>(condition);
  auto parsed = parse_condition(text);
  if (const auto* fault = std::get_if<Fault>(&parsed)) throw Failure{{fault->message, text->at(fault->offset)}};
  return std::get<NodePtr>(parsed);
}

struct Definitions::Inlining {
  std::unordered_map<std::string, NodePtr> done;  // null while a macro is being inlined
  struct Extent {
    size_t checks = 1;  // counted as often as they stand in the tree
    int height = 1;
  };
  std::unordered_map<const Node*, Extent> extents;
  int macros = 0;
};

// "fd.object=x" asks for the file, and for its names too: between a file's replacement and the moment the kernel knows
// the new one, its name is all there is. What a process runs is asked for by its file alone, because a name can be
// lent.
NodePtr Definitions::spell_objects(const NodePtr& check) const {
  const Expression& field = check->left;
  if (field.kind != Expression::Kind::field || (field.text != "fd.object" && field.text != "proc.exe_object"))
    return check;
  const auto fail_here = [&](const std::string& message) {
    throw Failure{{message, check->source->at(check->offset)}};
  };
  if (check->op == Operator::exists) return check;
  const bool different = check->op == Operator::not_equal;
  if ((!different && check->op != Operator::equal && check->op != Operator::in && check->op != Operator::intersects) ||
      check->right || check->quantity != Quantity::none)
    fail_here("\"" + field.text + "\" is compared with names of objects, by =, !=, in or intersects");
  std::vector<std::string> paths;
  for (const std::string& name : check->values) {
    const auto at = std::find_if(objects_.begin(), objects_.end(), [&](const auto& one) { return one.name == name; });
    if (at == objects_.end()) fail_here("no objects are called \"" + name + "\"");
    paths.insert(paths.end(), at->paths.begin(), at->paths.end());
  }
  // Patterns apart: for whole names there is an index.
  std::vector<std::string> names, patterns;
  for (const std::string& path : paths)
    (path.find_first_of("*?[") == std::string::npos ? names : patterns).push_back(path);
  const auto make = [&](std::string name, Operator op, std::vector<std::string> values) {
    auto made = std::make_shared<Node>(*check);
    made->left.text = std::move(name);
    made->op = op;
    made->values = std::move(values);
    return made;
  };
  const auto join = [&](Node::Kind kind, std::vector<NodePtr> children) {
    auto made = std::make_shared<Node>();
    made->kind = kind;
    made->source = check->source;
    made->offset = check->offset;
    made->children = std::move(children);
    return made;
  };
  NodePtr spelt = make(field.text, Operator::in, check->values);
  if (field.text == "fd.object" && !paths.empty()) {
    std::vector<NodePtr> any = {spelt};
    for (const char* name : {"fd.realpath", "fs.path.name", "fs.path.new"}) {
      if (!names.empty()) any.push_back(make(name, Operator::pmatch, names));
      for (const std::string& pattern : patterns) {
        any.push_back(make(name, Operator::glob, {pattern}));
        any.push_back(make(name, Operator::glob, {pattern + "/*"}));
      }
    }
    spelt = join(Node::Kind::any, std::move(any));
  }
  return different ? join(Node::Kind::negation, {std::move(spelt)}) : spelt;
}

NodePtr Definitions::inline_macros(const NodePtr& node, size_t visibility, Inlining& state) const {
  const auto fail_here = [&](std::string message) {
    throw Failure{{std::move(message), node->source->at(node->offset)}};
  };
  if (node->kind == Node::Kind::check) {
    NodePtr spelt = spell_objects(node);
    state.extents[spelt.get()] = Inlining::Extent{std::max<size_t>(1, checks_in(*spelt)), 3};
    return spelt;
  }
  if (node->kind == Node::Kind::macro) {
    const auto at = macros_.find(node->name);
    if (at == macros_.end()) fail_here("unknown macro \"" + node->name + "\"");
    if (at->second.index >= visibility)
      fail_here("macro \"" + node->name + "\" is defined behind the macro that uses it");
    const auto [ready, first] = state.done.try_emplace(node->name);
    if (!first && ready->second == nullptr) fail_here("macro \"" + node->name + "\" uses itself");
    if (!first) return ready->second;
    if (++state.macros > macro_depth_max) fail_here("macros nested too deep");
    NodePtr inner = inline_macros(parse(substitute(at->second.condition)), at->second.visibility, state);
    --state.macros;
    return state.done[node->name] = std::move(inner);
  }
  auto copy = std::make_shared<Node>(*node);
  Inlining::Extent extent{0, 0};
  for (NodePtr& child : copy->children) {
    child = inline_macros(child, visibility, state);
    const Inlining::Extent& inner = state.extents[child.get()];
    extent.checks += inner.checks;
    extent.height = std::max(extent.height, inner.height + 1);
    // Macros share their trees, so one doubled often enough is small here and huge in what is made of it.
    if (extent.checks > nodes_max) fail_here("the condition is too large with its macros");
    if (extent.height > height_max) fail_here("the condition is nested too deep with its macros");
  }
  state.extents[copy.get()] = extent;
  return copy;
}

std::variant<NodePtr, Problem> Definitions::condition_of(const RuleDefinition& rule) const {
  try {
    Inlining state;
    return inline_macros(parse(substitute(with_exceptions(rule))), SIZE_MAX, state);
  } catch (Failure& failure) {
    return std::move(failure.problem);
  }
}

}  // namespace shrike::scoring
