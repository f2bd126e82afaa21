#include "scoring/rules/explain.h"

#include <algorithm>
#include <set>

#include "scoring/rules/derive.h"

namespace shrike::scoring {
namespace {

std::string quoted(const std::string& text) {
  const bool plain = !text.empty() && text.find_first_of(" \t\n\"'\\(),=") == std::string::npos;
  if (plain) return text;
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    out += c;
  }
  return out + "\"";
}

std::string spelt(const Operand& operand) {
  if (operand.is_field()) return operand.use.text();
  if (operand.kind == Operand::Kind::text) return "\"" + operand.text + "\"";
  std::string out = operand.function == Function::list ? "(" : std::string(function_name(operand.function)) + "(";
  for (size_t i = 0; i < operand.parts.size(); ++i) out += (i == 0 ? "" : ", ") + spelt(*operand.parts[i]);
  out += ")";
  if (operand.option != 0) out += "[" + std::string(1, operand.option) + "]";
  return out;
}

std::string hexadecimal(const std::string& bytes) {
  std::string out;
  for (const char c : bytes) {
    constexpr std::string_view digits = "0123456789abcdef";
    const auto byte = static_cast<uint8_t>(c);
    (out += digits[byte >> 4]) += digits[byte & 15];
  }
  return out;
}

std::vector<std::string> values_of(const Check& check) {
  if (check.op == Operator::bcontains || check.op == Operator::bstartswith) {
    std::vector<std::string> out;
    for (const std::string& text : check.texts) out.push_back(hexadecimal(text));
    return out;
  }
  std::vector<std::string> out;
  for (const std::string& text : check.texts) out.push_back(quoted(text));
  for (const int64_t number : check.numbers)
    out.push_back(check.type != Type::boolean ? std::to_string(number) : number != 0 ? "true" : "false");
  for (const Network& network : check.networks) {
    Arena arena;
    const std::string_view bytes(reinterpret_cast<const char*>(network.bytes.data()), network.size);
    std::string text(shown(Type::address, {bytes, 0}, arena));
    if (network.bits != network.size * 8) text += "/" + std::to_string(network.bits);
    out.push_back(std::move(text));
  }
  return out;
}

std::string spelt(const Check& check) {
  std::string out = spelt(*check.left) + " " + std::string(operator_name(check.op));
  if (check.op == Operator::exists) return out;
  if (check.right != nullptr) {
    const std::string right = spelt(*check.right);
    return out + " " + (check.right->is_field() ? "val(" + right + ")" : right);
  }
  const auto values = values_of(check);
  const bool list = check.quantity != Quantity::none || check.op == Operator::in || check.op == Operator::intersects ||
                    check.op == Operator::pmatch;
  if (check.quantity != Quantity::none) out += " " + std::string(quantity_name(check.quantity));
  if (!list) return out + " " + (values.empty() ? "\"\"" : values.front());
  out += " (";
  for (size_t i = 0; i < values.size(); ++i) out += (i == 0 ? "" : ", ") + values[i];
  return out + ")";
}

void each_check(const Tree& tree, std::set<std::string>& fields, std::set<std::string>& absent) {
  for (const TreePtr& child : tree.children) each_check(*child, fields, absent);
  if (!tree.is(Tree::Kind::check)) return;
  const auto note = [&](const FieldUse& use) {
    fields.insert(use.text());
    if (use.field->kinds.empty())
      absent.insert("no event has \"" + use.text() + "\" (" + std::string(use.field->about) + ")");
  };
  each_field(*tree.check->left, note);
  if (tree.check->right != nullptr) each_field(*tree.check->right, note);
}

}  // namespace

std::string spell(const TreePtr& tree) {
  switch (tree->kind) {
    case Tree::Kind::no:
      return "never";
    case Tree::Kind::yes:
      return "always";
    case Tree::Kind::check:
      return spelt(*tree->check);
    case Tree::Kind::negation: {
      const std::string inner = spell(tree->children.front());
      return tree->children.front()->is(Tree::Kind::check) ? "not " + inner : "not (" + inner + ")";
    }
    case Tree::Kind::all:
    case Tree::Kind::any:
      break;
  }
  std::string out;
  for (const TreePtr& child : tree->children) {
    if (!out.empty()) out += tree->is(Tree::Kind::all) ? " and " : " or ";
    const bool nested = child->is(Tree::Kind::all) || child->is(Tree::Kind::any);
    out += nested ? "(" + spell(child) + ")" : spell(child);
  }
  return out;
}

Explanation explain_condition(const std::string& rule, const TreePtr& condition) {
  Explanation out;
  out.rule = rule;
  out.condition = spell(condition);
  std::set<std::string> fields, absent;
  each_check(*condition, fields, absent);
  out.fields.assign(fields.begin(), fields.end());
  for (size_t k = 1; k < event_kind_count; ++k) {
    const auto kind = static_cast<EventKind>(k);
    if (kind_name(kind) == "none") continue;
    const TreePtr left = fold(condition, {kind, World::Outcome::any, 0});
    if (left->is(Tree::Kind::no)) continue;
    out.kinds.push_back({std::string(kind_name(kind)), spell(left), {}, {}, 1, left->cost});
  }
  derive_filter(condition, out.filter);
  if (!out.kinds.empty()) return out;
  out.never.assign(absent.begin(), absent.end());
  if (out.never.empty()) out.never.emplace_back("its checks exclude each other for every kind of event");
  return out;
}

}  // namespace shrike::scoring
