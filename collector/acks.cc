#include "collector/acks.h"

namespace shrike::collector {
namespace {
constexpr uint64_t second = 1'000'000'000;
constexpr uint64_t repeat_ns = 2 * second;
constexpr uint64_t quiet_ns = 600 * second;
constexpr uint64_t complain_ns = second / 4;
// Clocks may be set back: a time in the future is no reason to wait for it.
uint64_t since(uint64_t then, uint64_t now) { return now > then ? now - then : UINT64_MAX; }
}  // namespace

void AckBook::restore(const std::vector<NodeState>& nodes) {
  const std::lock_guard lock(mutex_);
  for (const NodeState& node : nodes)
    for (const auto& [lane, state] : node.lanes) {
      Entry& entry = entries_[{node.node, lane}];
      entry.head = state.head;
      entry.heard_ns = state.last_received_ns;
      entry.last.reset();
    }
}

const AckBook::Ack& AckBook::signed_ack(const std::string& node, Lane lane, Entry& entry, uint64_t now_ns) {
  if (!entry.last) {
    AckBody body;
    body.node = node;
    body.boot = entry.head.boot;
    body.lane = lane;
    body.seq = entry.head.seq;
    body.hash = entry.head.hash;
    body.collector = collector_;
    body.time_ns = now_ns;
    body.verdict = entry.verdict;
    entry.last = Ack{body, seal_ack(body, key_)};
  }
  entry.sent_ns = now_ns;
  return *entry.last;
}

AckBook::Ack AckBook::advance(const std::string& node, Lane lane, const ChainHead& head, uint64_t now_ns) {
  const std::lock_guard lock(mutex_);
  Entry& entry = entries_[{node, lane}];
  entry.head = head;
  entry.verdict = Verdict::accepted;
  entry.heard_ns = now_ns;
  entry.last.reset();
  return signed_ack(node, lane, entry, now_ns);
}

std::optional<AckBook::Ack> AckBook::heard(const std::string& node, Lane lane, Verdict verdict, uint64_t now_ns) {
  const std::lock_guard lock(mutex_);
  const auto found = entries_.find({node, lane});
  if (found == entries_.end()) return {};
  Entry& entry = found->second;
  entry.heard_ns = now_ns;
  // A duplicate says that the agent missed an acknowledgement: it is told again, but its state is "accepted".
  const Verdict told = verdict == Verdict::duplicate ? Verdict::accepted : verdict;
  if (verdict != Verdict::accepted && told != entry.verdict) {
    entry.verdict = told;
    entry.last.reset();
  }
  if (verdict == Verdict::accepted || since(entry.sent_ns, now_ns) < complain_ns) return {};
  return signed_ack(node, lane, entry, now_ns);
}

std::vector<AckBook::Ack> AckBook::due(uint64_t now_ns) {
  std::vector<Ack> acks;
  const std::lock_guard lock(mutex_);
  for (auto& [name, entry] : entries_) {
    if (entry.heard_ns + quiet_ns < now_ns || since(entry.sent_ns, now_ns) < repeat_ns) continue;
    acks.push_back(signed_ack(name.first, name.second, entry, now_ns));
  }
  return acks;
}

}  // namespace shrike::collector
