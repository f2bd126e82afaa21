#pragma once
// All rules of one kind of event as one list of checks and jumps: each check is done at most once per event, each
// field read at most once, and nothing is allocated. A rule that cannot hold unless one of some literals stands in a
// field (its guard) is not even begun until a LiteralIndex has found one, so that most rules cost nothing.

#include <bit>
#include <cstdint>
#include <string>
#include <unordered_map>
#include <vector>

#include "scoring/rules/literal_index.h"
#include "scoring/rules/tree.h"

namespace shrike::scoring {

/// What running programs writes into; kept between events so that nothing is allocated.
class Scratch {
 public:
  Arena arena;
  std::vector<Value> values;
  std::vector<uint32_t> slot_begin, slot_end;  // an end of UINT32_MAX: not read yet
  std::vector<uint8_t> known;                  // per check: 0 not done, 1 false, 2 true
  std::vector<uint32_t> candidates;
  std::vector<uint64_t> wanted;  // bit per rule
};

class Program {
 public:
  /// Adds a rule whose condition, folded for `kind`, is not constantly false.
  void add(uint32_t rule, const TreePtr& condition, EventKind kind);
  /// To be called once, behind the last add.
  void finish();
  [[nodiscard]] bool empty() const { return rules_.empty(); }
  [[nodiscard]] size_t check_count() const { return checks_.size(); }
  [[nodiscard]] size_t slot_count() const { return slots_.size(); }
  [[nodiscard]] size_t rule_count() const { return rules_.size(); }
  /// Calls `matched(rule)` for every rule that holds, in the order they were added.
  template <class Matched>
  void run(const Context& context, Scratch& scratch, const Matched& matched) const {
    if (rules_.empty()) return;
    begin(context, scratch);
    for (size_t word = 0; word < always_.size(); ++word)
      for (uint64_t bits = scratch.wanted[word]; bits != 0; bits &= bits - 1) {
        const Entry& entry = rules_[word * 64 + static_cast<size_t>(std::countr_zero(bits))];
        if (holds(entry.start, context, scratch)) matched(entry.rule);
      }
  }

 private:
  // Jump targets: an instruction's place, or one of these.
  static constexpr uint32_t accept = UINT32_MAX, reject = UINT32_MAX - 1;
  struct Instruction {
    uint32_t check;
    uint32_t on_true;
    uint32_t on_false;
  };
  struct Slot {
    Reader reader;
    std::vector<Transform> transforms;
    LiteralIndex index;
    bool guards = false;  ///< read before all rules
  };
  struct BoundCheck {
    CheckPtr check;
    uint32_t slot;
    bool indexed;
  };
  struct Entry {
    uint32_t rule;
    uint32_t start;
    std::vector<uint32_t> guard;  ///< one of these checks has to hold; empty: nothing so simple is known
  };

  uint32_t check_index(const CheckPtr& check, EventKind kind);
  /// Emits code that ends in one of the two targets; returns where it starts.
  uint32_t emit(const TreePtr& tree, uint32_t on_true, uint32_t on_false, EventKind kind);
  bool guard_of(const TreePtr& tree, std::vector<uint32_t>& checks) const;
  void read(uint32_t slot, const Context& context, Scratch& scratch) const;
  void begin(const Context& context, Scratch& scratch) const;
  bool holds(uint32_t at, const Context& context, Scratch& scratch) const;
  bool compute(uint32_t check, const Context& context, Scratch& scratch) const;

  std::vector<Instruction> code_;
  std::vector<BoundCheck> checks_;
  std::vector<Slot> slots_;
  std::vector<Entry> rules_;
  std::vector<uint8_t> initial_;  // Scratch::known before the first check: literals not found yet are false
  std::vector<uint64_t> always_;  // bit per rule: has no guard
  std::vector<std::vector<uint32_t>> guarded_;  // per check: rules it guards
  std::vector<uint32_t> guard_slots_;
  std::unordered_map<std::string, uint32_t> check_index_, slot_index_;  // by key, while rules are added
};

}  // namespace shrike::scoring
