#pragma once
// All rules of one kind of event in one form: each check is done at most once per event, each field read at most once,
// and nothing is allocated. Which rules are begun at all is decided for all of them together:
//
// 1. gates: a check that many rules need (opened for writing, in a container) removes them all when it does not hold;
// 2. guards: a rule that cannot hold unless one of some literals stands in a field is begun only when a LiteralIndex
//    has found one in its single pass over that field;
// 3. what is left of the rule is a list of checks and jumps.

#include <array>
#include <bit>
#include <cstdint>
#include <map>
#include <string>
#include <unordered_map>
#include <vector>

#include "scoring/rules/literal_index.h"
#include "scoring/rules/tree.h"

namespace shrike::scoring {

/// What running programs writes into; kept between events so that nothing is allocated. What is older than `epoch`
/// does not count, so that nothing has to be cleared either.
class Scratch {
 public:
  struct Slot {
    uint32_t epoch = 0;     // of the event it was read in
    uint32_t searched = 0;  // of the event its index was searched in
    uint32_t begin = 0, end = 0;
    bool missing = false;
  };
  // How often a gate was asked and how often it closed: one that seldom closes is not asked first.
  struct GateUse {
    uint16_t asked = 0, closed = 0;
  };
  // What an index found in a text it was asked about before: programs and paths come again and again.
  struct Memo {
    uint64_t hash = 0;
    uint16_t size = UINT16_MAX;  // of the text; UINT16_MAX: nothing here yet
    uint16_t count = 0;
    std::array<uint32_t, 7> found{};
    std::array<char, 88> text{};  // 128 bytes together
  };
  static constexpr size_t memos_per_guard = 256;
  std::vector<Memo> memos;
  Arena arena;
  std::vector<Value> values;
  std::vector<Value> made;
  std::vector<GateUse> gates;
  std::vector<Slot> slots;
  std::vector<uint32_t> known;      // per check: epoch << 1 | truth
  std::vector<uint32_t> candidate;  // per check: epoch in which its index found it
  std::vector<uint32_t> found;
  std::vector<uint64_t> wanted, passed;  // bit per rule
  uint32_t epoch = 0;

  /// To be called before each event.
  void next();
};

/// How one rule of a Program is chosen: for `rules explain`.
struct Selection {
  std::vector<std::string> gates;  ///< checks, spelt
  std::vector<std::string> guard;  ///< checks of which one has to be found
  double weight = 1;               ///< how often it is begun, roughly: 1 is every event
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
  /// Takes a part of Scratch::gates and Scratch::memos for itself. To be called once, behind finish().
  void take_room(Scratch& scratch);
  /// How the rule given to add() under that number is chosen; only behind finish().
  [[nodiscard]] Selection selection(uint32_t rule) const;
  /// Calls `matched(rule)` for every rule that holds, in the order they were added. It returns false to stop.
  template <class Matched>
  void run(const Context& context, Scratch& scratch, const Matched& matched) const {
    if (rules_.empty()) return;
    begin(context, scratch);
    for (size_t word = 0; word < all_.size(); ++word)
      for (uint64_t bits = scratch.wanted[word]; bits != 0; bits &= bits - 1) {
        const Entry& entry = rules_[word * 64 + static_cast<size_t>(std::countr_zero(bits))];
        if (holds(entry.start, context, scratch) && !matched(entry.rule)) return;
      }
  }

 private:
  using Mask = std::vector<uint64_t>;  // bit per rule
  // Jump targets: an instruction's place, or one of these.
  static constexpr uint32_t accept = UINT32_MAX, reject = UINT32_MAX - 1;
  static constexpr uint32_t none = UINT32_MAX;
  struct Instruction {
    uint32_t check;
    uint32_t on_true;
    uint32_t on_false;
  };
  struct Slot {
    OperandPtr operand;
    Reader reader;                // field
    std::vector<uint32_t> parts;  // call
  };
  struct BoundCheck {
    CheckPtr check;
    uint32_t left;
    uint32_t right = none;
    uint32_t index_slot = none;  // whose index knows its literals
    uint8_t place = 0;           // of index_slot in its guard
    bool indexed = false;        // and is there
    double weight = 1;
  };
  struct Entry {
    uint32_t rule;
    TreePtr condition;
    uint32_t start = 0;
    std::vector<uint32_t> guard;  // one of these checks has to hold; empty: nothing so simple is known
    double weight = 1;
  };
  struct Gate {
    uint32_t check;
    bool wanted;  // what rules want it to be
    Mask rules;   // that do
  };
  // Fields that mostly have the same text in one event, such as a path as it was given and the object's real one, share
  // an index, and one pass is enough where they do.
  static constexpr size_t slots_max = 4;
  struct Guard {
    std::vector<uint32_t> slots;
    LiteralIndex index;
    Mask rules;  // that it guards
    unsigned cost = 0;
  };

  uint32_t slot_of(const OperandPtr& operand, EventKind kind);
  uint32_t check_index(const CheckPtr& check, EventKind kind);
  /// Emits code that ends in one of the two targets; returns where it starts.
  uint32_t emit(const TreePtr& tree, uint32_t on_true, uint32_t on_false, EventKind kind);
  [[nodiscard]] std::vector<uint32_t> guard_of(const TreePtr& tree, double& weight) const;
  void make_gates();
  void make_guards();
  void add_to(Guard& guard, uint32_t slot, const std::vector<uint32_t>& rules);
  std::map<uint32_t, std::vector<uint32_t>> choose_guards();
  void read(uint32_t slot, const Context& context, Scratch& scratch) const;
  [[nodiscard]] Given given(uint32_t slot, const Context& context, Scratch& scratch) const;
  void begin(const Context& context, Scratch& scratch) const;
  void pass_gates(const Context& context, Scratch& scratch) const;
  void pass_guards(const Context& context, Scratch& scratch) const;
  void search_all(const Guard& guard, const Context& context, Scratch::Memo* memos, Scratch& scratch) const;
  void search(const Guard& guard, Given values, Scratch::Memo* memos, Scratch& scratch) const;
  bool holds(uint32_t at, const Context& context, Scratch& scratch) const;
  bool truth(uint32_t check, const Context& context, Scratch& scratch) const {
    const uint32_t known = scratch.known[check];
    return known >> 1 == scratch.epoch ? (known & 1) != 0 : compute(check, context, scratch);
  }
  bool compute(uint32_t check, const Context& context, Scratch& scratch) const;

  std::vector<Instruction> code_;
  std::vector<BoundCheck> checks_;
  std::vector<Slot> slots_;
  std::vector<Entry> rules_;
  std::vector<Gate> gates_;
  std::vector<Guard> guards_;
  size_t first_gate_ = 0, first_memo_ = 0;
  Mask all_, guarded_rules_;
  std::vector<bool> refused_;                   // per slot: not worth an index, while guards are chosen
  std::vector<std::vector<uint32_t>> guarded_;  // per check: rules it guards
  std::unordered_map<std::string, uint32_t> check_index_, slot_index_;  // by key
};

}  // namespace shrike::scoring
