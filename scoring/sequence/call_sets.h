#pragma once

#include <bitset>
#include <cstdint>
#include <map>
#include <span>
#include <vector>

#include "scoring/sequence/trace.h"

namespace shrike::scoring::sequence {

/// The distinct calls of a trace.
using CallSet = std::bitset<call_limit>;
CallSet set_of(std::span<const Call> trace);

/// A set that traces had.
struct KnownSet {
  CallSet calls;
  uint32_t count = 0;  ///< traces with exactly this set
  uint16_t epoch = 0;  ///< when it was last seen
};

/// The sets of distinct calls that were seen, and in how many traces each call was.
class KnownSets {
 public:
  /// At most `limit` different sets are kept; a new one beyond that only counts towards its calls, and as refused.
  explicit KnownSets(size_t limit = 8192) : limit_(limit) {}

  void add(const CallSet& calls, uint32_t count, uint16_t epoch);
  void merge(const KnownSets& other, int epoch_shift);
  /// A copy without the sets last seen before `epoch`.
  [[nodiscard]] KnownSets since(uint16_t epoch) const;

  [[nodiscard]] const std::vector<KnownSet>& sets() const { return sets_; }
  [[nodiscard]] uint64_t refused() const { return refused_; }
  /// Traces behind all this, and those of them with `call`.
  [[nodiscard]] uint32_t traces() const { return traces_; }
  [[nodiscard]] uint32_t traces_with(Call call) const { return traces_with_[call]; }

 private:
  struct Less {
    bool operator()(const CallSet& a, const CallSet& b) const;
  };
  size_t limit_;
  uint64_t refused_ = 0;
  uint32_t traces_ = 0;
  std::vector<uint32_t> traces_with_ = std::vector<uint32_t>(call_limit, 0);
  std::vector<KnownSet> sets_;
  std::map<CallSet, size_t, Less> place_;
};

/// KnownSets made ready to be asked for the nearest one.
///
/// Calls weigh 1 + ln((traces + 1) / (traces with the call + 1)): a rare call says more. The distance of a set B to a
/// known set A is Tversky's: 1 - I / (I + (B - I) + 3 (A - I)) with the weights of A, of B and of what they share, I;
/// what a known program does and this trace lacks counts three times what it has in addition. 0 is known, 1 is nothing
/// in common. (Tversky, "Features of similarity", 1977.)
class SetIndex {
 public:
  explicit SetIndex(const KnownSets& known);

  /// Distance to the nearest known set, 0 to 1; of an empty set 0, and 1 where nothing is known. `without`, if
  /// given, is the place in sets() of one to leave out. Cost: about 2 ns for each known set and 0.1 for each call in
  /// it.
  [[nodiscard]] double distance(const CallSet& calls, size_t without = SIZE_MAX) const;

 private:
  size_t sets_ = 0;
  std::vector<uint32_t> weight_;      ///< by call, in 1/256
  std::vector<uint32_t> set_weight_;  ///< by set
  std::vector<uint32_t> row_of_;      ///< by call; 0 is a row of zeros
  std::vector<uint32_t> rows_;        ///< one for each call of any set: its weight where a set has it, else 0
};

}  // namespace shrike::scoring::sequence
