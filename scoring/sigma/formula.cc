#include "scoring/sigma/formula.h"

namespace shrike::scoring::sigma {

using State = Formula::State;

Formula Formula::constant(bool value) { return {value ? State::yes : State::no, nullptr, {}}; }
Formula Formula::of(NodePtr node) { return {State::node, std::move(node), {}}; }
Formula Formula::unavailable(std::string why, const Position& where) {
  return {State::unavailable, nullptr, Problem{std::move(why), where}};
}

Formula negate(Formula formula) {
  if (formula.state == State::unavailable) return formula;
  if (formula.state != State::node) return Formula::constant(formula.state == State::no);
  auto node = std::make_shared<Node>();
  node->kind = Node::Kind::negation;
  node->source = formula.node->source;
  node->children = {std::move(formula.node)};
  return Formula::of(std::move(node));
}

Formula join(Node::Kind kind, std::vector<Formula> parts) {
  const State decides = kind == Node::Kind::all ? State::no : State::yes;
  auto node = std::make_shared<Node>();
  node->kind = kind;
  Formula* unavailable = nullptr;
  for (Formula& part : parts) {
    if (part.state == decides) return Formula::constant(kind == Node::Kind::any);
    if (part.state == State::unavailable && unavailable == nullptr) unavailable = &part;
    if (part.state == State::node) node->children.push_back(std::move(part.node));
  }
  if (unavailable != nullptr) return std::move(*unavailable);
  if (node->children.empty()) return Formula::constant(kind == Node::Kind::all);
  if (node->children.size() == 1) return Formula::of(std::move(node->children.front()));
  node->source = node->children.front()->source;
  return Formula::of(std::move(node));
}

}  // namespace shrike::scoring::sigma
