#include "common/wire/chain.h"

#include "common/base/bytes.h"

namespace shrike {
namespace {
// How far back a new boot's first batch may link: what an agent can have lost with a power cut is what it had not yet
// synced, seconds of it.
constexpr uint64_t look_back = 1024;

std::string name_of(const BatchHeader& header) {
  return "node " + header.node + ", lane " + std::string(lane_name(header.lane)) + ", seq " +
         std::to_string(header.seq);
}

Judgement refuse(Verdict verdict, const BatchHeader& header, const std::string& what) {
  return {verdict, name_of(header) + ": " + what, false};
}

Judgement accept(const OpenBatch& batch, ChainHead& head, std::string unlinked_because = {}) {
  const BatchHeader& header = batch.header;
  head.boot = header.boot;
  head.seq = header.seq;
  head.hash = header.drop ? header.drop->last_hash : batch.hash;
  head.hash_known = !header.drop || header.drop->last_hash != Digest{};
  Judgement judgement;
  if (unlinked_because.empty()) return judgement;
  judgement.unlinked = true;
  judgement.reason = name_of(header) + ": " + unlinked_because;
  return judgement;
}

/// The first seq that a batch stands for.
uint64_t first_of(const BatchHeader& header) { return header.drop ? header.drop->first : header.seq; }

/// Whether what was accepted at this seq is this batch, or what this drop statement stands for.
bool known_as(const OpenBatch& batch, const ChainHistory& history) {
  const BatchHeader& header = batch.header;
  if (history.covered(header.boot, header.seq)) return true;
  const auto hash = history.hash_of(header.boot, header.seq);
  if (!hash) return false;
  if (*hash == batch.hash) return true;
  return header.drop && (header.drop->last_hash == *hash || header.drop->last_hash == Digest{});
}

Judgement judge_same_boot(const OpenBatch& batch, ChainHead& head, const ChainHistory& history) {
  const BatchHeader& header = batch.header;
  if (header.seq <= head.seq) {
    if (known_as(batch, history)) return refuse(Verdict::duplicate, header, "known already");
    return refuse(Verdict::forked, header, "another batch with this seq was accepted before");
  }
  if (first_of(header) > head.seq + 1)
    return refuse(Verdict::gap, header, "expected seq " + std::to_string(head.seq + 1));
  // A drop statement may reach back over what arrived before the agent dropped it; then its previous is older.
  const bool follows = first_of(header) == head.seq + 1;
  const bool unknown = !head.hash_known || (header.drop && header.previous == Digest{});
  if (follows && !unknown && header.previous != head.hash)
    return refuse(Verdict::forked, header, "does not follow the accepted batch before it");
  return accept(batch, head);
}

Judgement judge_new_boot(const OpenBatch& batch, ChainHead& head, const ChainHistory& history) {
  const BatchHeader& header = batch.header;
  if (first_of(header) != 1) return refuse(Verdict::gap, header, "expected seq 1 of a new boot");
  if (header.previous == Digest{}) return accept(batch, head, "new boot without a link to the one before");
  if (!head.hash_known || header.previous == head.hash) return accept(batch, head);
  for (uint64_t seq = head.seq - 1; seq > 0 && seq + look_back > head.seq; --seq) {
    if (history.hash_of(head.boot, seq) == header.previous)
      return accept(batch, head,
                    "new boot that links to seq " + std::to_string(seq) + " of the one before, where " +
                        std::to_string(head.seq) + " is known: the agent lost its last batches");
  }
  return refuse(Verdict::forked, header, "new boot that links to a batch that is not known");
}
}  // namespace

Judgement judge(const OpenBatch& batch, ChainHead& head, const ChainHistory& history) {
  const BatchHeader& header = batch.header;
  if (head.seq == 0) {
    if (header.seq == 1 && header.previous == Digest{}) return accept(batch, head);
    return accept(batch, head, "first batch heard of this node is not the first of its chain");
  }
  if (header.boot == head.boot) return judge_same_boot(batch, head, history);
  if (history.knows(header.boot)) {
    if (known_as(batch, history)) return refuse(Verdict::duplicate, header, "known already");
    return refuse(Verdict::rolled_back, header,
                  "boot " + hex({reinterpret_cast<const char*>(header.boot.data()), header.boot.size()}) +
                      " had ended when a newer one began");
  }
  return judge_new_boot(batch, head, history);
}

}  // namespace shrike
