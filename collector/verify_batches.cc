#include <algorithm>
#include <set>
#include <tuple>
#include <unordered_map>

#include "collector/verify.h"
#include "common/base/bytes.h"

namespace shrike::collector {
namespace {

std::string_view boot_bytes(const BootId& boot) { return {reinterpret_cast<const char*>(boot.data()), boot.size()}; }

// Hashes of what was accepted of one chain. 32 bytes a batch: a day at full rate is some 400 MB.
class Remembered : public ChainHistory {
 public:
  std::optional<Digest> hash_of(const BootId& boot, uint64_t seq) const override {
    const auto chain = boots_.find(boot);
    if (chain == boots_.end()) return {};
    const auto hash = chain->second.hashes.find(seq);
    return hash == chain->second.hashes.end() ? std::optional<Digest>() : hash->second;
  }
  bool covered(const BootId& boot, uint64_t seq) const override {
    const auto chain = boots_.find(boot);
    if (chain == boots_.end()) return false;
    return std::any_of(chain->second.drops.begin(), chain->second.drops.end(),
                       [&](const auto& range) { return seq >= range.first && seq <= range.second; });
  }
  bool knows(const BootId& boot) const override { return boots_.contains(boot); }

  void add(const BatchHeader& header, const Digest& hash) {
    Boot& boot = boots_[header.boot];
    boot.hashes.emplace(header.seq, hash);
    if (header.drop) boot.drops.emplace_back(header.drop->first, header.drop->last);
  }
  size_t boots() const { return boots_.size(); }

 private:
  struct Boot {
    std::unordered_map<uint64_t, Digest> hashes;
    std::vector<std::pair<uint64_t, uint64_t>> drops;
  };
  std::map<BootId, Boot> boots_;
};

struct Chain {
  ChainHead head;
  Remembered history;
  // Ranges that did not come in their turn, and which problem says so: whoever comes later was swapped.
  struct Hole {
    BootId boot;
    uint64_t first, last;
    size_t problem;
  };
  std::vector<Hole> holes;
};

class Check {
 public:
  Check(const NodeKeys& keys, const VerifyOptions& options) : keys_(keys), options_(options) {}

  void take(const StoredBatch& stored);
  void finish();
  VerifyReport report;

 private:
  void problem(Tamper tamper, const BatchHeader& header, const StoredBatch& stored, const std::string& what);
  void add(Problem problem);
  bool authentic(const StoredBatch& stored, const OpenBatch& batch);
  void link(const StoredBatch& stored, const OpenBatch& batch);
  void account(const OpenBatch& batch, const ChainHead& before, bool unlinked);
  bool fills_hole(Chain& chain, const StoredBatch& stored, const BatchHeader& header);
  uint64_t claimed_end(const Witness& witness) const;

  const NodeKeys& keys_;
  const VerifyOptions& options_;
  std::map<std::pair<std::string, Lane>, Chain> chains_;
  std::set<std::string> unknown_;
  // How far batches that nobody can check claim to go, for nodes without a key.
  std::map<std::tuple<std::string, Lane, BootId>, uint64_t> claimed_;
};

std::string named(const BatchHeader& header) {
  return "node " + header.node + ", lane " + std::string(lane_name(header.lane)) + ", seq " +
         std::to_string(header.seq);
}

void Check::add(Problem problem) {
  ++report.problem_count;
  if (report.problems.size() < options_.max_problems) report.problems.push_back(std::move(problem));
}

void Check::problem(Tamper tamper, const BatchHeader& header, const StoredBatch& stored, const std::string& what) {
  add({tamper, header.node, header.lane, header.boot, header.seq, header.seq, stored.at, named(header) + ": " + what});
}

// The header of something that is no batch any more, to be able to name it: field 1 comes first in what agents send.
std::optional<BatchHeader> header_within(std::string_view bytes) {
  if (bytes.size() < 2 || bytes[0] != 0x0a) return {};
  size_t at = 1;
  uint64_t size = 0;
  for (int shift = 0; shift < 35; shift += 7) {
    if (at >= bytes.size()) return {};
    const auto byte = static_cast<uint8_t>(bytes[at++]);
    size |= static_cast<uint64_t>(byte & 0x7f) << shift;
    if ((byte & 0x80) == 0) break;
  }
  if (size > bytes.size() - at) return {};
  auto header = open_header(bytes.substr(at, static_cast<size_t>(size)));
  if (!header) return {};
  return std::move(header).value();
}

bool Check::authentic(const StoredBatch& stored, const OpenBatch& batch) {
  const auto key = keys_.find(batch.header.node);
  if (key == keys_.end()) {
    const BatchHeader& header = batch.header;
    unknown_.insert(header.node);
    uint64_t& last = claimed_[{header.node, header.lane, header.boot}];
    last = std::max({last, header.seq, header.drop ? header.drop->last : 0});
    return false;
  }
  if (!verify_signature(batch, key->second)) {
    auto other = PublicKey::from_raw(batch.header.public_key);
    if (other && !(*other == key->second) && verify_signature(batch, *other)) {
      problem(Tamper::foreign_key, batch.header, stored,
              "signed by another key (" + other->to_hex() + ") than this node's (" + key->second.to_hex() + ")");
      return false;
    }
    for (const auto& [node, owned] : keys_) {
      if (node == batch.header.node || !verify_signature(batch, owned)) continue;
      problem(Tamper::foreign_key, batch.header, stored, "signed by the key of node " + node);
      return false;
    }
    problem(Tamper::altered, batch.header, stored,
            "its signature does not fit: bytes were changed, or another key signed");
    return false;
  }
  if (auto payload = open_payload(batch); !payload) {
    problem(Tamper::altered, batch.header, stored, "signed, but its events do not fit: " + payload.error().message);
    return false;
  }
  return true;
}

bool Check::fills_hole(Chain& chain, const StoredBatch& stored, const BatchHeader& header) {
  const auto hole = std::find_if(chain.holes.begin(), chain.holes.end(), [&](const Chain::Hole& h) {
    return h.boot == header.boot && header.seq >= h.first && header.seq <= h.last;
  });
  if (hole == chain.holes.end()) return false;
  if (hole->problem < report.problems.size()) {
    Problem& told = report.problems[hole->problem];
    told.tamper = Tamper::swapped;
    told.sentence = named(header) + ": stored after a later one: batches were swapped";
    told.seq = told.last_seq = header.seq;
  } else {
    problem(Tamper::swapped, header, stored, "stored after a later one: batches were swapped");
    --report.problem_count;  // counted when it was found missing
  }
  const Chain::Hole old = *hole;
  chain.holes.erase(hole);
  if (old.first < header.seq) chain.holes.push_back({old.boot, old.first, header.seq - 1, old.problem});
  if (header.seq < old.last) chain.holes.push_back({old.boot, header.seq + 1, old.last, old.problem});
  return true;
}

void Check::link(const StoredBatch& stored, const OpenBatch& batch) {
  const BatchHeader& header = batch.header;
  Chain& chain = chains_[{header.node, header.lane}];
  const bool first = chain.head.seq == 0;
  const ChainHead before = chain.head;
  const Judgement judgement = judge(batch, chain.head, chain.history);
  switch (judgement.verdict) {
    case Verdict::accepted:
      if (first && options_.from_start && judgement.unlinked) {
        const uint64_t from = header.drop ? header.drop->first : header.seq;
        if (from > 1) {
          chain.holes.push_back({header.boot, 1, from - 1, report.problems.size()});
          add({Tamper::missing, header.node, header.lane, header.boot, 1, from - 1, stored.at,
               "node " + header.node + ", lane " + std::string(lane_name(header.lane)) + ", seq 1" +
                   (from > 2 ? " to " + std::to_string(from - 1) : "") + ": missing; the first one here is seq " +
                   std::to_string(header.seq)});
        } else {
          add({Tamper::missing, header.node, header.lane, header.boot, header.seq, header.seq, stored.at,
               named(header) + ": names a batch before it, of an earlier boot, that is not here"});
        }
      }
      break;
    case Verdict::gap: {
      const bool other_boot = header.boot != before.boot;
      const uint64_t from = other_boot ? 1 : before.seq + 1;
      const uint64_t to = (header.drop ? header.drop->first : header.seq) - 1;
      chain.holes.push_back({header.boot, from, to, report.problems.size()});
      add({Tamper::missing, header.node, header.lane, header.boot, from, to, stored.at,
           "node " + header.node + ", lane " + std::string(lane_name(header.lane)) + ", seq " + std::to_string(from) +
               (to > from ? " to " + std::to_string(to) : "") + ": missing before seq " + std::to_string(header.seq)});
      chain.head = {header.boot, header.seq, batch.hash, true};
      if (header.drop) {
        chain.head.hash = header.drop->last_hash;
        chain.head.hash_known = header.drop->last_hash != Digest{};
      }
      break;
    }
    case Verdict::duplicate:
      problem(Tamper::duplicate, header, stored, "stored twice");
      return;
    case Verdict::forked:
    case Verdict::rolled_back: {
      if (!chain.history.hash_of(header.boot, header.seq) && fills_hole(chain, stored, header)) break;
      const bool forked = judgement.verdict == Verdict::forked;
      problem(forked ? Tamper::forked : Tamper::rolled_back, header, stored, judgement.reason);
      // One rewritten link is one problem, not one for each batch after it.
      if (forked && header.boot == before.boot && header.seq == before.seq + 1)
        chain.head = {header.boot, header.seq, batch.hash, true};
      break;
    }
    case Verdict::forged:
    case Verdict::malformed:
      problem(Tamper::altered, header, stored, judgement.reason);
      return;
  }
  chain.history.add(header, batch.hash);
  account(batch, before, judgement.unlinked);
}

void Check::account(const OpenBatch& batch, const ChainHead& before, bool unlinked) {
  const BatchHeader& header = batch.header;
  VerifyReport::Chain& chain = report.chains[{header.node, header.lane}];
  ++chain.batches;
  chain.events += header.count;
  report.events += header.count;
  if (header.drop) {
    // A statement may reach back over batches that had arrived after all.
    const uint64_t known = before.boot == header.boot ? before.seq : 0;
    chain.dropped_batches += header.drop->last - std::max(known, header.drop->first - 1);
    chain.dropped_events += header.drop->events;
  }
  chain.losses = header.losses;
  chain.unlinked += unlinked ? 1 : 0;
  if (header.first_time_ns != 0 && (chain.first_time_ns == 0 || header.first_time_ns < chain.first_time_ns))
    chain.first_time_ns = header.first_time_ns;
  chain.last_time_ns = std::max(chain.last_time_ns, header.last_time_ns);
}

void Check::take(const StoredBatch& stored) {
  const std::string where = stored.at == Position{} ? std::string()
                                                    : " (segment " + std::to_string(stored.at.segment) + ", offset " +
                                                          std::to_string(stored.at.offset) + ")";
  auto batch = open_batch(stored.bytes);
  if (!batch) {
    ++report.batches;
    const Tamper tamper = stored.damage == Damage::truncated ? Tamper::truncated
                          : stored.damage == Damage::garbage ? Tamper::unreadable
                                                             : Tamper::altered;
    const auto header = header_within(stored.bytes);
    if (header && !options_.node.empty() && header->node != options_.node) return;
    const std::string what = tamper == Tamper::truncated    ? "the file ends inside this batch" + where
                             : tamper == Tamper::unreadable ? "bytes that are no record" + where
                                                            : "no batch any more: " + batch.error().message + where;
    if (header) {
      problem(tamper, *header, stored, what);
    } else {
      add({tamper, "", Lane::telemetry, {}, 0, 0, stored.at, what});
    }
    return;
  }
  if (!options_.node.empty() && batch->header.node != options_.node) return;
  ++report.batches;
  if (!authentic(stored, *batch)) return;
  if (stored.damage != Damage::none)
    problem(Tamper::altered, batch->header, stored, "the record around it was changed" + where);
  link(stored, *batch);
}

// The last batch of the witness's boot that is here by its own word, 0 for none.
uint64_t Check::claimed_end(const Witness& witness) const {
  const auto last = claimed_.find({witness.node, witness.lane, witness.boot});
  return last == claimed_.end() ? 0 : last->second;
}

void Check::finish() {
  for (auto& [name, chain] : chains_) {
    VerifyReport::Chain& out = report.chains[name];
    out.head = chain.head;
    out.boots = chain.history.boots();
  }
  std::map<std::string, std::string> owners;
  for (const auto& [node, key] : keys_) {
    const auto [owner, fresh] = owners.emplace(key.raw(), node);
    if (fresh || (!options_.node.empty() && node != options_.node)) continue;
    add({Tamper::forked,
         node,
         Lane::telemetry,
         {},
         0,
         0,
         {},
         "node " + node + " has the same key as node " + owner->second + ": two agents with one key"});
  }
  for (const Witness& witness : options_.witnesses) {
    if (!options_.node.empty() && witness.node != options_.node) continue;
    if (witness.seq == 0) continue;
    const bool unchecked = !keys_.contains(witness.node);
    const uint64_t claimed = unchecked ? claimed_end(witness) : 0;
    if (unchecked) unknown_.insert(witness.node);
    // Without the node's key its head can neither be found nor missed, unless not even a claim reaches it.
    if (unchecked && claimed >= witness.seq) continue;
    const auto found = chains_.find({witness.node, witness.lane});
    const std::string name = "node " + witness.node + ", lane " + std::string(lane_name(witness.lane)) + ", seq " +
                             std::to_string(witness.seq);
    ChainHead head = found == chains_.end() ? ChainHead{} : found->second.head;
    if (claimed > 0) head = {witness.boot, claimed, {}, false};
    const bool same_boot = head.seq != 0 && head.boot == witness.boot;
    const bool known = found != chains_.end() && (found->second.history.hash_of(witness.boot, witness.seq) ||
                                                  found->second.history.covered(witness.boot, witness.seq));
    const bool behind = same_boot ? head.seq < witness.seq : !known;
    const uint64_t first = same_boot ? head.seq + 1 : 1;
    if (behind) {
      add({Tamper::rolled_back,
           witness.node,
           witness.lane,
           witness.boot,
           first,
           witness.seq,
           {},
           name + ": " + witness.who + " says it was stored, but the store ends " +
               (same_boot ? "at seq " + std::to_string(head.seq) : "before boot " + hex(boot_bytes(witness.boot)))});
    } else if (witness.hash && same_boot && head.seq == witness.seq && head.hash_known && head.hash != *witness.hash) {
      add({Tamper::forked,
           witness.node,
           witness.lane,
           witness.boot,
           witness.seq,
           witness.seq,
           {},
           name + ": " + witness.who + " has another hash of it than the store"});
    }
  }
  report.unknown_nodes.assign(unknown_.begin(), unknown_.end());
}

}  // namespace

Result<VerifyReport> verify_batches(BatchSource& source, const NodeKeys& keys, const VerifyOptions& options) {
  Check check(keys, options);
  StoredBatch stored;
  uint64_t batches = 0;
  while (TRY(source.next(stored))) {
    check.take(stored);
    if (++batches % 64 == 0 && options.progress) options.progress(batches);
  }
  check.finish();
  return std::move(check.report);
}

}  // namespace shrike::collector
