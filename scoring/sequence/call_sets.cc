#include "scoring/sequence/call_sets.h"

#include <algorithm>
#include <cmath>
#include <cstring>

namespace shrike::scoring::sequence {
namespace {

constexpr double weight_steps = 256;
// How much more a call weighs that a known set has and the trace lacks, than one that the trace has in addition.
constexpr float lack = 3;

void add_up(uint32_t& sum, uint32_t more) { sum = more > ~sum ? ~0u : sum + more; }

}  // namespace

CallSet set_of(std::span<const Call> trace) {
  CallSet calls;
  for (const Call call : trace) calls.set(call);
  return calls;
}

bool KnownSets::Less::operator()(const CallSet& a, const CallSet& b) const {
  static_assert(sizeof(CallSet) * 8 == call_limit);
  return std::memcmp(&a, &b, sizeof a) < 0;
}

void KnownSets::add(const CallSet& calls, uint32_t count, uint16_t epoch) {
  add_up(traces_, count);
  for (size_t call = calls._Find_first(); call < call_limit; call = calls._Find_next(call))
    add_up(traces_with_[call], count);
  const auto [at, is_new] = place_.try_emplace(calls, sets_.size());
  if (is_new && sets_.size() >= limit_) {
    place_.erase(at);
    ++refused_;
    return;
  }
  if (is_new) sets_.push_back({calls, 0, epoch});
  KnownSet& set = sets_[at->second];
  add_up(set.count, count);
  set.epoch = std::max(set.epoch, epoch);
}

void KnownSets::merge(const KnownSets& other, int epoch_shift) {
  for (const KnownSet& set : other.sets_) {
    add(set.calls, set.count, static_cast<uint16_t>(std::clamp(set.epoch + epoch_shift, 0, 0xffff)));
  }
}

KnownSets KnownSets::since(uint16_t epoch) const {
  KnownSets kept(limit_);
  for (const KnownSet& set : sets_) {
    if (set.epoch >= epoch) kept.add(set.calls, set.count, set.epoch);
  }
  return kept;
}

SetIndex::SetIndex(const KnownSets& known) : sets_(known.sets().size()), weight_(call_limit), row_of_(call_limit, 0) {
  for (size_t call = 0; call < call_limit; ++call) {
    const double share = (known.traces() + 1.0) / (known.traces_with(static_cast<Call>(call)) + 1.0);
    weight_[call] = static_cast<uint32_t>(std::lround(weight_steps * (1 + std::log(share))));
  }
  uint32_t rows = 1;
  for (const KnownSet& set : known.sets()) {
    for (size_t call = set.calls._Find_first(); call < call_limit; call = set.calls._Find_next(call)) {
      if (row_of_[call] == 0) row_of_[call] = rows++;
    }
  }
  rows_.assign(rows * sets_, 0);
  set_weight_.assign(sets_, 0);
  for (size_t i = 0; i < sets_; ++i) {
    const CallSet& calls = known.sets()[i].calls;
    for (size_t call = calls._Find_first(); call < call_limit; call = calls._Find_next(call)) {
      rows_[row_of_[call] * sets_ + i] = weight_[call];
      set_weight_[i] += weight_[call];
    }
  }
}

double SetIndex::distance(const CallSet& calls, size_t without) const {
  if (calls.none()) return 0;
  // Blocks of sets, so that what is shared stays in the first cache while the rows go by.
  constexpr size_t block = 1024;
  uint32_t shared[block];
  uint32_t weight = 0;
  for (size_t call = calls._Find_first(); call < call_limit; call = calls._Find_next(call)) weight += weight_[call];
  float best = 0;
  for (size_t from = 0; from < sets_; from += block) {
    const size_t count = std::min(block, sets_ - from);
    std::fill(shared, shared + count, 0);
    for (size_t call = calls._Find_first(); call < call_limit; call = calls._Find_next(call)) {
      if (row_of_[call] == 0) continue;
      const uint32_t* row = rows_.data() + row_of_[call] * sets_ + from;
      for (size_t i = 0; i < count; ++i) shared[i] += row[i];
    }
    if (without >= from && without < from + count) shared[without - from] = 0;
    // The weights are below 2^24, so floats hold them as they are.
    for (size_t i = 0; i < count; ++i) {
      const auto both = static_cast<float>(static_cast<int32_t>(shared[i]));
      const auto missing = static_cast<float>(static_cast<int32_t>(set_weight_[from + i] - shared[i]));
      const float like = both / (static_cast<float>(static_cast<int32_t>(weight)) + lack * missing);
      best = std::max(best, like);
    }
  }
  return 1 - static_cast<double>(best);
}

}  // namespace shrike::scoring::sequence
