#include "scoring/rules/program.h"

#include <algorithm>

namespace shrike::scoring {

uint32_t Program::check_index(const CheckPtr& check, EventKind kind) {
  const auto [at, added] = check_index_.try_emplace(check->key, static_cast<uint32_t>(checks_.size()));
  if (!added) return at->second;
  const auto [slot, new_slot] = slot_index_.try_emplace(check->slot, static_cast<uint32_t>(slots_.size()));
  // A field this kind lacks was folded away, so it has a reader.
  if (new_slot) slots_.push_back({*reader_for(check->use, kind), check->transforms, {}});
  // Only what is cheap to read is read for every event.
  constexpr unsigned cheap = 2;
  const bool indexed = check->use.field->cost <= cheap && check->transforms.empty() &&
                       slots_[slot->second].index.add(*check, at->second);
  checks_.push_back({check, slot->second, indexed});
  return at->second;
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

// Checks of which one has to hold for `tree` to hold. False: there are none that can be looked up.
bool Program::guard_of(const TreePtr& tree, std::vector<uint32_t>& checks) const {
  switch (tree->kind) {
    case Tree::Kind::check: {
      const uint32_t check = check_index_.at(tree->check->key);
      if (checks_[check].indexed) checks.push_back(check);
      return checks_[check].indexed;
    }
    case Tree::Kind::all: {
      // A field that other rules have read already costs nothing more; then the fewest literals.
      std::vector<uint32_t> best;
      for (const TreePtr& child : tree->children) {
        std::vector<uint32_t> guard;
        if (!guard_of(child, guard)) continue;
        const auto fresh = [&](const std::vector<uint32_t>& all) {
          return std::count_if(all.begin(), all.end(),
                               [&](uint32_t check) { return !slots_[checks_[check].slot].guards; });
        };
        if (best.empty() || fresh(guard) < fresh(best)) best = std::move(guard);
      }
      checks.insert(checks.end(), best.begin(), best.end());
      return !best.empty();
    }
    case Tree::Kind::any:
      return std::all_of(tree->children.begin(), tree->children.end(),
                         [&](const TreePtr& child) { return guard_of(child, checks); });
    case Tree::Kind::no:
    case Tree::Kind::yes:
    case Tree::Kind::negation:
      return false;
  }
  return false;
}

void Program::add(uint32_t rule, const TreePtr& condition, EventKind kind) {
  Entry entry{rule, emit(condition, accept, reject, kind), {}};
  if (!guard_of(condition, entry.guard)) entry.guard.clear();
  for (const uint32_t check : entry.guard) slots_[checks_[check].slot].guards = true;
  rules_.push_back(std::move(entry));
}

void Program::finish() {
  initial_.assign(checks_.size(), 0);
  guarded_.resize(checks_.size());
  always_.assign((rules_.size() + 63) / 64, 0);
  for (uint32_t slot = 0; slot < slots_.size(); ++slot) {
    if (!slots_[slot].guards) continue;
    guard_slots_.push_back(slot);
    slots_[slot].index.finish();
    for (const uint32_t check : slots_[slot].index.checks()) initial_[check] = 1;
  }
  for (uint32_t i = 0; i < rules_.size(); ++i) {
    for (const uint32_t check : rules_[i].guard) guarded_[check].push_back(i);
    if (rules_[i].guard.empty()) always_[i / 64] |= uint64_t{1} << (i % 64);
  }
}

void Program::begin(const Context& context, Scratch& scratch) const {
  scratch.arena.reset();
  scratch.values.clear();
  scratch.candidates.clear();
  std::copy(initial_.begin(), initial_.end(), scratch.known.begin());
  std::fill_n(scratch.slot_end.begin(), slots_.size(), UINT32_MAX);
  std::copy(always_.begin(), always_.end(), scratch.wanted.begin());
  for (const uint32_t slot : guard_slots_) {
    read(slot, context, scratch);
    const uint32_t first = scratch.slot_begin[slot];
    slots_[slot].index.find({scratch.values.data() + first, scratch.slot_end[slot] - first}, scratch.candidates);
  }
  for (const uint32_t check : scratch.candidates) {
    scratch.known[check] = 0;
    for (const uint32_t rule : guarded_[check]) scratch.wanted[rule / 64] |= uint64_t{1} << (rule % 64);
  }
}

bool Program::holds(uint32_t at, const Context& context, Scratch& scratch) const {
  while (at < reject) {
    const Instruction& instruction = code_[at];
    const uint8_t known = scratch.known[instruction.check];
    const bool truth = known != 0 ? known == 2 : compute(instruction.check, context, scratch);
    at = truth ? instruction.on_true : instruction.on_false;
  }
  return at == accept;
}

void Program::read(uint32_t index, const Context& context, Scratch& scratch) const {
  const Slot& slot = slots_[index];
  const size_t begin = scratch.values.size();
  Values out(scratch.values);
  slot.reader.extract(context, slot.reader.index, out);
  const size_t end = scratch.values.size();
  if (!slot.transforms.empty()) transform(slot.transforms, {scratch.values.data() + begin, end - begin}, scratch.arena);
  scratch.slot_begin[index] = static_cast<uint32_t>(begin);
  scratch.slot_end[index] = static_cast<uint32_t>(end);
}

bool Program::compute(uint32_t check, const Context& context, Scratch& scratch) const {
  const BoundCheck& bound = checks_[check];
  if (scratch.slot_end[bound.slot] == UINT32_MAX) read(bound.slot, context, scratch);
  const uint32_t begin = scratch.slot_begin[bound.slot], end = scratch.slot_end[bound.slot];
  const bool truth = bound.check->holds({scratch.values.data() + begin, end - begin});
  scratch.known[check] = truth ? 2 : 1;
  return truth;
}

}  // namespace shrike::scoring
