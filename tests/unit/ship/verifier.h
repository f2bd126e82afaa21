#pragma once
// The collector's judgement over what a spool gives out: a chain is whole when every batch is accepted.

#include <map>
#include <set>

#include "common/wire/chain.h"
#include "tests/unit/ship/rig.h"

namespace shrike::ship::test {

class Verifier : public ChainHistory {
 public:
  Judgement take(const OpenBatch& batch) {
    Judgement judgement = judge(batch, head, *this);
    if (judgement.verdict != Verdict::accepted) return judgement;
    boots_.insert(batch.header.boot);
    events += batch.header.count;
    if (batch.header.drop) {
      dropped_events += batch.header.drop->events;
      for (uint64_t seq = batch.header.drop->first; seq <= batch.header.seq; ++seq)
        if (!hash_of(batch.header.boot, seq)) covered_.insert({batch.header.boot, seq});
    } else {
      hashes_[{batch.header.boot, batch.header.seq}] = batch.hash;
    }
    for (const auto& [key, count] : batch.header.losses) losses[key] = std::max(losses[key], count);
    return judgement;
  }
  [[nodiscard]] std::optional<Digest> hash_of(const BootId& boot, uint64_t seq) const override {
    const auto at = hashes_.find({boot, seq});
    return at == hashes_.end() ? std::nullopt : std::optional(at->second);
  }
  [[nodiscard]] bool covered(const BootId& boot, uint64_t seq) const override {
    return covered_.count({boot, seq}) != 0;
  }
  [[nodiscard]] bool knows(const BootId& boot) const override { return boots_.count(boot) != 0; }

  ChainHead head;
  uint64_t events = 0;
  uint64_t dropped_events = 0;
  Losses losses;

 private:
  std::map<std::pair<BootId, uint64_t>, Digest> hashes_;
  std::set<std::pair<BootId, uint64_t>> covered_;
  std::set<BootId> boots_;
};

}  // namespace shrike::ship::test
