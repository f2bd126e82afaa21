#pragma once
// A bound condition, and what is left of it when part of the answer is known beforehand.

#include <memory>
#include <variant>
#include <vector>

#include "scoring/rules/check.h"

namespace shrike::scoring {

struct Tree;
using TreePtr = std::shared_ptr<const Tree>;

struct Tree {
  enum class Kind : uint8_t { no, yes, check, negation, all, any };
  Kind kind = Kind::no;
  CheckPtr check;
  std::vector<TreePtr> children;
  unsigned cost = 0;

  static TreePtr constant(bool value);
  [[nodiscard]] bool is(Kind what) const { return kind == what; }
};

/// Binds every check of a parsed condition. `remarks` receives a line for what is allowed but surely not meant.
/// On a fault, `where` names its place.
std::variant<TreePtr, Fault> bind_tree(const NodePtr& node, std::vector<std::string>& remarks, Position& where);

/// A part of all possible events: one kind, and of it those that succeeded, failed, or were opened in one way.
struct World {
  enum class Outcome : uint8_t { any, success, failure };
  EventKind kind = EventKind::none;
  Outcome outcome = Outcome::any;
  uint32_t access = 0;  ///< successful open: access_open_read, access_open_write or both, exactly; 0: not told
};

enum class Truth : uint8_t { no, yes, maybe };
/// What a check is in every event of `world`.
Truth judge(const Check& check, const World& world);
/// `tree` with everything that `judge` knows put in. Operands of and/or come cheapest first.
TreePtr fold(const TreePtr& tree, const World& world);
/// One line that spells the whole tree.
void print(const TreePtr& tree, std::string& out);

}  // namespace shrike::scoring
