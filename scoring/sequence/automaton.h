#pragma once

#include <array>
#include <vector>

#include "scoring/sequence/ngrams.h"
#include "scoring/sequence/surprise.h"

namespace shrike::scoring::sequence {

/// NgramCounts made ready to be walked: one state for each context, with the surprise of each continuation worked out.
/// What a context never had falls back to the next shorter one, at the price Witten-Bell puts on it.
class Automaton {
 public:
  /// Where a trace begins.
  static constexpr uint32_t start = 0;

  /// Cost: about 0.5 us for each n-gram.
  explicit Automaton(const NgramCounts& counts);

  /// The surprise of `call` (below call_limit) after what led to `state`, which moves on. Cost: about 10 ns.
  Surprise step(uint32_t& state, Call call) const {
    Surprise surprise = 0;
    for (uint32_t at = state; at != start;) {
      const State& here = states_[at];
      if (here.first.call == call) {
        state = here.first.next;
        return surprise + here.first.surprise;
      }
      if (here.more != 0) {
        if (const Edge* edge = find(here, call)) {
          state = edge->next;
          return surprise + edge->surprise;
        }
      }
      surprise += here.fall_back;
      at = here.shorter;
    }
    state = from_start_[call].next;
    return surprise + from_start_[call].surprise;
  }
  [[nodiscard]] size_t states() const { return states_.size(); }

 private:
  struct Edge {
    uint32_t next = start;
    uint16_t surprise = 0;
    Call call = call_limit;  // none
  };
  struct State {
    Edge first;             ///< the most usual continuation, where one memory access finds it
    uint32_t shorter = 0;   ///< the same context without its oldest call
    uint32_t edges_at = 0;  ///< the other continuations, sorted by call
    uint16_t more = 0;
    uint16_t fall_back = 0;  ///< surprise of falling back
  };
  [[nodiscard]] const Edge* find(const State& state, Call call) const;

  std::vector<State> states_;
  std::vector<Edge> edges_;
  std::array<Edge, call_limit> from_start_{};
};

}  // namespace shrike::scoring::sequence
