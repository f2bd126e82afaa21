#pragma once
// What is left of a part of a detection: a constant, a condition, or a reason why it cannot be said.

#include <optional>
#include <string>
#include <vector>

#include "scoring/rules/document.h"
#include "scoring/rules/syntax.h"

namespace shrike::scoring::sigma {

struct Formula {
  enum class State : uint8_t { no, yes, node, unavailable };
  State state = State::no;
  NodePtr node;                    ///< node
  std::optional<Problem> problem;  ///< unavailable

  static Formula constant(bool value);
  static Formula of(NodePtr node);
  static Formula unavailable(std::string why, const Position& where);
};

Formula negate(Formula formula);
/// And (`all`) or or (`any`). A constant that decides is stronger than a part that cannot be said, and that stronger
/// than all others.
Formula join(Node::Kind kind, std::vector<Formula> parts);

}  // namespace shrike::scoring::sigma
