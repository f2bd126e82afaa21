#include "scoring/sequence/profile.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "scoring/sequence/scorer.h"

namespace shrike::scoring::sequence {

void Profile::learn(std::span<const Call> trace) {
  if (trace.empty()) return;
  sets_.add(set_of(trace), 1, epoch_);
  ngrams_.add(trace, epoch_);
}

void Profile::set_past(std::vector<float> scores) {
  std::erase_if(scores, [](float score) { return !std::isfinite(score) || score < 0; });
  if (scores.size() > max_past) scores.erase(scores.begin(), scores.end() - max_past);
  past_ = std::move(scores);
}

std::vector<float> Profile::leave_one_out(std::span<const Trace> traces) {
  std::vector<float> scores;
  scores.reserve(traces.size());
  const SetIndex index(sets_);
  SurpriseHistogram histogram;
  ActiveNodes active;
  for (const Trace& trace : traces) {
    if (trace.calls.empty()) continue;
    const CallSet calls = set_of(trace.calls);
    const auto known =
        std::find_if(sets_.sets().begin(), sets_.sets().end(), [&](const KnownSet& set) { return set.calls == calls; });
    const bool alone = known != sets_.sets().end() && known->count == 1;
    const double distance = index.distance(calls, alone ? static_cast<size_t>(known - sets_.sets().begin()) : SIZE_MAX);
    ngrams_.remove(trace.calls);
    histogram.clear();
    active.reset();
    for (const Call call : trace.calls) {
      histogram.add(to_surprise(ngrams_.probability(active.nodes(), call)));
      active.push(ngrams_, call);
    }
    ngrams_.restore(trace.calls);
    scores.push_back(static_cast<float>(combine(distance, histogram.mean_of_upper_half())));
  }
  return scores;
}

void Profile::merge(const Profile& other) {
  const int shift = epoch_ - other.epoch_;
  sets_.merge(other.sets_, shift);
  ngrams_.merge(other.ngrams_, shift);
  // Each side keeps its share of the past, spread over all of it; the newest stay the last.
  std::vector<float> both;
  const size_t total = past_.size() + other.past_.size();
  const size_t step = std::max<size_t>(1, (total + max_past - 1) / max_past);
  const size_t longest = std::max(past_.size(), other.past_.size());
  for (size_t back = (longest + step - 1) / step * step; back > 0; back -= step) {
    if (back <= past_.size()) both.push_back(past_[past_.size() - back]);
    if (back <= other.past_.size()) both.push_back(other.past_[other.past_.size() - back]);
  }
  set_past(std::move(both));
}

void Profile::next_epoch() {
  if (epoch_ < std::numeric_limits<uint16_t>::max()) ++epoch_;
}

void Profile::forget(uint16_t epochs) {
  const auto since = static_cast<uint16_t>(std::max(0, epoch_ - epochs + 1));
  sets_ = sets_.since(since);
  ngrams_ = ngrams_.since(since);
}

}  // namespace shrike::scoring::sequence
