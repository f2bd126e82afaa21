#include "scoring/rules/program.h"

#include <algorithm>
#include <array>

namespace shrike::scoring {

void Scratch::next() {
  arena.reset();
  values.clear();
  // 31 bits, because `known` keeps the truth in the lowest one.
  if (++epoch < UINT32_MAX / 2) return;
  epoch = 1;
  slots.assign(slots.size(), {});
  known.assign(known.size(), 0);
  candidate.assign(candidate.size(), 0);
}

void Program::begin(const Context& context, Scratch& scratch) const {
  scratch.next();
  std::copy(all_.begin(), all_.end(), scratch.wanted.begin());
  for (const Gate& gate : gates_) {
    uint64_t needed = 0;
    for (size_t word = 0; word < all_.size(); ++word) needed |= scratch.wanted[word] & gate.rules[word];
    if (needed == 0 || truth(gate.check, context, scratch) == gate.wanted) continue;
    for (size_t word = 0; word < all_.size(); ++word) scratch.wanted[word] &= ~gate.rules[word];
  }
  pass_guards(context, scratch);
}

void Program::pass_guards(const Context& context, Scratch& scratch) const {
  const size_t words = all_.size();
  if (guards_.empty()) return;
  std::fill_n(scratch.passed.begin(), words, 0);
  for (const Guard& guard : guards_) {
    uint64_t needed = 0;
    for (size_t word = 0; word < words; ++word) needed |= scratch.wanted[word] & guard.rules[word];
    if (needed == 0) continue;
    const Given values = given(guard.slot, context, scratch);
    scratch.slots[guard.slot].searched = scratch.epoch;
    scratch.found.clear();
    guard.index.find(values, scratch.arena, scratch.found);
    for (const uint32_t check : scratch.found) {
      scratch.candidate[check] = scratch.epoch;
      for (const uint32_t rule : guarded_[check]) scratch.passed[rule / 64] |= uint64_t{1} << (rule % 64);
    }
  }
  for (size_t word = 0; word < words; ++word) scratch.wanted[word] &= scratch.passed[word] | ~guarded_rules_[word];
}

bool Program::holds(uint32_t at, const Context& context, Scratch& scratch) const {
  while (at < reject) {
    const Instruction& instruction = code_[at];
    at = truth(instruction.check, context, scratch) ? instruction.on_true : instruction.on_false;
  }
  return at == accept;
}

bool Program::compute(uint32_t check, const Context& context, Scratch& scratch) const {
  const BoundCheck& bound = checks_[check];
  bool truth = false;
  // What an index has not found cannot hold.
  const bool excluded = bound.indexed && scratch.slots[bound.index_slot].searched == scratch.epoch &&
                        scratch.candidate[check] != scratch.epoch;
  if (!excluded) {
    // Reading the right side may move the values of the left one.
    const Given other = bound.right == none ? Given{} : given(bound.right, context, scratch);
    const Given left = given(bound.left, context, scratch);
    truth = bound.check->holds(left, bound.right == none ? other : given(bound.right, context, scratch));
  }
  scratch.known[check] = scratch.epoch << 1 | static_cast<uint32_t>(truth);
  return truth;
}

Given Program::given(uint32_t index, const Context& context, Scratch& scratch) const {
  const Scratch::Slot& slot = scratch.slots[index];
  if (slot.epoch != scratch.epoch) read(index, context, scratch);
  if (slot.missing) return {};
  return slot.begin == slot.end ? Given(&nothing_in_it, 0)
                                : Given(scratch.values.data() + slot.begin, slot.end - slot.begin);
}

void Program::read(uint32_t index, const Context& context, Scratch& scratch) const {
  const Slot& slot = slots_[index];
  Scratch::Slot& now = scratch.slots[index];
  size_t begin = scratch.values.size();
  bool present = true;
  if (slot.operand->is_field()) {
    Values out(scratch.values);
    slot.reader.extract(context, slot.reader.index, out);
    present = scratch.values.size() != begin;
  } else if (slot.operand->kind == Operand::Kind::text) {
    scratch.values.push_back({slot.operand->text, 0});
  } else {
    std::array<Given, operand_parts_max> parts;
    for (const uint32_t part : slot.parts) static_cast<void>(given(part, context, scratch));
    for (size_t i = 0; i < slot.parts.size(); ++i) parts[i] = given(slot.parts[i], context, scratch);
    scratch.made.clear();
    present = apply(*slot.operand, {parts.data(), slot.parts.size()}, context.arena, scratch.made);
    begin = scratch.values.size();
    scratch.values.insert(scratch.values.end(), scratch.made.begin(), scratch.made.end());
  }
  now.begin = static_cast<uint32_t>(begin);
  now.end = static_cast<uint32_t>(scratch.values.size());
  now.missing = !present;
  now.epoch = scratch.epoch;
}

}  // namespace shrike::scoring
