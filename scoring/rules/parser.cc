#include <algorithm>
#include <array>
#include <span>

#include "scoring/rules/lexer.h"
#include "scoring/rules/syntax.h"

namespace shrike::scoring {
namespace {

template <class T>
struct Named {
  std::string_view name;
  T value;
};
// The first of several names is the one to print.
constexpr auto operators = std::to_array<Named<Operator>>({{"=", Operator::equal},
                                                           {"==", Operator::equal},
                                                           {"!=", Operator::not_equal},
                                                           {"<", Operator::less},
                                                           {"<=", Operator::less_equal},
                                                           {">", Operator::greater},
                                                           {">=", Operator::greater_equal},
                                                           {"contains", Operator::contains},
                                                           {"icontains", Operator::icontains},
                                                           {"bcontains", Operator::bcontains},
                                                           {"startswith", Operator::startswith},
                                                           {"bstartswith", Operator::bstartswith},
                                                           {"endswith", Operator::endswith},
                                                           {"glob", Operator::glob},
                                                           {"iglob", Operator::iglob},
                                                           {"regex", Operator::regex},
                                                           {"in", Operator::in},
                                                           {"intersects", Operator::intersects},
                                                           {"pmatch", Operator::pmatch},
                                                           {"exists", Operator::exists}});
constexpr auto quantities = std::to_array<Named<Quantity>>(
    {{"oneof", Quantity::one_of}, {"anyof", Quantity::any_of}, {"allof", Quantity::all_of}});
constexpr auto functions = std::to_array<Named<Function>>({{"tolower", Function::tolower},
                                                           {"toupper", Function::toupper},
                                                           {"b64", Function::b64},
                                                           {"basename", Function::basename},
                                                           {"len", Function::length},
                                                           {"join", Function::join},
                                                           {"concat", Function::concat},
                                                           {"getopt", Function::getopt},
                                                           {"list", Function::list}});
constexpr auto callable = std::span(functions).first(functions.size() - 1);

template <class T, class All>
const Named<T>* named(const All& all, std::string_view name) {
  const auto at = std::find_if(all.begin(), all.end(), [&](const Named<T>& entry) { return entry.name == name; });
  return at == all.end() ? nullptr : &*at;
}
template <class T, class All>
std::string_view name_of(const All& all, T value) {
  const auto at = std::find_if(all.begin(), all.end(), [&](const Named<T>& entry) { return entry.value == value; });
  return at == all.end() ? std::string_view{} : at->name;
}

constexpr int depth_max = 200;
constexpr int call_depth_max = 16;
constexpr size_t values_max = 100000;
constexpr size_t parts_max = 64;  // operand_parts_max

bool takes_list(Operator op) { return op == Operator::in || op == Operator::intersects || op == Operator::pmatch; }

// Thrown inside this file only: every level would otherwise hand the fault up by hand.
struct Failure {
  Fault fault;
};

[[noreturn]] void fail_at(size_t offset, std::string message, bool unknown = false) {
  throw Failure{{std::move(message), offset, unknown}};
}

// Fields and functions of them.
class Operands {
 public:
  explicit Operands(Lexer& lexer) : lexer_(lexer) {}

  // A name, or a function's with its parenthesis behind it.
  Expression operand(std::string_view what) {
    const size_t begin = lexer_.offset();
    const std::string_view name = lexer_.name();
    const size_t behind = lexer_.position();
    if (name.empty()) fail_at(begin, "expected " + std::string(what));
    if (const auto* function = named<Function>(callable, name); function != nullptr && lexer_.take('('))
      return call(function->value, begin);
    if (lexer_.peek() == '(' && name.find('.') == std::string_view::npos && name != "not")
      fail_at(begin, "unknown transformer \"" + std::string(name) + "()\"", true);
    lexer_.rewind(behind);
    return field(name, begin);
  }

  // val(field) or a function, where a value is expected too; nothing when a value stands there.
  std::optional<Expression> operand_as_value() {
    const size_t begin = lexer_.offset();
    const size_t before = lexer_.position();
    const std::string_view name = lexer_.name();
    const auto* function = named<Function>(callable, name);
    // Only right behind the name: "= concat (" is the text "concat".
    const size_t behind = lexer_.position();
    if ((function == nullptr && name != "val") || lexer_.offset() != behind || !lexer_.take('(')) {
      lexer_.rewind(before);
      return std::nullopt;
    }
    if (function != nullptr) return call(function->value, begin);
    const size_t inside = lexer_.offset();
    const std::string_view inner = lexer_.name();
    if (inner.empty()) fail_at(inside, "expected a field in val()");
    Expression out = field(inner, inside);
    if (!lexer_.take(')')) fail_at(lexer_.offset(), "expected \")\" behind val()'s field");
    return out;
  }

 private:
  Expression field(std::string_view name, size_t begin) {
    Expression out;
    out.offset = begin;
    out.text = name;
    if (name.find('.') == std::string_view::npos) return out;
    out.argument = bracket("\"" + out.text + "\"", begin);
    return out;
  }

  std::optional<std::string> bracket(const std::string& behind, size_t begin) {
    bool ok = true;
    auto inside = lexer_.bracket(ok);
    if (!ok) fail_at(begin, "the bracket behind " + behind + " is not closed");
    return inside;
  }

  // Behind the opening parenthesis.
  Expression call(Function function, size_t begin) {
    if (++depth_ > call_depth_max) fail_at(begin, "transformers nested too deep");
    Expression out;
    out.kind = Expression::Kind::call;
    out.offset = begin;
    out.function = function;
    if (lexer_.peek() != ')' || function != Function::list) {
      do {
        if (out.parts.size() == parts_max) fail_at(begin, "too many arguments");
        out.parts.push_back(argument());
      } while (lexer_.take(','));
    }
    if (!lexer_.take(')')) fail_at(lexer_.offset(), "expected \",\" or \")\" behind the transformer's argument");
    if (function == Function::getopt) out.argument = bracket("getopt()", begin);
    --depth_;
    return out;
  }

  Expression argument() {
    Expression out;
    out.offset = lexer_.offset();
    const char next = lexer_.peek();
    if (next == '(') {
      lexer_.take('(');
      return call(Function::list, out.offset);
    }
    out.kind = Expression::Kind::text;
    if (next == '"' || next == '\'') {
      bool ok = true;
      auto text = lexer_.value(ok);
      if (!ok) fail_at(out.offset, "the quote that begins here is not closed");
      out.text = std::move(*text);
      return out;
    }
    if (const std::string_view number = lexer_.number(); !number.empty()) {
      out.text = number;
      return out;
    }
    return operand("a field, a transformer, a text in quotes, a number or a list in parentheses");
  }

  Lexer& lexer_;
  int depth_ = 0;
};

class Parser {
 public:
  explicit Parser(std::shared_ptr<const SourceText> source)
      : source_(std::move(source)), lexer_(source_->text()), operands_(lexer_) {}

  NodePtr parse() {
    if (lexer_.at_end()) fail("the condition is empty");
    NodePtr node = any();
    if (!lexer_.at_end()) fail("expected \"and\", \"or\" or the end here");
    return node;
  }

 private:
  [[noreturn]] void fail(std::string message) { fail_at(lexer_.offset(), std::move(message)); }

  std::shared_ptr<Node> make(Node::Kind kind, size_t offset) {
    auto node = std::make_shared<Node>();
    node->kind = kind;
    node->source = source_;
    node->offset = offset;
    return node;
  }

  NodePtr joined(Node::Kind kind, std::string_view word, NodePtr (Parser::*next)()) {
    const size_t begin = lexer_.offset();
    NodePtr first = (this->*next)();
    if (!lexer_.take_word(word)) return first;
    auto node = make(kind, begin);
    node->children.push_back(std::move(first));
    do node->children.push_back((this->*next)());
    while (lexer_.take_word(word));
    return node;
  }
  NodePtr any() { return joined(Node::Kind::any, "or", &Parser::all); }
  NodePtr all() { return joined(Node::Kind::all, "and", &Parser::negation); }

  NodePtr negation() {
    const size_t begin = lexer_.offset();
    bool negated = false;
    while (lexer_.take_word("not")) negated = !negated;
    NodePtr inner = primary();
    if (!negated) return inner;
    auto node = make(Node::Kind::negation, begin);
    node->children.push_back(std::move(inner));
    return node;
  }

  NodePtr primary() {
    if (!lexer_.take('(')) return check();
    if (++depth_ > depth_max) fail("parentheses nested too deep");
    NodePtr inner = any();
    if (!lexer_.take(')')) fail("expected \")\"");
    --depth_;
    return inner;
  }

  NodePtr check() {
    const size_t begin = lexer_.offset();
    auto node = make(Node::Kind::check, begin);
    node->left = operands_.operand("a field, a macro, \"not\" or \"(\"");
    if (node->left.kind == Expression::Kind::field && node->left.text.find('.') == std::string::npos) {
      node->kind = Node::Kind::macro;
      node->name = std::move(node->left.text);
      return node;
    }
    const size_t where = lexer_.offset();
    const std::string_view word = lexer_.op();
    const auto* op = named<Operator>(operators, word);
    if (op == nullptr)
      fail_at(where, word.empty() ? "expected an operator behind \"" + name_of_left(*node) + "\""
                                  : "unknown operator \"" + std::string(word) + "\"");
    node->op = op->value;
    if (node->op == Operator::exists) return node;
    if (takes_list(node->op)) {
      if (lexer_.peek() == '(') {
        list(*node);
      } else if (node->op == Operator::pmatch || !(node->right = operands_.operand_as_value())) {
        fail("expected \"(\" and a list, or the name of a list in parentheses");
      }
    } else if (!quantified(*node) && !(node->right = operands_.operand_as_value())) {
      node->values.push_back(value("a value"));
    }
    return node;
  }

  static std::string name_of_left(const Node& node) {
    return node.left.kind == Expression::Kind::field ? node.left.text
                                                     : std::string(function_name(node.left.function)) + "()";
  }

  // `oneof (a, b)` and its like; the words are values where no list follows.
  bool quantified(Node& node) {
    const size_t before = lexer_.position();
    const std::string_view word = lexer_.name();
    if (const auto* quantity = named<Quantity>(quantities, word); quantity != nullptr && lexer_.peek() == '(') {
      node.quantity = quantity->value;
      list(node);
      if (node.values.empty()) fail("expected values behind \"" + std::string(word) + "\"");
      return true;
    }
    lexer_.rewind(before);
    return false;
  }

  std::string value(std::string_view what) {
    const size_t begin = lexer_.offset();
    bool ok = true;
    auto text = lexer_.value(ok);
    if (!ok) fail_at(begin, "the quote that begins here is not closed");
    if (!text) fail("expected " + std::string(what));
    return std::move(*text);
  }

  void list(Node& node) {
    if (!lexer_.take('(')) fail("expected \"(\" and a list, or the name of a list in parentheses");
    if (lexer_.take(')')) return;
    do {
      if (node.values.size() == values_max) fail("the list has more than " + std::to_string(values_max) + " items");
      node.values.push_back(value("an item of the list"));
    } while (lexer_.take(','));
    if (!lexer_.take(')')) fail("expected \",\" or \")\"");
  }

  std::shared_ptr<const SourceText> source_;
  Lexer lexer_;
  Operands operands_;
  int depth_ = 0;
};

}  // namespace

std::string_view operator_name(Operator op) { return op == Operator::search ? "search" : name_of(operators, op); }
std::string_view quantity_name(Quantity quantity) { return name_of(quantities, quantity); }
std::string_view function_name(Function function) { return name_of(functions, function); }

std::variant<NodePtr, Fault> parse_condition(const std::shared_ptr<const SourceText>& condition) {
  try {
    return Parser(condition).parse();
  } catch (Failure& failure) {
    return std::move(failure.fault);
  }
}

std::variant<Expression, Fault> parse_expression(std::string_view text, size_t& at) {
  try {
    Lexer lexer(text, at);
    Expression out = Operands(lexer).operand("a field");
    at = lexer.position();
    return out;
  } catch (Failure& failure) {
    return std::move(failure.fault);
  }
}

}  // namespace shrike::scoring
