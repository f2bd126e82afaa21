#pragma once
// What a verifier knows of one node's lane, and its judgement of the next batch. Pure: the live verifier, `shrike
// verify` and the tests use the same.

#include <optional>
#include <string>

#include "common/wire/batch.h"

namespace shrike {

/// The last accepted batch of one (node, lane).
struct ChainHead {
  BootId boot{};
  uint64_t seq = 0;  ///< 0: nothing accepted yet
  Digest hash{};
  bool hash_known = true;  ///< false after a drop statement that does not know its last hash
};

/// What was accepted before the head, as its keeper can tell.
class ChainHistory {
 public:
  virtual ~ChainHistory() = default;
  /// The hash of an accepted batch; nothing when none with that boot and seq was accepted. A seq inside an accepted
  /// drop statement has none, but is `covered`.
  [[nodiscard]] virtual std::optional<Digest> hash_of(const BootId& boot, uint64_t seq) const = 0;
  [[nodiscard]] virtual bool covered(const BootId& boot, uint64_t seq) const = 0;
  /// Whether any batch of `boot` was accepted.
  [[nodiscard]] virtual bool knows(const BootId& boot) const = 0;
};

struct Judgement {
  Verdict verdict = Verdict::accepted;
  std::string reason;  ///< one sentence when not plainly accepted, naming node, lane and seq
  /// Accepted, but the chain's link to the boot before is missing (lost agent state): worth an integrity alert.
  bool unlinked = false;
};

/// Judges `batch`, whose signature has been verified, and moves `head` to it when accepted.
///  head.seq == 0: any start is accepted, `unlinked` unless seq is 1 and previous is zeros.
///  same boot: seq == head.seq + 1 and previous == head.hash -> accepted (previous is not compared when the head's hash
///    is unknown); a drop statement that begins at or before head.seq + 1 and ends after head.seq -> accepted, head
///    becomes its last and last_hash (it may begin earlier: what arrived meanwhile was dropped by the agent before it
///    knew; where it begins exactly there, its previous must fit too, unless zeros);
///    a lower seq -> duplicate when history has the same hash (a drop statement: its last_hash, or zeros) or covers it,
///    else forked; a higher one -> gap.
///  another boot: seen before -> duplicate by the same test, else rolled_back;
///    never seen, seq 1: previous == head.hash -> accepted; previous of zeros -> accepted and `unlinked`; previous of
///    one of the 1024 batches before the head (the agent's host lost power before the last ones were on its disk) ->
///    accepted and `unlinked`; else forked;
///    never seen, seq > 1 -> gap (a drop statement from 1 counts as seq 1).
Judgement judge(const OpenBatch& batch, ChainHead& head, const ChainHistory& history);

}  // namespace shrike
