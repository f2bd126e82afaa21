// How a Program is put together: checks shared, code emitted, gates and guards chosen.

#include <algorithm>
#include <map>
#include <set>

#include "scoring/rules/explain.h"
#include "scoring/rules/program.h"

namespace shrike::scoring {
namespace {

constexpr size_t gates_max = 12;
constexpr unsigned gate_cost_max = 4;
constexpr double often = 0.3;  // per literal: what is found that often guards nothing

void set_bit(std::vector<uint64_t>& mask, uint32_t at) { mask[at / 64] |= uint64_t{1} << (at % 64); }

// The operand whose text a check's literals stand in, and what part of it the check sees: fd.filename is the last part
// of fd.name, basename(x) that of x, and case does not matter to an index.
OperandPtr text_of(const OperandPtr& operand, LiteralIndex::Part& part) {
  using Part = LiteralIndex::Part;
  part = Part::whole;
  if (operand->kind == Operand::Kind::call) {
    if (operand->function == Function::tolower || operand->function == Function::toupper)
      return text_of(operand->parts.front(), part);
    if (operand->function == Function::basename && operand->parts.front()->is_field()) {
      part = Part::last;
      return operand->parts.front();
    }
    return operand;
  }
  if (!operand->is_field()) return operand;
  struct Same {
    std::string_view name, of;
    Part part;
  };
  static constexpr Same parts[] = {{"fd.filename", "fd.name", Part::last},
                                   {"fd.directory", "fd.name", Part::directory},
                                   {"fd.realfilename", "fd.realpath", Part::last},
                                   {"fd.realdirectory", "fd.realpath", Part::directory}};
  for (const Same& same : parts) {
    if (operand->use.field->name != same.name) continue;
    Expression whole;
    whole.text = same.of;
    auto bound = bind_operand(whole);
    part = same.part;
    return std::get<OperandPtr>(std::move(bound));
  }
  return operand;
}

// Whether a check of the text that text_of() gives is the same for all cases of its letters.
bool ignores_case(const Check& check) {
  return check.op == Operator::icontains ||
         (check.left->kind == Operand::Kind::call && check.left->function == Function::tolower &&
          check.left->parts.front()->is_field());
}

// Fields of one family mostly have the same text in one event; empty: of none.
std::string_view family_of(const Operand& operand) {
  if (!operand.is_field()) return {};
  const std::string_view name = operand.use.field->name;
  if (name == "fd.name" || name == "fs.path.name" || name == "fd.realpath") return "path";
  if (name == "proc.exepath" || (name == "evt.arg" && operand.use.argument == "filename")) return "program";
  return {};
}

std::string spelt(const CheckPtr& check) {
  auto leaf = std::make_shared<Tree>();
  leaf->kind = Tree::Kind::check;
  leaf->check = check;
  return spell(leaf);
}

}  // namespace

uint32_t Program::slot_of(const OperandPtr& operand, EventKind kind) {
  const auto found = slot_index_.find(operand->key);
  if (found != slot_index_.end()) return found->second;
  Slot slot{operand, {}, {}};
  // A field this kind lacks was folded away, so it has a reader.
  if (operand->is_field()) slot.reader = *reader_for(operand->use, kind);
  for (const OperandPtr& part : operand->parts) slot.parts.push_back(slot_of(part, kind));
  slots_.push_back(std::move(slot));
  return slot_index_[operand->key] = static_cast<uint32_t>(slots_.size() - 1);
}

uint32_t Program::check_index(const CheckPtr& check, EventKind kind) {
  const auto [at, added] = check_index_.try_emplace(check->key, static_cast<uint32_t>(checks_.size()));
  if (!added) return at->second;
  const uint32_t index = at->second;
  checks_.push_back({check, slot_of(check->left, kind)});
  if (check->right != nullptr) checks_[index].right = slot_of(check->right, kind);
  LiteralIndex::Part part{};
  const OperandPtr text = text_of(check->left, part);
  LiteralIndex trial;
  double weight = 0;
  if (has_fields(*text, kind) && trial.add(*check, part, false, index, weight)) {
    checks_[index].index_slot = slot_of(text, kind);
    checks_[index].weight = weight;
  }
  return index;
}

// Later operands are emitted first, so that every jump goes to a place already known.
uint32_t Program::emit(const TreePtr& tree, uint32_t on_true, uint32_t on_false, EventKind kind) {
  switch (tree->kind) {
    case Tree::Kind::no:
      return on_false;
    case Tree::Kind::yes:
      return on_true;
    case Tree::Kind::negation:
      return emit(tree->children.front(), on_false, on_true, kind);
    case Tree::Kind::check:
      code_.push_back({check_index(tree->check, kind), on_true, on_false});
      return static_cast<uint32_t>(code_.size() - 1);
    case Tree::Kind::all:
      for (size_t i = tree->children.size(); i-- > 0;) on_true = emit(tree->children[i], on_true, on_false, kind);
      return on_true;
    case Tree::Kind::any:
      for (size_t i = tree->children.size(); i-- > 0;) on_false = emit(tree->children[i], on_true, on_false, kind);
      return on_false;
  }
  return on_false;
}

// Checks of which one has to hold for `tree` to hold; empty: there are none that can be looked up. `weight`: how often
// one of them is found, and what reading its field costs.
std::vector<uint32_t> Program::guard_of(const TreePtr& tree, double& weight) const {
  switch (tree->kind) {
    case Tree::Kind::check: {
      const uint32_t check = check_index_.at(tree->check->key);
      const BoundCheck& bound = checks_[check];
      const auto literals = static_cast<double>(std::max(bound.check->texts.size(), bound.check->numbers.size()));
      if (bound.index_slot == none || bound.weight > often * literals || refused_[bound.index_slot]) return {};
      weight = bound.weight + 0.02 * slots_[bound.index_slot].operand->cost;
      return {check};
    }
    case Tree::Kind::all: {
      std::vector<uint32_t> best;
      double best_weight = 0;
      for (const TreePtr& child : tree->children) {
        double now = 0;
        auto guard = guard_of(child, now);
        if (guard.empty() || (!best.empty() && best_weight <= now)) continue;
        best = std::move(guard);
        best_weight = now;
      }
      weight = best_weight;
      return best;
    }
    case Tree::Kind::any: {
      std::vector<uint32_t> all;
      weight = 0;
      for (const TreePtr& child : tree->children) {
        double now = 0;
        const auto guard = guard_of(child, now);
        if (guard.empty()) return {};
        all.insert(all.end(), guard.begin(), guard.end());
        weight += now;
      }
      return all;
    }
    default:
      return {};
  }
}

void Program::add(uint32_t rule, const TreePtr& condition, EventKind kind) {
  const uint32_t start = emit(condition, accept, reject, kind);
  rules_.push_back({rule, condition, start, {}, 1});
}

// Reading and searching a field costs as much as beginning a few rules: one that guards fewer is not searched, and its
// rules get another guard or none.
std::map<uint32_t, std::vector<uint32_t>> Program::choose_guards() {
  refused_.assign(slots_.size(), false);
  for (;;) {
    std::map<uint32_t, std::vector<uint32_t>> rules_of_slot;
    for (uint32_t i = 0; i < rules_.size(); ++i) {
      Entry& entry = rules_[i];
      entry.guard = guard_of(entry.condition, entry.weight);
      if (entry.guard.empty()) entry.weight = 1;
      std::set<uint32_t> slots;
      for (const uint32_t check : entry.guard) slots.insert(checks_[check].index_slot);
      for (const uint32_t slot : slots) rules_of_slot[slot].push_back(i);
    }
    double worst = 0;
    uint32_t refused = none;
    for (const auto& [slot, rules] : rules_of_slot) {
      const double missing = 3 + slots_[slot].operand->cost / 2.0 - static_cast<double>(rules.size());
      if (missing > worst) worst = missing, refused = slot;
    }
    if (refused == none) return rules_of_slot;
    refused_[refused] = true;
  }
}

void Program::make_guards() {
  const auto rules_of_slot = choose_guards();
  guarded_.resize(checks_.size());
  for (uint32_t i = 0; i < rules_.size(); ++i) {
    if (!rules_[i].guard.empty()) set_bit(guarded_rules_, i);
    for (const uint32_t check : rules_[i].guard) guarded_[check].push_back(i);
  }
  std::map<std::string_view, size_t> guard_of_family;
  for (const auto& [slot, rules] : rules_of_slot) {
    const std::string_view family = family_of(*slots_[slot].operand);
    size_t at = guards_.size();
    if (!family.empty()) at = guard_of_family.try_emplace(family, at).first->second;
    if (at < guards_.size() && guards_[at].slots.size() == slots_max) at = guards_.size();
    if (at == guards_.size()) guards_.push_back({{}, {}, Mask(all_.size())});
    add_to(guards_[at], slot, rules);
  }
  for (Guard& guard : guards_) guard.index.finish();
  // Those that are cheap to read first: they may leave nothing to the others.
  std::stable_sort(guards_.begin(), guards_.end(), [](const Guard& a, const Guard& b) { return a.cost < b.cost; });
}

void Program::add_to(Guard& guard, uint32_t slot, const std::vector<uint32_t>& rules) {
  const auto place = static_cast<uint8_t>(guard.slots.size());
  guard.slots.push_back(slot);
  guard.cost = std::max<unsigned>(guard.cost, slots_[slot].operand->cost);
  for (const uint32_t rule : rules) set_bit(guard.rules, rule);
  // Every check of that field goes in: what is not found need not be asked, in whatever rule it stands.
  for (uint32_t i = 0; i < checks_.size(); ++i) {
    BoundCheck& bound = checks_[i];
    if (bound.index_slot != slot) continue;
    LiteralIndex::Part part{};
    static_cast<void>(text_of(bound.check->left, part));
    double weight = 0;
    bound.indexed = guard.index.add(*bound.check, part, ignores_case(*bound.check), i, weight);
    bound.place = place;
  }
}

void Program::make_gates() {
  std::map<std::pair<uint32_t, bool>, std::vector<uint32_t>> needed_by;
  for (uint32_t i = 0; i < rules_.size(); ++i) {
    const Tree& tree = *rules_[i].condition;
    const auto consider = [&](const Tree& child) {
      const bool negated = child.is(Tree::Kind::negation);
      const Tree& inner = negated ? *child.children.front() : child;
      if (!inner.is(Tree::Kind::check)) return;
      const uint32_t check = check_index_.at(inner.check->key);
      if (checks_[check].check->cost > gate_cost_max || checks_[check].indexed) return;
      needed_by[{check, !negated}].push_back(i);
    };
    if (tree.is(Tree::Kind::all)) {
      for (const TreePtr& child : tree.children) consider(*child);
    } else {
      consider(tree);
    }
  }
  for (const auto& [check, rules] : needed_by) {
    // One rule alone begins with its cheapest check anyhow.
    if (rules.size() < 2) continue;
    Gate gate{check.first, check.second, Mask(all_.size())};
    for (const uint32_t rule : rules) set_bit(gate.rules, rule);
    gates_.push_back(std::move(gate));
  }
  const auto count = [](const Gate& gate) {
    int bits = 0;
    for (const uint64_t word : gate.rules) bits += std::popcount(word);
    return bits;
  };
  std::stable_sort(gates_.begin(), gates_.end(), [&](const Gate& a, const Gate& b) { return count(a) > count(b); });
  if (gates_.size() > gates_max) gates_.resize(gates_max);
}

void Program::finish() {
  all_.assign((rules_.size() + 63) / 64, 0);
  guarded_rules_ = all_;
  for (uint32_t i = 0; i < rules_.size(); ++i) set_bit(all_, i);
  make_guards();
  make_gates();
}

Selection Program::selection(uint32_t rule) const {
  Selection out;
  for (uint32_t i = 0; i < rules_.size(); ++i) {
    if (rules_[i].rule != rule) continue;
    for (const Gate& gate : gates_)
      if ((gate.rules[i / 64] >> (i % 64) & 1) != 0)
        out.gates.push_back((gate.wanted ? "" : "not ") + spelt(checks_[gate.check].check));
    for (const uint32_t check : rules_[i].guard) out.guard.push_back(spelt(checks_[check].check));
    out.weight = rules_[i].weight;
  }
  return out;
}

}  // namespace shrike::scoring
