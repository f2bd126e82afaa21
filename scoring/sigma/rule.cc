#include "scoring/sigma/rule.h"

#include <algorithm>
#include <set>

#include "scoring/sigma/condition.h"

namespace shrike::scoring::sigma {
namespace {

using Kind = YamlValue::Kind;
constexpr size_t selections_max = 1000;
constexpr size_t expressions_max = 500;
constexpr size_t values_max = 20000;  // of one document
constexpr size_t leaves_max = 20000;  // of a condition, counted as often as they stand in it

struct Failure {
  Problem problem;
  bool unsupported = false;
};

class Reader {
 public:
  explicit Reader(const std::string& file) : file_(file) {}

  Reading read(const YamlValue& document) {
    Reading out;
    out.rule.position = place(document);
    try {
      read_document(document, out.rule);
    } catch (Failure& failure) {
      (failure.unsupported ? out.unsupported : out.wrong) = true;
      out.problem = std::move(failure.problem);
    }
    return out;
  }

 private:
  [[nodiscard]] Position place(const YamlValue& value) const { return {file_, value.line, value.column}; }
  [[noreturn]] void fail(const YamlValue& at, std::string message) const {
    throw Failure{{std::move(message), place(at)}};
  }
  [[noreturn]] void unsupported(const YamlValue& at, std::string message) const {
    throw Failure{{std::move(message), place(at)}, true};
  }

  const std::string& scalar(const YamlValue& value, const std::string& what) const {
    if (value.kind != Kind::scalar) fail(value, what + " has to be plain text");
    return value.text;
  }
  // What may be missing, one text or a list.
  std::vector<std::string> texts(const YamlValue& value, const std::string& what) const {
    if (value.kind == Kind::null) return {};
    if (value.kind == Kind::scalar) return {value.text};
    std::vector<std::string> out;
    if (value.kind != Kind::list) fail(value, what + " has to be a list");
    for (const YamlValue& item : value.items)
      if (item.kind == Kind::scalar) out.push_back(item.text);
    return out;
  }

  void read_document(const YamlValue& document, Rule& rule) {
    if (document.kind != Kind::map)
      fail(document, "expected a Sigma rule: title, logsource, detection and others by name");
    const YamlValue* logsource = nullptr;
    const YamlValue* detection = nullptr;
    const YamlValue* other = nullptr;  // what no single rule has
    std::set<std::string> seen;
    for (const auto& [key, value] : document.pairs) {
      const std::string& name = scalar(key, "a key");
      if (!seen.insert(name).second) fail(key, "\"" + name + "\" is given twice");
      const std::string what = "\"" + name + "\"";
      if (name == "title") {
        rule.title = scalar(value, what);
        rule.position = place(value);
      } else if (name == "logsource") {
        logsource = &value;
      } else if (name == "detection") {
        detection = &value;
      } else if (name == "correlation" || name == "action" || name == "filter") {
        other = &key;
      } else if (name == "tags") {
        rule.tags = texts(value, what);
      } else if (name == "references") {
        rule.references = texts(value, what);
      } else if (name == "falsepositives") {
        rule.falsepositives = texts(value, what);
      } else if (std::string* const into = text_of(name, rule); into != nullptr && value.kind != Kind::null) {
        *into = scalar(value, what);
      }
    }
    if (other != nullptr)
      unsupported(*other, "\"" + other->text + "\" documents are not read: rules with a detection are");
    if (rule.title.empty()) fail(document, "the rule has no title");
    if (logsource == nullptr) fail(document, "the rule has no logsource");
    if (detection == nullptr) fail(document, "the rule has no detection");
    read_logsource(*logsource, rule);
    read_detection(*detection, rule);
  }

  static std::string* text_of(const std::string& key, Rule& rule) {
    if (key == "id") return &rule.id;
    if (key == "author") return &rule.author;
    if (key == "status") return &rule.status;
    if (key == "level") return &rule.level;
    if (key == "description") return &rule.description;
    return nullptr;
  }

  void read_logsource(const YamlValue& value, Rule& rule) const {
    if (value.kind != Kind::map) fail(value, "\"logsource\" has to name product, category or service");
    for (const auto& [key, part] : value.pairs) {
      const std::string& name = scalar(key, "a key");
      if (part.kind == Kind::null) continue;
      if (name == "product") rule.product = scalar(part, "\"product\"");
      if (name == "category") rule.category = scalar(part, "\"category\"");
      if (name == "service") rule.service = scalar(part, "\"service\"");
      if (name == "definition") rule.definition = scalar(part, "\"definition\"");
    }
  }

  void read_detection(const YamlValue& value, Rule& rule) {
    if (value.kind != Kind::map) fail(value, "\"detection\" has to have selections and a condition");
    Selections selections;
    const YamlValue* condition = nullptr;
    const YamlValue* timeframe = nullptr;
    for (const auto& [key, part] : value.pairs) {
      const std::string& name = scalar(key, "a key");
      if (name == "condition") {
        condition = &part;
      } else if (name == "timeframe") {
        timeframe = &key;
      } else if (!selections.emplace(name, selection(part, 0)).second) {
        fail(key, "\"" + name + "\" is given twice");
      } else if (selections.size() > selections_max) {
        fail(key, "more than 1000 selections");
      }
    }
    if (timeframe != nullptr)
      unsupported(*timeframe, "\"timeframe\" counts over many events, a rule of ours looks at one");
    if (condition == nullptr) fail(value, "the detection has no condition");
    if (condition->kind == Kind::list) {
      std::vector<TermPtr> terms;
      for (const YamlValue& one : condition->items) terms.push_back(parse(one, selections));
      if (terms.empty()) fail(*condition, "the condition is empty");
      rule.detection = Term::join(Term::Kind::any, std::move(terms));
    } else {
      rule.detection = parse(*condition, selections);
    }
    size_t leaves = 0;
    if (!count(*rule.detection, leaves)) fail(*condition, "the condition is too large");
  }

  TermPtr parse(const YamlValue& condition, const Selections& selections) const {
    auto parsed = read_condition(scalar(condition, "a condition"), selections);
    if (const auto* fault = std::get_if<ConditionFault>(&parsed)) {
      Position where = place(condition);
      // Right for what stands on one line without quotes; the line is right anyway.
      if (condition.text.find('\n') == std::string::npos) where.column += static_cast<int>(fault->offset);
      throw Failure{{fault->message, std::move(where)}, fault->unsupported};
    }
    return std::get<TermPtr>(std::move(parsed));
  }

  static bool count(const Term& term, size_t& leaves) {
    if (term.kind == Term::Kind::item && ++leaves > leaves_max) return false;
    return std::all_of(term.children.begin(), term.children.end(),
                       [&](const TermPtr& child) { return count(*child, leaves); });
  }

  TermPtr selection(const YamlValue& value, int depth) {
    if (depth > 8) fail(value, "lists nested too deep");
    switch (value.kind) {
      case Kind::null:
        fail(value, "the selection is empty");
      case Kind::scalar:
        return item({}, value, value);
      case Kind::map: {
        std::vector<TermPtr> terms;
        std::set<std::string> seen;
        for (const auto& [key, part] : value.pairs) {
          const std::string& name = scalar(key, "a field");
          if (!seen.insert(name).second) fail(key, "\"" + name + "\" is given twice");
          terms.push_back(item(name, part, key));
        }
        if (terms.empty()) fail(value, "the selection is empty");
        return Term::join(Term::Kind::all, std::move(terms));
      }
      case Kind::list:
        break;
    }
    std::vector<TermPtr> terms;
    for (const YamlValue& one : value.items) terms.push_back(selection(one, depth + 1));
    if (terms.empty()) fail(value, "the selection is empty");
    return Term::join(Term::Kind::any, std::move(terms));
  }

  TermPtr item(const std::string& key, const YamlValue& value, const YamlValue& where) {
    auto term = std::make_shared<Term>();
    Item& item = term->item;
    item.position = place(where);
    size_t from = std::min(key.find('|'), key.size());
    item.field = key.substr(0, from);
    while (from < key.size()) {
      const size_t end = std::min(key.find('|', from + 1), key.size());
      item.modifiers.push_back(key.substr(from + 1, end - from - 1));
      if (item.modifiers.back().empty()) fail(where, "\"" + key + "\" has an empty modifier");
      from = end;
    }
    const bool expressions = std::find(item.modifiers.begin(), item.modifiers.end(), "re") != item.modifiers.end();
    const auto add = [&](const YamlValue& one) {
      if (expressions && ++expressions_ > expressions_max) fail(one, "more than 500 regular expressions");
      if (one.kind != Kind::null && one.kind != Kind::scalar)
        fail(one, "a value of \"" + key + "\" has to be plain text");
      if (++values_ > values_max) fail(one, "more than 20000 values");
      item.values.push_back({one.text, one.kind == Kind::null});
    };
    if (value.kind == Kind::list) {
      for (const YamlValue& one : value.items) add(one);
      if (item.values.empty()) fail(value, "\"" + key + "\" has no values");
    } else {
      add(value);
    }
    return term;
  }

  const std::string& file_;
  size_t values_ = 0, expressions_ = 0;
};

}  // namespace

std::string Item::key() const {
  std::string out = field;
  for (const std::string& modifier : modifiers) out += "|" + modifier;
  return out;
}

TermPtr Term::join(Kind kind, std::vector<TermPtr> children) {
  if (children.size() == 1) return children.front();
  auto term = std::make_shared<Term>();
  term->kind = kind;
  term->children = std::move(children);
  return term;
}

TermPtr Term::negate(TermPtr inner) {
  if (inner->kind == Kind::negation) return inner->children.front();
  auto term = std::make_shared<Term>();
  term->kind = Kind::negation;
  term->children.push_back(std::move(inner));
  return term;
}

bool is_sigma(std::string_view text) {
  for (size_t at = 0; at < text.size();) {
    const size_t end = std::min(text.find('\n', at), text.size());
    const std::string_view line = text.substr(at, end - at);
    for (const std::string_view key : {"detection:", "logsource:", "correlation:"})
      if (line.starts_with(key)) return true;
    at = end + 1;
  }
  // Written as JSON, or with its keys quoted.
  const size_t first = text.find_first_not_of(" \t\r\n");
  if (first == std::string_view::npos || std::string_view("{\"'").find(text[first]) == std::string_view::npos)
    return false;
  return text.find("detection") != std::string_view::npos && text.find("logsource") != std::string_view::npos;
}

std::vector<Reading> read_rules(const RuleFile& file) {
  std::vector<Reading> out;
  auto documents = read_yaml(file);
  if (auto* const problem = std::get_if<Problem>(&documents)) {
    Reading& broken = out.emplace_back();
    broken.wrong = true;
    broken.problem = std::move(*problem);
    broken.rule.position = broken.problem.position;
    return out;
  }
  for (const YamlValue& document : std::get<std::vector<YamlValue>>(documents))
    out.push_back(Reader(file.name).read(document));
  return out;
}

}  // namespace shrike::scoring::sigma
