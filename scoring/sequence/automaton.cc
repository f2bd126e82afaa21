#include "scoring/sequence/automaton.h"

#include <algorithm>

namespace shrike::scoring::sequence {
namespace {

constexpr uint32_t none = NgramCounts::none;

uint16_t short_surprise(double probability) {
  return static_cast<uint16_t>(std::min<Surprise>(to_surprise(probability), 0xffff));
}

// What is worked out of the counts before states are made of it; all by node.
struct Plan {
  explicit Plan(const NgramCounts& of) : counts(of) {
    const auto size = static_cast<uint32_t>(counts.size());
    shorter.assign(size, NgramCounts::root);
    first_child.assign(size, none);
    sibling.assign(size, none);
    probability.assign(size, 0);
    for (uint32_t i = 1; i < size; ++i) by_depth[counts.node(i).depth].push_back(i);
    for (uint32_t i = size; i-- > 1;) {
      if (counts.node(i).count == 0) continue;
      sibling[i] = first_child[counts.node(i).parent];
      first_child[counts.node(i).parent] = i;
    }
    // A shorter context's numbers are there before a longer one asks for them.
    for (const auto& level : by_depth) {
      for (const uint32_t i : level) {
        const NgramCounts::Node& node = counts.node(i);
        if (node.depth > 1) shorter[i] = longest_suffix(shorter[node.parent], node.call);
        const NgramCounts::Node& parent = counts.node(node.parent);
        const double below =
            node.parent == NgramCounts::root ? 1.0 / call_limit : after(shorter[node.parent], node.call);
        probability[i] = (node.count + parent.kinds * below) / (static_cast<double>(parent.total) + parent.kinds);
      }
    }
  }

  // The node of the longest run of calls that ends with `context` and `call` and was seen.
  uint32_t longest_suffix(uint32_t context, Call call) const {
    for (;; context = shorter[context]) {
      const uint32_t at = counts.child(context, call);
      if (at != none && counts.node(at).count > 0) return at;
      if (context == NgramCounts::root) return NgramCounts::root;
    }
  }

  double weight_of_shorter(uint32_t context) const {
    const NgramCounts::Node& node = counts.node(context);
    return node.total == 0 ? 1 : node.kinds / (static_cast<double>(node.total) + node.kinds);
  }

  double after(uint32_t context, Call call) const {
    double weight = 1;
    for (;; context = shorter[context]) {
      const uint32_t at = counts.child(context, call);
      if (at != none && counts.node(at).count > 0) return weight * probability[at];
      weight *= weight_of_shorter(context);
      if (context == NgramCounts::root) return weight / call_limit;
    }
  }

  // The context in which a trace is that has just had the n-gram `node`: one that has continuations of its own.
  uint32_t context_after(uint32_t node) const {
    while (node != NgramCounts::root &&
           (counts.node(node).depth >= NgramCounts::order || counts.node(node).total == 0)) {
      node = shorter[node];
    }
    return node;
  }

  const NgramCounts& counts;
  std::array<std::vector<uint32_t>, NgramCounts::order + 1> by_depth;
  std::vector<uint32_t> shorter, first_child, sibling;
  std::vector<double> probability;
};

}  // namespace

Automaton::Automaton(const NgramCounts& counts) {
  const Plan plan(counts);
  const auto size = static_cast<uint32_t>(counts.size());
  std::vector<uint32_t> state_of(size, start);
  uint32_t states = 1;
  for (uint32_t i = 1; i < size; ++i) {
    if (plan.context_after(i) == i) state_of[i] = states++;
  }
  states_.resize(states);
  const auto next_of = [&](uint32_t node) { return state_of[plan.context_after(node)]; };

  std::vector<uint32_t> children;
  for (uint32_t i = 0; i < size; ++i) {
    if (plan.context_after(i) != i) continue;
    State& state = states_[state_of[i]];
    state.shorter = next_of(plan.shorter[i]);
    state.fall_back = short_surprise(plan.weight_of_shorter(i));
    children.clear();
    for (uint32_t c = plan.first_child[i]; c != none; c = plan.sibling[c]) children.push_back(c);
    if (children.empty()) continue;
    std::sort(children.begin(), children.end(),
              [&](uint32_t a, uint32_t b) { return counts.node(a).call < counts.node(b).call; });
    const auto edge = [&](uint32_t c) {
      return Edge{next_of(c), short_surprise(plan.probability[c]), counts.node(c).call};
    };
    const auto usual = std::max_element(children.begin(), children.end(), [&](uint32_t a, uint32_t b) {
      return counts.node(a).count < counts.node(b).count;
    });
    state.first = edge(*usual);
    children.erase(usual);
    state.edges_at = static_cast<uint32_t>(edges_.size());
    state.more = static_cast<uint16_t>(children.size());
    for (const uint32_t c : children) edges_.push_back(edge(c));
  }
  for (size_t call = 0; call < call_limit; ++call) {
    const auto number = static_cast<Call>(call);
    const uint32_t at = counts.child(NgramCounts::root, number);
    const bool seen = at != none && counts.node(at).count > 0;
    from_start_[call] = {seen ? next_of(at) : start, short_surprise(plan.after(NgramCounts::root, number)), number};
  }
}

const Automaton::Edge* Automaton::find(const State& state, Call call) const {
  const Edge* at = edges_.data() + state.edges_at;
  size_t left = state.more;
  while (left > 4) {
    const size_t half = left / 2;
    if (at[half].call <= call) {
      at += half;
      left -= half;
    } else {
      left = half;
    }
  }
  for (; left > 0; ++at, --left) {
    if (at->call == call) return at;
  }
  return nullptr;
}

}  // namespace shrike::scoring::sequence
