#include "scoring/rules/tree.h"

#include <algorithm>
#include <unordered_map>

namespace shrike::scoring {
namespace {

using K = Tree::Kind;

TreePtr make(K kind, std::vector<TreePtr> children) {
  auto tree = std::make_shared<Tree>();
  tree->kind = kind;
  tree->children = std::move(children);
  for (const TreePtr& child : tree->children) tree->cost += child->cost;
  return tree;
}

TreePtr leaf(CheckPtr check) {
  auto tree = std::make_shared<Tree>();
  tree->kind = K::check;
  tree->cost = check->cost;
  tree->check = std::move(check);
  return tree;
}

TreePtr negate(TreePtr tree) {
  if (tree->is(K::no) || tree->is(K::yes)) return Tree::constant(tree->is(K::no));
  if (tree->is(K::negation)) return tree->children.front();
  return make(K::negation, {std::move(tree)});
}

// `all` ends at the first no, `any` at the first yes; the other constant drops out.
TreePtr join(K kind, std::vector<TreePtr> children) {
  const K ends = kind == K::all ? K::no : K::yes;
  std::vector<TreePtr> kept;
  for (TreePtr& child : children) {
    if (child->is(ends)) return child;
    if (child->is(K::no) || child->is(K::yes)) continue;
    if (child->is(kind)) {
      kept.insert(kept.end(), child->children.begin(), child->children.end());
    } else {
      kept.push_back(std::move(child));
    }
  }
  if (kept.empty()) return Tree::constant(kind == K::all);
  if (kept.size() == 1) return kept.front();
  std::stable_sort(kept.begin(), kept.end(), [](const TreePtr& a, const TreePtr& b) { return a->cost < b->cost; });
  return make(kind, std::move(kept));
}

struct Binder {
  std::vector<std::string>& remarks;
  Position& where;
  std::unordered_map<const Node*, TreePtr> done;
  Fault fault;

  // Null after a fault.
  TreePtr bind(const NodePtr& node) {
    if (const auto at = done.find(node.get()); at != done.end()) return at->second;
    return done[node.get()] = bind_new(node);
  }
  TreePtr bind_new(const NodePtr& node) {
    if (node->kind == Node::Kind::check) {
      std::string remark;
      auto bound = bind_check(*node, remark);
      if (auto* wrong = std::get_if<Fault>(&bound)) {
        fault = std::move(*wrong);
        where = node->source->at(node->offset);
        return nullptr;
      }
      if (!remark.empty()) remarks.push_back(remark);
      return leaf(std::get<CheckPtr>(std::move(bound)));
    }
    std::vector<TreePtr> children;
    for (const NodePtr& child : node->children) {
      children.push_back(bind(child));
      if (children.back() == nullptr) return nullptr;
    }
    if (node->kind == Node::Kind::negation) return negate(std::move(children.front()));
    return join(node->kind == Node::Kind::all ? K::all : K::any, std::move(children));
  }
};

}  // namespace

TreePtr Tree::constant(bool value) {
  static const TreePtr no = make(K::no, {}), yes = make(K::yes, {});
  return value ? yes : no;
}

std::variant<TreePtr, Fault> bind_tree(const NodePtr& node, std::vector<std::string>& remarks, Position& where) {
  Binder binder{remarks, where, {}, {}};
  TreePtr tree = binder.bind(node);
  if (tree == nullptr) return std::move(binder.fault);
  return tree;
}

TreePtr fold(const TreePtr& tree, const World& world) {
  switch (tree->kind) {
    case K::no:
    case K::yes:
      return tree;
    case K::check: {
      const Truth truth = judge(*tree->check, world);
      return truth == Truth::maybe ? tree : Tree::constant(truth == Truth::yes);
    }
    case K::negation:
      return negate(fold(tree->children.front(), world));
    case K::all:
    case K::any:
      break;
  }
  const K ends = tree->kind == K::all ? K::no : K::yes;
  std::vector<TreePtr> children;
  children.reserve(tree->children.size());
  for (const TreePtr& child : tree->children) {
    children.push_back(fold(child, world));
    if (children.back()->is(ends)) return children.back();
  }
  return join(tree->kind, std::move(children));
}

void print(const TreePtr& tree, std::string& out) {
  switch (tree->kind) {
    case K::no:
      out += "false";
      return;
    case K::yes:
      out += "true";
      return;
    case K::check:
      out += tree->check->key;
      return;
    case K::negation:
      out += "not ";
      break;
    case K::all:
      out += "and";
      break;
    case K::any:
      out += "or";
      break;
  }
  out += '(';
  for (const TreePtr& child : tree->children) {
    print(child, out);
    out += ';';
  }
  out += ')';
}

}  // namespace shrike::scoring
