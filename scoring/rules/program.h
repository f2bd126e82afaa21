#pragma once
// All rules of one kind of event as one list of checks and jumps: each check is done at most once per event, each
// field read at most once, and nothing is allocated.

#include <cstdint>
#include <string>
#include <unordered_map>
#include <vector>

#include "scoring/rules/tree.h"

namespace shrike::scoring {

/// What running programs writes into; kept between events so that nothing is allocated.
class Scratch {
 public:
  Arena arena;
  std::vector<Value> values;
  std::vector<uint32_t> slot_begin, slot_end;  // an end of UINT32_MAX: not read yet
  std::vector<uint8_t> known;                  // per check: 0 not done, 1 false, 2 true
};

class Program {
 public:
  /// Adds a rule whose condition, folded for `kind`, is not constantly false.
  void add(uint32_t rule, const TreePtr& condition, EventKind kind);
  [[nodiscard]] bool empty() const { return rules_.empty(); }
  [[nodiscard]] size_t check_count() const { return checks_.size(); }
  [[nodiscard]] size_t slot_count() const { return slots_.size(); }
  /// Calls `matched(rule)` for every rule that holds, in the order they were added.
  template <class Matched>
  void run(const Context& context, Scratch& scratch, const Matched& matched) const {
    if (rules_.empty()) return;
    begin(scratch);
    for (const Entry& entry : rules_)
      if (holds(entry.start, context, scratch)) matched(entry.rule);
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
  };
  struct BoundCheck {
    CheckPtr check;
    uint32_t slot;
  };
  struct Entry {
    uint32_t rule;
    uint32_t start;
  };

  uint32_t check_index(const CheckPtr& check, EventKind kind);
  /// Emits code that ends in one of the two targets; returns where it starts.
  uint32_t emit(const TreePtr& tree, uint32_t on_true, uint32_t on_false, EventKind kind);
  void begin(Scratch& scratch) const;
  bool holds(uint32_t at, const Context& context, Scratch& scratch) const;
  bool compute(uint32_t check, const Context& context, Scratch& scratch) const;

  std::vector<Instruction> code_;
  std::vector<BoundCheck> checks_;
  std::vector<Slot> slots_;
  std::vector<Entry> rules_;
  std::unordered_map<std::string, uint32_t> check_index_, slot_index_;  // by key, while rules are added
};

}  // namespace shrike::scoring
