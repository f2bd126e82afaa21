#include <algorithm>
#include <array>

#include "scoring/rules/lexer.h"
#include "scoring/rules/syntax.h"

namespace shrike::scoring {
namespace {

struct OperatorName {
  std::string_view name;
  Operator op;
};
// The first of several names is the one to print.
constexpr auto operators = std::to_array<OperatorName>({
    {"=", Operator::equal},
    {"==", Operator::equal},
    {"!=", Operator::not_equal},
    {"<", Operator::less},
    {"<=", Operator::less_equal},
    {">", Operator::greater},
    {">=", Operator::greater_equal},
    {"contains", Operator::contains},
    {"icontains", Operator::icontains},
    {"startswith", Operator::startswith},
    {"endswith", Operator::endswith},
    {"glob", Operator::glob},
    {"iglob", Operator::iglob},
    {"regex", Operator::regex},
    {"in", Operator::in},
    {"intersects", Operator::intersects},
    {"pmatch", Operator::pmatch},
    {"exists", Operator::exists},
});
struct TransformName {
  std::string_view name;
  Transform transform;
};
constexpr auto transforms = std::to_array<TransformName>({{"tolower", Transform::tolower},
                                                          {"toupper", Transform::toupper},
                                                          {"basename", Transform::basename},
                                                          {"len", Transform::length}});
// Parts of the language that a message should call missing, not wrong.
constexpr auto later_operators = std::to_array<std::string_view>({"bcontains", "bstartswith"});
constexpr auto later_transforms = std::to_array<std::string_view>({"b64", "join", "concat", "getopt", "val"});

constexpr int depth_max = 200;
constexpr size_t values_max = 100000;

// Thrown inside this file only: every level would otherwise hand the fault up by hand.
struct Failure {
  Fault fault;
};

class Parser {
 public:
  explicit Parser(std::shared_ptr<const SourceText> source) : source_(std::move(source)), lexer_(source_->text()) {}

  NodePtr parse() {
    if (lexer_.at_end()) fail("the condition is empty");
    NodePtr node = any();
    if (!lexer_.at_end()) fail("expected \"and\", \"or\" or the end here");
    return node;
  }

 private:
  [[noreturn]] void fail(std::string message) { fail_at(lexer_.offset(), std::move(message)); }
  [[noreturn]] void fail_at(size_t offset, std::string message, bool unknown = false) {
    throw Failure{{std::move(message), offset, unknown}};
  }

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

  // Reads "name", "name[argument]" or "transform(...)" into `node`.
  void operand(Node& node) {
    const size_t begin = lexer_.offset();
    const std::string_view name = lexer_.name();
    if (name.empty()) fail("expected a field, a macro, \"not\" or \"(\"");
    const auto transform = std::find_if(transforms.begin(), transforms.end(), [&](auto& t) { return t.name == name; });
    const bool later = std::find(later_transforms.begin(), later_transforms.end(), name) != later_transforms.end();
    if ((transform != transforms.end() || later) && lexer_.take('(')) {
      if (later) fail_at(begin, "transformer " + std::string(name) + "() is not supported yet", true);
      if (node.transforms.size() == 8) fail_at(begin, "too many transformers");
      node.transforms.insert(node.transforms.begin(), transform->transform);
      operand(node);
      if (!lexer_.take(')')) fail("expected \")\" behind the transformer's field");
      return;
    }
    node.name = name;
    if (name.find('.') == std::string_view::npos && node.transforms.empty()) return;
    bool ok = true;
    node.argument = lexer_.bracket(ok);
    if (!ok) fail_at(begin, "the bracket behind \"" + node.name + "\" is not closed");
  }

  NodePtr check() {
    const size_t begin = lexer_.offset();
    auto node = make(Node::Kind::check, begin);
    operand(*node);
    if (node->name.find('.') == std::string::npos && node->transforms.empty()) {
      node->kind = Node::Kind::macro;
      return node;
    }
    const size_t where = lexer_.offset();
    const std::string_view word = lexer_.op();
    const auto op = std::find_if(operators.begin(), operators.end(), [&](const auto& o) { return o.name == word; });
    if (op == operators.end()) {
      const bool later = std::find(later_operators.begin(), later_operators.end(), word) != later_operators.end();
      fail_at(where,
              word.empty() ? "expected an operator behind \"" + node->name + "\""
                           : "unknown operator \"" + std::string(word) + "\"",
              later);
    }
    node->op = op->op;
    if (op->op == Operator::exists) return node;
    if (op->op == Operator::in || op->op == Operator::intersects || op->op == Operator::pmatch) {
      list(*node);
    } else {
      node->values.push_back(value("a value"));
    }
    return node;
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
  int depth_ = 0;
};

}  // namespace

std::string_view operator_name(Operator op) {
  return std::find_if(operators.begin(), operators.end(), [&](const auto& o) { return o.op == op; })->name;
}

std::string_view transform_name(Transform transform) {
  return std::find_if(transforms.begin(), transforms.end(), [&](const auto& t) { return t.transform == transform; })
      ->name;
}

std::variant<NodePtr, Fault> parse_condition(const std::shared_ptr<const SourceText>& condition) {
  try {
    return Parser(condition).parse();
  } catch (Failure& failure) {
    return std::move(failure.fault);
  }
}

}  // namespace shrike::scoring
