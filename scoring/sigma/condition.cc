#include "scoring/sigma/condition.h"

#include <algorithm>
#include <charconv>

#include "scoring/rules/match.h"

namespace shrike::scoring::sigma {
namespace {

constexpr int depth_max = 100;
constexpr size_t text_max = 16u << 10;

class Parser {
 public:
  Parser(std::string_view text, const Selections& selections) : text_(text), selections_(selections) {}

  TermPtr parse() {
    if (text_.size() > text_max) fail("the condition is longer than 16 KiB", 0);
    TermPtr term = any();
    const size_t at = at_;
    const std::string_view rest = next();
    if (rest == "|") unsupported("aggregations (\"| count()\") look at many events, a rule of ours at one", at);
    if (!rest.empty()) fail("unexpected \"" + std::string(rest) + "\"", at);
    return term;
  }

 private:
  [[noreturn]] static void fail(std::string message, size_t at) { throw ConditionFault{std::move(message), at, false}; }
  [[noreturn]] static void unsupported(std::string message, size_t at) {
    throw ConditionFault{std::move(message), at, true};
  }

  static bool is_name(char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || c == '-' ||
           c == '*' || c == '?' || c == '.';
  }
  static bool same(std::string_view a, std::string_view b) {
    return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](char x, char y) { return lower(x) == lower(y); });
  }

  // The word at at_, without taking it; empty at the end.
  std::string_view peek() {
    while (at_ < text_.size() && std::string_view(" \t\r\n").find(text_[at_]) != std::string_view::npos) ++at_;
    size_t end = at_;
    while (end < text_.size() && is_name(text_[end])) ++end;
    if (end == at_ && end < text_.size()) ++end;
    return text_.substr(at_, end - at_);
  }
  std::string_view next() {
    const std::string_view word = peek();
    at_ += word.size();
    return word;
  }
  bool take(std::string_view word) {
    if (!same(peek(), word)) return false;
    next();
    return true;
  }

  TermPtr any() {
    std::vector<TermPtr> terms{all()};
    while (take("or")) terms.push_back(all());
    return Term::join(Term::Kind::any, std::move(terms));
  }
  TermPtr all() {
    std::vector<TermPtr> terms{negation()};
    while (take("and")) terms.push_back(negation());
    return Term::join(Term::Kind::all, std::move(terms));
  }
  TermPtr negation() {
    bool negated = false;
    while (take("not")) negated = !negated;
    TermPtr term = primary();
    return negated ? Term::negate(std::move(term)) : term;
  }

  TermPtr primary() {
    const std::string_view word = next();
    const size_t at = at_ - word.size();
    if (word.empty()) fail("the condition ends where a selection is expected", at);
    if (word == "(") {
      if (++depth_ > depth_max) fail("parentheses nested too deep", at);
      TermPtr inner = any();
      if (!take(")")) fail("\"(\" is not closed", at);
      --depth_;
      return inner;
    }
    if (!is_name(word.front())) fail("expected a selection, not \"" + std::string(word) + "\"", at);
    const bool number = word.find_first_not_of("0123456789") == std::string_view::npos;
    if ((number || same(word, "all") || same(word, "any")) && take("of")) return quantity(word, at);
    const auto found = selections_.find(std::string(word));
    if (found == selections_.end()) fail("no selection \"" + std::string(word) + "\" in the detection", at);
    return found->second;
  }

  TermPtr quantity(std::string_view word, size_t at) {
    const std::string_view of = next();
    if (of.empty() || !is_name(of.front())) fail("expected \"them\" or names behind \"of\"", at);
    std::vector<TermPtr> terms;
    for (const auto& [name, term] : selections_) {
      // What begins with an underscore is meant for conditions to name, not for "them".
      if (same(of, "them") ? !name.starts_with('_') : glob(of, name, false)) terms.push_back(term);
    }
    if (terms.empty()) fail("no selection is named \"" + std::string(of) + "\"", at);
    if (same(word, "all")) return Term::join(Term::Kind::all, std::move(terms));
    if (same(word, "any") || word == "1") return Term::join(Term::Kind::any, std::move(terms));
    size_t count = 0;
    std::from_chars(word.data(), word.data() + word.size(), count);
    if (count == terms.size()) return Term::join(Term::Kind::all, std::move(terms));
    return at_least(count, terms, at);
  }

  // "2 of them": every choice of two.
  static TermPtr at_least(size_t count, const std::vector<TermPtr>& terms, size_t at) {
    if (count == 0) fail("\"0 of\" holds of everything", at);
    if (count > terms.size())
      fail("\"" + std::to_string(count) + " of\" asks for more than the " + std::to_string(terms.size()) +
               " selections there are",
           at);
    constexpr size_t terms_max = 16, choices_max = 1000;
    if (terms.size() > terms_max) unsupported("\"N of\" more than 16 selections", at);
    std::vector<TermPtr> choices;
    for (uint32_t bits = 0; bits < 1u << terms.size(); ++bits) {
      if (static_cast<size_t>(__builtin_popcount(bits)) != count) continue;
      std::vector<TermPtr> chosen;
      for (size_t i = 0; i < terms.size(); ++i)
        if ((bits >> i & 1) != 0) chosen.push_back(terms[i]);
      choices.push_back(Term::join(Term::Kind::all, std::move(chosen)));
      if (choices.size() > choices_max) unsupported("\"N of\" with more than 1000 choices", at);
    }
    return Term::join(Term::Kind::any, std::move(choices));
  }

  std::string_view text_;
  const Selections& selections_;
  size_t at_ = 0;
  int depth_ = 0;
};

}  // namespace

std::variant<TermPtr, ConditionFault> read_condition(std::string_view text, const Selections& selections) {
  try {
    return Parser(text, selections).parse();
  } catch (ConditionFault& fault) {
    return std::move(fault);
  }
}

}  // namespace shrike::scoring::sigma
