#include "scoring/sequence/ngrams.h"

#include <algorithm>

namespace shrike::scoring::sequence {

NgramCounts::NgramCounts(size_t limit) : limit_(std::max<size_t>(limit, 1)), nodes_(1), slots_(1024, none) {}

size_t NgramCounts::slot_of(uint32_t parent, Call call) const {
  uint64_t key = (static_cast<uint64_t>(parent) << 16 | call) * 0x9e3779b97f4a7c15u;
  key ^= key >> 29;
  size_t slot = key & (slots_.size() - 1);
  while (slots_[slot] != none && (nodes_[slots_[slot]].parent != parent || nodes_[slots_[slot]].call != call)) {
    slot = (slot + 1) & (slots_.size() - 1);
  }
  return slot;
}

uint32_t NgramCounts::child(uint32_t node, Call call) const { return slots_[slot_of(node, call)]; }

void NgramCounts::grow() {
  slots_.assign(slots_.size() * 2, none);
  for (uint32_t i = 1; i < nodes_.size(); ++i) slots_[slot_of(nodes_[i].parent, nodes_[i].call)] = i;
}

uint32_t NgramCounts::child_or_new(uint32_t node, Call call) {
  size_t slot = slot_of(node, call);
  if (slots_[slot] != none) return slots_[slot];
  if (nodes_.size() > limit_) {
    ++refused_;
    return none;
  }
  if (nodes_.size() * 2 > slots_.size()) {
    grow();
    slot = slot_of(node, call);
  }
  Node fresh;
  fresh.parent = node;
  fresh.call = call;
  fresh.depth = static_cast<uint8_t>(nodes_[node].depth + 1);
  nodes_.push_back(fresh);
  return slots_[slot] = static_cast<uint32_t>(nodes_.size() - 1);
}

void NgramCounts::add(std::span<const Call> trace, uint16_t epoch) {
  ++trace_serial_;
  for (size_t from = 0; from < trace.size(); ++from) {
    uint32_t at = root;
    for (size_t i = from; i < std::min(trace.size(), from + order); ++i) {
      at = child_or_new(at, trace[i]);
      if (at == none) break;
      Node& node = nodes_[at];
      if (node.last_trace == trace_serial_) continue;
      node.last_trace = trace_serial_;
      node.epoch = std::max(node.epoch, epoch);
      Node& parent = nodes_[node.parent];
      if (node.count++ == 0) ++parent.kinds;
      ++parent.total;
    }
  }
}

template <class Visit>
void NgramCounts::each_distinct(std::span<const Call> trace, Visit visit) {
  ++trace_serial_;
  for (size_t from = 0; from < trace.size(); ++from) {
    uint32_t at = root;
    for (size_t i = from; i < std::min(trace.size(), from + order); ++i) {
      at = child(at, trace[i]);
      if (at == none) break;
      if (nodes_[at].last_trace == trace_serial_) continue;
      nodes_[at].last_trace = trace_serial_;
      visit(nodes_[at], nodes_[nodes_[at].parent]);
    }
  }
}

void NgramCounts::remove(std::span<const Call> trace) {
  each_distinct(trace, [](Node& node, Node& parent) {
    if (node.count == 0) return;
    if (--node.count == 0) --parent.kinds;
    --parent.total;
  });
}

void NgramCounts::restore(std::span<const Call> trace) {
  each_distinct(trace, [](Node& node, Node& parent) {
    if (node.count++ == 0) ++parent.kinds;
    ++parent.total;
  });
}

uint32_t NgramCounts::find(std::span<const Call> ngram) const {
  uint32_t at = root;
  for (const Call call : ngram) {
    at = child(at, call);
    if (at == none) return none;
  }
  return at;
}

double NgramCounts::probability(std::span<const uint32_t> active, Call call) const {
  double p = 1.0 / call_limit;
  for (const uint32_t context : active) {
    const Node& node = nodes_[context];
    if (node.total == 0) break;  // then no longer context has continuations either
    const uint32_t next = child(context, call);
    const double count = next == none ? 0 : nodes_[next].count;
    p = (count + node.kinds * p) / (static_cast<double>(node.total) + node.kinds);
  }
  return p;
}

bool NgramCounts::put(uint32_t parent, Call call, uint32_t count, uint16_t epoch) {
  if (parent >= nodes_.size() || count == 0 || nodes_[parent].depth >= order || call >= call_limit) return false;
  const uint32_t at = child_or_new(parent, call);
  if (at == none) return false;
  // An n-gram is in no more traces than its own beginning.
  if (parent != root && nodes_[at].count + uint64_t{count} > nodes_[parent].count) return false;
  if (nodes_[parent].total + uint64_t{count} > max_count) return false;
  if (nodes_[at].count == 0) ++nodes_[parent].kinds;
  nodes_[at].count += count;
  nodes_[at].epoch = std::max(nodes_[at].epoch, epoch);
  nodes_[parent].total += count;
  return true;
}

void NgramCounts::merge(const NgramCounts& other, int epoch_shift) {
  // Parents come first, so that the place of each is known when its children come.
  std::vector<uint32_t> place(other.nodes_.size(), none);
  place[root] = root;
  for (uint32_t i = 1; i < other.nodes_.size(); ++i) {
    const Node& node = other.nodes_[i];
    if (node.count == 0 || place[node.parent] == none) continue;
    const auto epoch = static_cast<uint16_t>(std::clamp(node.epoch + epoch_shift, 0, 0xffff));
    if (put(place[node.parent], node.call, node.count, epoch)) place[i] = child(place[node.parent], node.call);
  }
}

NgramCounts NgramCounts::since(uint16_t epoch) const {
  NgramCounts kept(limit_);
  std::vector<uint32_t> place(nodes_.size(), none);
  place[root] = root;
  for (uint32_t i = 1; i < nodes_.size(); ++i) {
    const Node& node = nodes_[i];
    if (node.epoch < epoch || node.count == 0 || place[node.parent] == none) continue;
    if (kept.put(place[node.parent], node.call, node.count, node.epoch)) {
      place[i] = kept.child(place[node.parent], node.call);
    }
  }
  return kept;
}

void ActiveNodes::push(const NgramCounts& counts, Call call) {
  uint32_t next[NgramCounts::order];
  size_t size = 0;
  next[size++] = NgramCounts::root;
  for (size_t i = 0; i < size_ && size < NgramCounts::order; ++i) {
    const uint32_t at = counts.child(nodes_[i], call);
    if (at == NgramCounts::none || counts.node(at).count == 0) break;  // no longer one was seen either
    next[size++] = at;
  }
  std::copy(next, next + size, nodes_);
  size_ = size;
}

}  // namespace shrike::scoring::sequence
