#include "scoring/rules/program.h"

#include <algorithm>

namespace shrike::scoring {

uint32_t Program::check_index(const CheckPtr& check, EventKind kind) {
  const auto [at, added] = check_index_.try_emplace(check->key, static_cast<uint32_t>(checks_.size()));
  if (!added) return at->second;
  const auto [slot, new_slot] = slot_index_.try_emplace(check->slot, static_cast<uint32_t>(slots_.size()));
  // A field this kind lacks was folded away, so it has a reader.
  if (new_slot) slots_.push_back({*reader_for(check->use, kind), check->transforms});
  checks_.push_back({check, slot->second});
  return at->second;
}

// Later operands are emitted first, so that every jump goes to a place already known.
uint32_t Program::emit(const TreePtr& tree, uint32_t on_true, uint32_t on_false, EventKind kind) {
  switch (tree->kind) {
    case Tree::Kind::no: return on_false;
    case Tree::Kind::yes: return on_true;
    case Tree::Kind::negation: return emit(tree->children.front(), on_false, on_true, kind);
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

void Program::add(uint32_t rule, const TreePtr& condition, EventKind kind) {
  rules_.push_back({rule, emit(condition, accept, reject, kind)});
}

void Program::begin(Scratch& scratch) const {
  scratch.arena.reset();
  scratch.values.clear();
  std::fill_n(scratch.known.begin(), checks_.size(), 0);
  std::fill_n(scratch.slot_end.begin(), slots_.size(), UINT32_MAX);
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

bool Program::compute(uint32_t check, const Context& context, Scratch& scratch) const {
  const BoundCheck& bound = checks_[check];
  uint32_t begin = scratch.slot_begin[bound.slot];
  uint32_t end = scratch.slot_end[bound.slot];
  if (end == UINT32_MAX) {
    const Slot& slot = slots_[bound.slot];
    begin = static_cast<uint32_t>(scratch.values.size());
    Values out(scratch.values);
    slot.reader.extract(context, slot.reader.index, out);
    end = static_cast<uint32_t>(scratch.values.size());
    if (!slot.transforms.empty()) transform(slot.transforms, {scratch.values.data() + begin, end - begin}, scratch.arena);
    scratch.slot_begin[bound.slot] = begin;
    scratch.slot_end[bound.slot] = end;
  }
  const bool truth = bound.check->holds({scratch.values.data() + begin, end - begin});
  scratch.known[check] = truth ? 2 : 1;
  return truth;
}

}  // namespace shrike::scoring
