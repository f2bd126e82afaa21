#pragma once

#include <limits>
#include <span>
#include <vector>

#include "scoring/sequence/trace.h"

namespace shrike::scoring::sequence {

/// Which runs of one to `order` calls were seen, and in how many traces: a trace counts once for each n-gram in it, so
/// that one long trace, or one that repeats itself to poison a profile, weighs no more than any other. A tree with the
/// calls of an n-gram along the path from the root.
class NgramCounts {
 public:
  static constexpr size_t order = 10;
  static constexpr uint32_t root = 0;
  static constexpr uint32_t none = std::numeric_limits<uint32_t>::max();
  static constexpr uint32_t max_count = 1u << 30;  ///< in what is merged or read; learning cannot get past 2^32

  struct Node {
    uint32_t parent = none;
    uint32_t count = 0;       ///< traces with this n-gram
    uint32_t total = 0;       ///< sum of the children's counts
    uint32_t kinds = 0;       ///< children whose count is not 0
    uint32_t last_trace = 0;  ///< the trace that counted it last
    uint16_t epoch = 0;       ///< when it was last seen
    Call call = 0;
    uint8_t depth = 0;
  };

  /// At most `limit` n-grams are kept (44 bytes each or less); what is new beyond that is refused and counted.
  explicit NgramCounts(size_t limit = 4u << 20);

  /// Counts the n-grams of one more trace, seen in `epoch`. Cost: about 1 us a call.
  void add(std::span<const Call> trace, uint16_t epoch);
  /// Takes a trace that was added out again, for leaving it out of its own judgement; `restore` is the way back.
  void remove(std::span<const Call> trace);
  void restore(std::span<const Call> trace);

  /// The longer n-gram, or `none`; one whose count is 0 was taken out and does not count as seen.
  [[nodiscard]] uint32_t child(uint32_t node, Call call) const;
  /// The node of an n-gram, or `none` where it was never seen (or is longer than `order`).
  [[nodiscard]] uint32_t find(std::span<const Call> ngram) const;
  [[nodiscard]] const Node& node(uint32_t index) const { return nodes_[index]; }
  /// Nodes, the root included; a parent has a lower index than its children.
  [[nodiscard]] size_t size() const { return nodes_.size(); }
  [[nodiscard]] uint64_t refused() const { return refused_; }

  /// Probability of `call` after each of `active`, the nodes of the last 0, 1, 2 ... calls: interpolated Witten-Bell.
  /// (Witten, Bell 1991: the mass of what a context never had follows from how many kinds of calls it had.)
  [[nodiscard]] double probability(std::span<const uint32_t> active, Call call) const;

  /// Puts one n-gram in with a count, as a merge or a file has it. False: no room, or the counts contradict the parent.
  bool put(uint32_t parent, Call call, uint32_t count, uint16_t epoch);
  /// A copy without the n-grams last seen before `epoch`.
  [[nodiscard]] NgramCounts since(uint16_t epoch) const;
  /// Counts of `other`, its epochs moved by `epoch_shift`, on top of these.
  void merge(const NgramCounts& other, int epoch_shift);

 private:
  uint32_t child_or_new(uint32_t node, Call call);
  void grow();
  [[nodiscard]] size_t slot_of(uint32_t parent, Call call) const;
  template <class Visit>
  void each_distinct(std::span<const Call> trace, Visit visit);

  size_t limit_;
  uint64_t refused_ = 0;
  uint32_t trace_serial_ = 0;
  std::vector<Node> nodes_;
  std::vector<uint32_t> slots_;  ///< open addressing; `none` is free
};

/// The nodes of the last 0, 1, 2 ... calls of a trace that is being read: what NgramCounts::probability() wants.
class ActiveNodes {
 public:
  void reset() { size_ = 1; }
  void push(const NgramCounts& counts, Call call);
  [[nodiscard]] std::span<const uint32_t> nodes() const { return {nodes_, size_}; }

 private:
  uint32_t nodes_[NgramCounts::order] = {NgramCounts::root};
  size_t size_ = 1;
};

}  // namespace shrike::scoring::sequence
