#include "scoring/rules/program.h"

#include <algorithm>
#include <array>
#include <cstring>

namespace shrike::scoring {

namespace {

// Eight characters at a time; who equals whom is decided by comparing. Not empty.
uint64_t long_hash(std::string_view text) {
  uint64_t hash = text.size() * 0x9e3779b97f4a7c15u;
  const auto mix = [&](const char* at, size_t size) {
    uint64_t word = 0;
    std::memcpy(&word, at, size);
    hash = (hash ^ word) * 0xff51afd7ed558ccdu;
    hash ^= hash >> 32;
  };
  const char* at = text.data();
  size_t left = text.size();
  for (; left > 8; at += 8, left -= 8) mix(at, 8);
  if (text.size() >= 8) {
    mix(text.data() + text.size() - 8, 8);
  } else {
    mix(at, left);
  }
  return hash;
}

}  // namespace

void Program::take_room(Scratch& scratch) {
  first_gate_ = scratch.gates.size();
  scratch.gates.resize(first_gate_ + gates_.size());
  first_memo_ = scratch.memos.size();
  scratch.memos.resize(first_memo_ + guards_.size() * Scratch::memos_per_guard);
}

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
  pass_gates(context, scratch);
  pass_guards(context, scratch);
}

void Program::pass_gates(const Context& context, Scratch& scratch) const {
  const size_t words = all_.size();
  constexpr uint16_t trial = 64, again = 4096;
  Scratch::GateUse* use = scratch.gates.data() + first_gate_;
  for (const Gate& gate : gates_) {
    Scratch::GateUse& now = *use++;
    if (++now.asked >= again) now = {};
    if (now.asked > trial && now.closed * 8 < trial) continue;
    uint64_t needed = 0;
    for (size_t word = 0; word < words; ++word) needed |= scratch.wanted[word] & gate.rules[word];
    if (needed == 0 || truth(gate.check, context, scratch) == gate.wanted) continue;
    if (now.asked <= trial) ++now.closed;
    for (size_t word = 0; word < words; ++word) scratch.wanted[word] &= ~gate.rules[word];
  }
}

void Program::pass_guards(const Context& context, Scratch& scratch) const {
  const size_t words = all_.size();
  if (guards_.empty()) return;
  std::fill_n(scratch.passed.begin(), words, 0);
  Scratch::Memo* memos = scratch.memos.data() + first_memo_ - Scratch::memos_per_guard;
  for (const Guard& guard : guards_) {
    memos += Scratch::memos_per_guard;
    uint64_t needed = 0;
    for (size_t word = 0; word < words; ++word) needed |= scratch.wanted[word] & guard.rules[word];
    if (needed != 0) search_all(guard, context, memos, scratch);
  }
  for (size_t word = 0; word < words; ++word) scratch.wanted[word] &= scratch.passed[word] | ~guarded_rules_[word];
}

void Program::search_all(const Guard& guard, const Context& context, Scratch::Memo* memos, Scratch& scratch) const {
  const size_t count = guard.slots.size();
  // Reading one may move the values of those before.
  for (const uint32_t slot : guard.slots) static_cast<void>(given(slot, context, scratch));
  std::array<Given, slots_max> values;
  std::array<size_t, slots_max> first;  // the place of the first slot with the same text
  for (size_t i = 0; i < count; ++i) {
    values[i] = given(guard.slots[i], context, scratch);
    scratch.slots[guard.slots[i]].searched = scratch.epoch;
    first[i] = i;
    for (size_t j = 0; j < i && first[i] == i; ++j)
      if (values[i].size() == 1 && values[j].size() == 1 && values[i].front().text == values[j].front().text)
        first[i] = j;
  }
  for (size_t i = 0; i < count; ++i) {
    if (first[i] != i) continue;
    search(guard, values[i], memos, scratch);
    const bool one_text = values[i].size() == 1;
    for (const uint32_t number : scratch.found) {
      const uint32_t check = number & ~LiteralIndex::certain;
      if (first[checks_[check].place] != i) continue;
      scratch.candidate[check] = scratch.epoch;
      if (one_text && check != number) scratch.known[check] = scratch.epoch << 1 | 1;
      for (const uint32_t rule : guarded_[check]) scratch.passed[rule / 64] |= uint64_t{1} << (rule % 64);
    }
  }
}

void Program::search(const Guard& guard, Given values, Scratch::Memo* memos, Scratch& scratch) const {
  auto& found = scratch.found;
  found.clear();
  const std::string_view text = values.size() == 1 ? values.front().text : std::string_view{};
  if (text.empty() || text.size() > sizeof Scratch::Memo::text) return guard.index.find(values, scratch.arena, found);
  const uint64_t hash = long_hash(text);
  Scratch::Memo& memo = memos[hash % Scratch::memos_per_guard];
  if (memo.hash == hash && memo.size == text.size() && std::memcmp(memo.text.data(), text.data(), text.size()) == 0) {
    found.insert(found.end(), memo.found.begin(), memo.found.begin() + memo.count);
    return;
  }
  guard.index.find(values, scratch.arena, found);
  if (found.size() > memo.found.size()) return;
  memo.hash = hash;
  memo.size = static_cast<uint16_t>(text.size());
  memo.count = static_cast<uint16_t>(found.size());
  std::copy(found.begin(), found.end(), memo.found.begin());
  std::memcpy(memo.text.data(), text.data(), text.size());
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
    slot.reader.read(context, out);
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
