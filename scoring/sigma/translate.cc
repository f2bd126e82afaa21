#include "scoring/sigma/translate.h"

#include <algorithm>
#include <map>
#include <unordered_map>

#include "scoring/rules/match.h"
#include "scoring/rules/names.h"
#include "scoring/sigma/audit.h"
#include "scoring/sigma/compare.h"

namespace shrike::scoring::sigma {
namespace {

using What = Comparand::What;

std::string upper(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(),
                 [](char c) { return c >= 'a' && c <= 'z' ? static_cast<char>(c - ('a' - 'A')) : c; });
  return text;
}

// A condition in Falco's language, or "yes" or "no".
Formula condition(const std::string& text, const Position& where) {
  if (text == "yes" || text == "no") return Formula::constant(text == "yes");
  auto parsed = scoring::parse_condition(source_at(text, where));
  if (auto* const fault = std::get_if<Fault>(&parsed)) return Formula::unavailable(fault->message, where);
  return Formula::of(std::get<NodePtr>(std::move(parsed)));
}

class Translator {
 public:
  Translator(const Rule& rule, const View& view, std::set<std::string>& notes)
      : rule_(rule), view_(view), notes_(notes) {}

  /// Fields that such a record has not.
  [[nodiscard]] const std::set<std::string>& absent() const { return absent_; }

  Formula translate() {
    Formula formula = term(rule_.detection, true);
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
  // A part may stand in the condition many times: it is translated once, and once more for under a "not".
  const Formula& term(const TermPtr& term, bool positive) {
    auto& done = done_[positive ? 1 : 0];
    if (const auto at = done.find(term.get()); at != done.end()) return at->second;
    Formula formula = fresh(*term, positive);
    return done[term.get()] = std::move(formula);
  }
  Formula fresh(const Term& term, bool positive) {
    if (term.kind == Term::Kind::item) return item(term.item, positive);
    const bool negation = term.kind == Term::Kind::negation;
    std::vector<Formula> parts;
    for (const TermPtr& child : term.children) parts.push_back(this->term(child, positive != negation));
    if (negation) return negate(std::move(parts.front()));
    return join(term.kind == Term::Kind::all ? Node::Kind::all : Node::Kind::any, std::move(parts));
  }

  const LogField* find(const std::string& name, std::string& argument) const {
    for (const LogField& field : view_.fields) {
      if (same_ignoring_case(field.name, name)) return &field;
      const std::string_view stem = field.name.substr(0, field.name.size() - 1);
      if (!field.name.ends_with('#') || !name.starts_with(stem) || name.size() == stem.size() ||
          name.size() > stem.size() + 3)
        continue;
      const std::string number = name.substr(stem.size());
      if (number.find_first_not_of("0123456789") != std::string::npos) continue;
      argument = number;
      return &field;
    }
    return nullptr;
  }

  Formula item(const Item& item, bool positive) {
    auto applied = apply_modifiers(item);
    if (auto* const why = std::get_if<std::string>(&applied)) return Formula::unavailable(*why, item.position);
    auto& comparand = std::get<Comparand>(applied);
    if (comparand.negated) positive = !positive;
    Formula formula = item.field.empty() ? keywords(item, comparand) : of_field(item, comparand, positive);
    return comparand.negated ? negate(std::move(formula)) : formula;
  }

  Formula keywords(const Item& item, Comparand& comparand) const {
    if (view_.keywords.empty())
      return Formula::unavailable("keywords need the text of a log, which Shrike does not read", item.position);
    if (comparand.what != What::patterns && comparand.what != What::regex)
      return Formula::unavailable("\"" + item.key() + "\": keywords have no such modifier", item.position);
    for (auto& value : comparand.patterns) {
      for (Pattern& pattern : value) {
        pattern.add_any_before();
        pattern.add_any_behind();
      }
    }
    LogField text;
    text.ours = view_.keywords;
    return compare({item, comparand, text, {}}, {}, false);
  }

  Formula of_field(const Item& item, const Comparand& comparand, bool positive) {
    std::string argument;
    const LogField* const field = find(item.field, argument);
    const std::string what = "\"" + item.key() + "\"";
    if (field == nullptr && view_.others_absent) {
      absent_.insert(item.field);
      return of_nothing(comparand);
    }
    if (field == nullptr)
      return Formula::unavailable("field " + what + " is not in " + rule_.category + " events of ours", item.position);
    switch (field->how) {
      case How::missing:
        return Formula::unavailable("field " + what + ": " + field->ours, item.position);
      case How::call:
        return call(item, *field, comparand);
      case How::choice:
        return choice(item, *field, comparand);
      default:
        break;
    }
    const FindField others = [this](const std::string& name, std::string& number) { return find(name, number); };
    return compare({item, comparand, *field, argument, positive}, others, view_.others_absent);
  }

  // Of a field that is not there only "does not exist" and null hold.
  static Formula of_nothing(const Comparand& comparand) {
    if (comparand.what == What::exists)
      return Formula::constant(!comparand.texts.empty() && same_ignoring_case(comparand.texts.front(), "false"));
    const auto is_null = [](const auto& value) { return value.empty(); };
    return Formula::constant(comparand.what == What::patterns &&
                             std::any_of(comparand.patterns.begin(), comparand.patterns.end(), is_null));
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
    return checked(item, expression_of(field.ours, {}), known.size() > 1 ? Operator::in : Operator::equal, known);
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
        if (!found && same_ignoring_case(field.name, "type") && !is_record_read(upper(pattern.text())))
          notes_.insert("audit's " + upper(pattern.text()) + " records are not read");
      }
      values.push_back(join(Node::Kind::any, std::move(parts)));
    }
    return join(comparand.all ? Node::Kind::all : Node::Kind::any, std::move(values));
  }

  const Rule& rule_;
  const View& view_;
  std::set<std::string>& notes_;
  std::set<std::string> absent_;
  std::set<std::string> calls_;  // that the detection names
  std::unordered_map<const Term*, Formula> done_[2];
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
