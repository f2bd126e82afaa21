#include "scoring/sigma/translate.h"

#include <algorithm>
#include <charconv>
#include <map>
#include <unordered_map>

#include "scoring/rules/check.h"
#include "scoring/rules/match.h"
#include "scoring/rules/names.h"
#include "scoring/sigma/audit.h"
#include "scoring/sigma/item.h"

namespace shrike::scoring::sigma {
namespace {

using What = Comparand::What;

// What is left of a part of the detection: a constant, a condition, or nothing we could say.
struct Formula {
  enum class State : uint8_t { no, yes, node, unavailable };
  State state = State::no;
  NodePtr node;
  std::optional<Problem> problem;

  static Formula constant(bool value) { return {value ? State::yes : State::no, nullptr, {}}; }
  static Formula of(NodePtr node) { return {State::node, std::move(node), {}}; }
  static Formula unavailable(std::string why, const Position& where) {
    return {State::unavailable, nullptr, Problem{std::move(why), where}};
  }
};

Formula negate(Formula formula) {
  if (formula.state == Formula::State::unavailable) return formula;
  if (formula.state != Formula::State::node) return Formula::constant(formula.state == Formula::State::no);
  auto node = std::make_shared<Node>();
  node->kind = Node::Kind::negation;
  node->source = formula.node->source;
  node->children = {std::move(formula.node)};
  return Formula::of(std::move(node));
}

// A constant that decides is stronger than a part we cannot say, and that stronger than all others.
Formula join(Node::Kind kind, std::vector<Formula> parts) {
  const auto decides = kind == Node::Kind::all ? Formula::State::no : Formula::State::yes;
  auto node = std::make_shared<Node>();
  node->kind = kind;
  Formula* unavailable = nullptr;
  for (Formula& part : parts) {
    if (part.state == decides) return Formula::constant(kind == Node::Kind::any);
    if (part.state == Formula::State::unavailable && unavailable == nullptr) unavailable = &part;
    if (part.state == Formula::State::node) node->children.push_back(std::move(part.node));
  }
  if (unavailable != nullptr) return std::move(*unavailable);
  if (node->children.empty()) return Formula::constant(kind == Node::Kind::all);
  if (node->children.size() == 1) return Formula::of(std::move(node->children.front()));
  node->source = node->children.front()->source;
  return Formula::of(std::move(node));
}

std::optional<int64_t> number_of(std::string_view text) {
  int64_t value = 0;
  const auto end = std::from_chars(text.data(), text.data() + text.size(), value);
  if (end.ec != std::errc{} || end.ptr != text.data() + text.size()) return std::nullopt;
  return value;
}

bool same(std::string_view a, std::string_view b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](char x, char y) { return lower(x) == lower(y); });
}

// "10." as a prefix of an address: the network that has it.
std::optional<std::string> network_of_prefix(const std::string& text) {
  size_t dots = 0;
  for (const char c : text) {
    if (c == '.') ++dots;
    if (c != '.' && (c < '0' || c > '9')) return std::nullopt;
  }
  if (!text.ends_with('.') || dots == 0 || dots > 3) return std::nullopt;
  std::string network = text;
  for (size_t i = dots; i < 4; ++i) network += i == 3 ? "0" : "0.";
  network += "/" + std::to_string(dots * 8);
  return Network::parse(network) ? std::optional(network) : std::nullopt;
}

class Translator {
 public:
  Translator(const Rule& rule, const View& view, std::set<std::string>& notes)
      : rule_(rule), view_(view), notes_(notes) {}

  /// Fields that such a record has not.
  [[nodiscard]] const std::set<std::string>& absent() const { return absent_; }

  Formula translate() {
    Formula formula = term(rule_.detection);
    if (formula.state == Formula::State::no || formula.state == Formula::State::unavailable) return formula;
    std::string events = view_.events;
    if (!calls_.empty()) {
      events = "(" + events + ") or evt.type in (";
      for (const std::string& call : calls_) events += (call == *calls_.begin() ? "" : ", ") + call;
      events += ")";
    }
    std::vector<Formula> parts;
    parts.push_back(condition(events, rule_.position));
    parts.push_back(std::move(formula));
    return join(Node::Kind::all, std::move(parts));
  }

 private:
  // A part may stand in the condition many times: it is translated once.
  const Formula& term(const TermPtr& term) {
    if (const auto at = done_.find(term.get()); at != done_.end()) return at->second;
    Formula formula = fresh(*term);
    return done_[term.get()] = std::move(formula);
  }
  Formula fresh(const Term& term) {
    if (term.kind == Term::Kind::item) return item(term.item);
    std::vector<Formula> parts;
    for (const TermPtr& child : term.children) parts.push_back(this->term(child));
    if (term.kind == Term::Kind::negation) return negate(std::move(parts.front()));
    return join(term.kind == Term::Kind::all ? Node::Kind::all : Node::Kind::any, std::move(parts));
  }

  // A condition in Falco's language, or "yes" or "no".
  static Formula condition(const std::string& text, const Position& where) {
    if (text == "yes" || text == "no") return Formula::constant(text == "yes");
    auto parsed = scoring::parse_condition(source(text, where));
    if (auto* const fault = std::get_if<Fault>(&parsed)) return Formula::unavailable(fault->message, where);
    return Formula::of(std::get<NodePtr>(std::move(parsed)));
  }
  static std::shared_ptr<const SourceText> source(const std::string& text, const Position& where) {
    auto scalar = std::make_shared<Scalar>();
    scalar->file_text = std::make_shared<const std::string>();
    scalar->file = where.file;
    scalar->line = where.line - 1;
    scalar->column = where.column - 1;
    auto out = std::make_shared<SourceText>();
    out->append_made(text, scalar);
    return out;
  }

  const LogField* find(const std::string& name, std::string& argument) const {
    for (const LogField& field : view_.fields) {
      if (same(field.name, name)) return &field;
      const std::string_view stem = field.name.substr(0, field.name.size() - 1);
      if (!field.name.ends_with('#') || !name.starts_with(stem) || name.size() == stem.size() ||
          name.size() > stem.size() + 3)
        continue;
      if (std::string_view(name).substr(stem.size()).find_first_not_of("0123456789") != std::string_view::npos)
        continue;
      argument = name.substr(stem.size());
      return &field;
    }
    return nullptr;
  }

  Formula item(const Item& item) {
    auto applied = apply_modifiers(item);
    if (auto* const why = std::get_if<std::string>(&applied)) return Formula::unavailable(*why, item.position);
    auto& comparand = std::get<Comparand>(applied);
    Formula formula = item.field.empty() ? keywords(item, comparand) : of_field(item, comparand);
    return comparand.negated ? negate(std::move(formula)) : formula;
  }

  Formula keywords(const Item& item, Comparand& comparand) {
    if (view_.keywords.empty())
      return Formula::unavailable("keywords need the text of a log, which Shrike does not read", item.position);
    if (comparand.what == What::patterns) {
      for (auto& value : comparand.patterns) {
        for (Pattern& pattern : value) {
          pattern.add_any_before();
          pattern.add_any_behind();
        }
      }
    } else if (comparand.what != What::regex) {
      return Formula::unavailable("\"" + item.key() + "\": keywords have no such modifier", item.position);
    }
    return text(item, {{}, How::text, view_.keywords, {}, {}}, {}, comparand);
  }

  Formula of_field(const Item& item, Comparand& comparand) {
    std::string argument;
    const LogField* const field = find(item.field, argument);
    const std::string what = "\"" + item.key() + "\"";
    if (field == nullptr && view_.others_absent) {
      absent_.insert(item.field);
      // Nothing is there: a null is what such a field is.
      return of_nothing(comparand);
    }
    if (field == nullptr)
      return Formula::unavailable("field " + what + " is not in " + rule_.category + " events of ours", item.position);
    if (field->how == How::missing) return Formula::unavailable("field " + what + ": " + field->ours, item.position);
    if (comparand.what == What::exists) return exists(item, *field, argument);
    switch (field->how) {
      case How::text:
      case How::path:
      case How::folder:
        return text(item, *field, argument, comparand);
      case How::number:
      case How::user_id:
        return number(item, *field, argument, comparand);
      case How::address:
        return address(item, *field, argument, comparand);
      case How::call:
        return call(item, *field, comparand);
      case How::choice:
        return choice(item, *field, comparand);
      case How::hexadecimal:
        return hexadecimal(item, *field, comparand);
      case How::missing:
        break;
    }
    return Formula::constant(false);
  }

  static Formula of_nothing(const Comparand& comparand) {
    if (comparand.what == What::exists)
      return Formula::constant(!comparand.texts.empty() && same(comparand.texts.front(), "false"));
    if (comparand.what != What::patterns) return Formula::constant(false);
    const bool null = std::any_of(comparand.patterns.begin(), comparand.patterns.end(),
                                  [](const auto& value) { return value.empty(); });
    return Formula::constant(null);
  }

  static Expression expression(const LogField& field, const std::string& argument) {
    size_t at = 0;
    auto parsed = parse_expression(field.ours, at);
    Expression out;
    if (auto* const good = std::get_if<Expression>(&parsed)) out = std::move(*good);
    if (!argument.empty()) out.argument = argument;
    return out;
  }
  static Expression folded(Expression inner) {
    Expression out;
    out.kind = Expression::Kind::call;
    out.function = Function::tolower;
    out.parts.push_back(std::move(inner));
    return out;
  }

  Formula check(const Item& item, Expression left, Operator op, std::vector<std::string> values,
                std::optional<Expression> right = {}) const {
    auto node = std::make_shared<Node>();
    node->source = source(item.key(), item.position);
    node->left = std::move(left);
    node->op = op;
    if (values.size() > 1 && op != Operator::in) node->quantity = Quantity::any_of;
    node->values = std::move(values);
    node->right = std::move(right);
    // Bound here already, so that what cannot be asked has its reason and place.
    std::string remark;
    const auto bound = bind_check(*node, remark);
    if (const auto* const fault = std::get_if<Fault>(&bound))
      return Formula::unavailable("\"" + item.key() + "\": " + fault->message, item.position);
    return Formula::of(std::move(node));
  }

  Formula exists(const Item& item, const LogField& field, const std::string& argument) {
    const std::string value = item.values.empty() ? "" : item.values.front().text;
    if (!same(value, "true") && !same(value, "false"))
      return Formula::unavailable("\"" + item.key() + "\": exists is true or false", item.position);
    if (field.how == How::choice || field.how == How::hexadecimal) return Formula::constant(same(value, "true"));
    Formula formula = check(item, expression(field, argument), Operator::exists, {});
    return same(value, "true") ? std::move(formula) : negate(std::move(formula));
  }

  // Texts that are compared in one way are one check.
  Formula any_of(const Item& item, const LogField& field, const std::string& argument, bool cased,
                 const std::vector<Pattern>& patterns) {
    const Expression plain = expression(field, argument);
    const Expression left = cased ? plain : folded(plain);
    std::map<Operator, std::vector<std::string>> groups;
    std::vector<Formula> parts;
    for (Pattern pattern : patterns) {
      if (!cased) pattern.lower_case();
      if (field.how == How::folder) pattern.close_folder();
      Pattern::Comparison comparison = pattern.comparison();
      if (comparison.op == Operator::exists) {
        parts.push_back(check(item, plain, Operator::exists, {}));
      } else if (comparison.op == Operator::equal && comparison.text.empty()) {
        // What is empty is missing in our events.
        parts.push_back(negate(check(item, plain, Operator::exists, {})));
        parts.push_back(check(item, plain, Operator::equal, {""}));
      } else {
        groups[comparison.op].push_back(std::move(comparison.text));
      }
    }
    for (auto& [op, texts] : groups) {
      const bool list = op == Operator::equal && texts.size() > 1;
      parts.push_back(check(item, left, list ? Operator::in : op, std::move(texts)));
    }
    return join(Node::Kind::any, std::move(parts));
  }

  Formula text(const Item& item, const LogField& field, const std::string& argument, Comparand& comparand) {
    const bool cased = comparand.cased || field.how == How::path;
    const Node::Kind kind = comparand.all ? Node::Kind::all : Node::Kind::any;
    std::vector<Formula> parts;
    switch (comparand.what) {
      case What::patterns: {
        std::vector<Pattern> any;
        for (auto& value : comparand.patterns) {
          if (value.empty()) {
            parts.push_back(negate(check(item, expression(field, argument), Operator::exists, {})));
          } else if (comparand.all) {
            parts.push_back(any_of(item, field, argument, cased, value));
          } else {
            any.insert(any.end(), std::make_move_iterator(value.begin()), std::make_move_iterator(value.end()));
          }
        }
        if (!any.empty()) parts.push_back(any_of(item, field, argument, cased, any));
        return join(kind, std::move(parts));
      }
      case What::regex:
        if (field.how == How::folder)
          return Formula::unavailable(
              "\"" + item.key() + "\": our folder ends in a slash, which an expression could see", item.position);
        for (std::string& one : comparand.texts)
          parts.push_back(check(item, expression(field, argument), Operator::search, {std::move(one)}));
        return join(kind, std::move(parts));
      case What::field:
        for (const std::string& other : comparand.texts)
          parts.push_back(reference(item, field, argument, other, comparand));
        return join(kind, std::move(parts));
      case What::network:
      case What::order:
      case What::exists:
        break;
    }
    return Formula::unavailable("\"" + item.key() + "\": the field is a text", item.position);
  }

  Formula reference(const Item& item, const LogField& field, const std::string& argument, const std::string& name,
                    const Comparand& comparand) {
    std::string other_argument;
    const LogField* const other = find(name, other_argument);
    const std::string why = "\"" + item.key() + "\": field \"" + name + "\" ";
    if (other == nullptr && view_.others_absent) return Formula::constant(false);
    if (other == nullptr || other->how == How::missing)
      return Formula::unavailable(why + "is not in our events", item.position);
    const auto is_text = [](How how) { return how == How::text || how == How::path || how == How::folder; };
    const auto is_number = [](How how) { return how == How::number || how == How::user_id; };
    const bool alike = (is_text(field.how) && is_text(other->how)) || (is_number(field.how) && is_number(other->how)) ||
                       (field.how == How::address && other->how == How::address);
    if (!alike) return Formula::unavailable(why + "is of another type", item.position);
    if (!is_text(field.how) && comparand.op != Operator::equal)
      return Formula::unavailable("\"" + item.key() + "\": the field is not a text", item.position);
    Expression left = expression(field, argument), right = expression(*other, other_argument);
    if (is_text(field.how) && !comparand.cased) {
      left = folded(std::move(left));
      right = folded(std::move(right));
    }
    return check(item, std::move(left), comparand.op, {}, std::move(right));
  }

  Formula number(const Item& item, const LogField& field, const std::string& argument, const Comparand& comparand) {
    const auto fault = [&](const std::string& why) {
      return Formula::unavailable("\"" + item.key() + "\": " + why, item.position);
    };
    std::vector<Formula> parts;
    if (comparand.what == What::field) {
      for (const std::string& other : comparand.texts)
        parts.push_back(reference(item, field, argument, other, comparand));
      return join(comparand.all ? Node::Kind::all : Node::Kind::any, std::move(parts));
    }
    if (comparand.what != What::patterns && comparand.what != What::order) return fault("the field is a number");
    std::vector<std::string> numbers;
    for (size_t i = 0; i < comparand.texts.size(); ++i) {
      if (comparand.what == What::patterns && comparand.patterns[i].empty()) {
        parts.push_back(negate(check(item, expression(field, argument), Operator::exists, {})));
        continue;
      }
      const bool plain = comparand.what == What::order || (comparand.patterns[i].size() == 1 &&
                                                           comparand.patterns[i].front().text() == comparand.texts[i]);
      std::string text = comparand.texts[i];
      if (field.how == How::user_id && (text == "unset" || text == "4294967295")) text = "-1";
      if (!plain || !number_of(text)) return fault("the field is a number, \"" + comparand.texts[i] + "\" is none");
      numbers.push_back(text);
    }
    const bool each = comparand.all || comparand.what == What::order;
    for (std::string& text : numbers)
      if (each) parts.push_back(check(item, expression(field, argument), comparand.op, {std::move(text)}));
    if (!each && !numbers.empty())
      parts.push_back(
          check(item, expression(field, argument), numbers.size() > 1 ? Operator::in : Operator::equal, numbers));
    return join(comparand.all ? Node::Kind::all : Node::Kind::any, std::move(parts));
  }

  Formula address(const Item& item, const LogField& field, const std::string& argument, const Comparand& comparand) {
    const auto fault = [&](const std::string& why) {
      return Formula::unavailable("\"" + item.key() + "\": " + why, item.position);
    };
    std::vector<Formula> parts;
    if (comparand.what == What::field) {
      for (const std::string& other : comparand.texts)
        parts.push_back(reference(item, field, argument, other, comparand));
      return join(comparand.all ? Node::Kind::all : Node::Kind::any, std::move(parts));
    }
    if (comparand.what != What::patterns && comparand.what != What::network) return fault("the field is an address");
    std::vector<std::string> networks;
    for (size_t i = 0; i < comparand.texts.size(); ++i) {
      std::string text = comparand.texts[i];
      if (comparand.what == What::patterns) {
        if (comparand.patterns[i].empty()) {
          parts.push_back(negate(check(item, expression(field, argument), Operator::exists, {})));
          continue;
        }
        const Pattern::Comparison comparison = comparand.patterns[i].front().comparison();
        const auto network = comparison.op == Operator::startswith ? network_of_prefix(comparison.text) : std::nullopt;
        if (comparand.patterns[i].size() > 1 || (comparison.op != Operator::equal && !network))
          return fault(
              "the field is an address: whole ones, networks (cidr) and prefixes of whole numbers can be asked");
        if (network) text = *network;
      }
      if (!Network::parse(text)) return fault("\"" + text + "\" is no address");
      networks.push_back(text);
    }
    for (std::string& text : networks)
      if (comparand.all) parts.push_back(check(item, expression(field, argument), Operator::equal, {std::move(text)}));
    if (!comparand.all && !networks.empty())
      parts.push_back(
          check(item, expression(field, argument), networks.size() > 1 ? Operator::in : Operator::equal, networks));
    return join(comparand.all ? Node::Kind::all : Node::Kind::any, std::move(parts));
  }

  Formula call(const Item& item, const LogField& field, const Comparand& comparand) {
    std::vector<std::string> known;
    for (const auto& value : comparand.patterns) {
      if (comparand.what != What::patterns || comparand.all || value.size() != 1 || value.front().has_wildcards())
        return Formula::unavailable("\"" + item.key() + "\": system calls are named one by one", item.position);
      Pattern name = value.front();
      name.lower_case();
      if (!is_event_type(name.text())) {
        notes_.insert("system call " + name.text() + " is not seen");
        continue;
      }
      known.push_back(name.text());
      calls_.insert(name.text());
    }
    if (known.empty()) return Formula::constant(false);
    return check(item, expression(field, {}), known.size() > 1 ? Operator::in : Operator::equal, std::move(known));
  }

  Formula choice(const Item& item, const LogField& field, const Comparand& comparand) {
    if (comparand.what != What::patterns)
      return Formula::unavailable("\"" + item.key() + "\": the field has a few values, named one by one",
                                  item.position);
    std::vector<Formula> values;
    for (const auto& patterns : comparand.patterns) {
      std::vector<Formula> parts;
      for (const Pattern& pattern : patterns) {
        bool found = false;
        for (const Choice& choice : field.choices) {
          if (!glob(pattern.glob(), choice.value, true)) continue;
          parts.push_back(condition(choice.condition, item.position));
          found = true;
        }
        if (!found && same(field.name, "type") && !is_record_read(upper(pattern.text())))
          notes_.insert("audit's " + upper(pattern.text()) + " records are not read");
      }
      values.push_back(join(Node::Kind::any, std::move(parts)));
    }
    return join(comparand.all ? Node::Kind::all : Node::Kind::any, std::move(values));
  }

  Formula hexadecimal(const Item& item, const LogField& field, const Comparand& comparand) const {
    const auto possible = [](const Pattern& pattern) {
      return pattern.text().find_first_not_of("0123456789abcdefABCDEF*?") == std::string::npos;
    };
    bool any = comparand.what != What::patterns;
    for (const auto& value : comparand.patterns) any = any || std::any_of(value.begin(), value.end(), possible);
    if (!any) return Formula::constant(false);
    return Formula::unavailable("field \"" + item.key() + "\": " + field.ours, item.position);
  }

  static std::string upper(std::string text) {
    std::transform(text.begin(), text.end(), text.begin(),
                   [](char c) { return c >= 'a' && c <= 'z' ? static_cast<char>(c - ('a' - 'A')) : c; });
    return text;
  }

  const Rule& rule_;
  const View& view_;
  std::set<std::string>& notes_;
  std::set<std::string> absent_;
  std::set<std::string> calls_;
  std::unordered_map<const Term*, Formula> done_;
};

}  // namespace

Translation translate(const Rule& rule, const Log& log) {
  Translation out;
  if (!log.missing.empty()) {
    out.problem = Problem{log.missing, rule.position};
    return out;
  }
  std::vector<Formula> views;
  std::map<std::string, size_t> absent;  // in how many views
  for (const View& view : log.views) {
    Translator translator(rule, view, out.notes);
    Formula formula = translator.translate();
    for (const std::string& field : translator.absent()) ++absent[field];
    if (formula.state == Formula::State::unavailable) {
      out.problem = std::move(formula.problem);
      return out;
    }
    views.push_back(std::move(formula));
  }
  for (const auto& [field, count] : absent)
    if (count == log.views.size()) out.notes.insert("no record that Shrike translates has \"" + field + "\"");
  Formula all = join(Node::Kind::any, std::move(views));
  if (all.state == Formula::State::node) {
    out.condition = std::move(all.node);
    return out;
  }
  std::string why;
  for (const std::string& note : out.notes) why += (why.empty() ? "" : "; ") + note;
  out.problem = Problem{why.empty() ? "no event can satisfy the detection" : why, rule.position};
  return out;
}

}  // namespace shrike::scoring::sigma
