// RFC 9162, section 2.1, with SHA-256.

#include "common/wire/batch.h"
#include "common/wire/sha256.h"
#include "common/wire/sha256_pair.h"

namespace shrike {
namespace {
Digest node_of(const Digest& left, const Digest& right) {
  return Sha256().add({"\1", 1}).add(as_bytes(left)).add(as_bytes(right)).finish();
}

// One level up, in place. A last one without a neighbour goes up as it is, which gives the RFC's tree.
void lift(std::vector<Digest>& level) {
  const size_t pairs = level.size() / 2;
  // Two nodes at a time: their four children lie one behind the other.
  size_t i = 0;
  for (; i + 1 < pairs; i += 2) {
    const char* const children = reinterpret_cast<const char*>(level[2 * i].data());
    Digest first, second;
    sha256_pair('\1', {children, 64}, {children + 64, 64}, first, second);
    level[i] = first;
    level[i + 1] = second;
  }
  if (i < pairs) level[i] = node_of(level[2 * i], level[2 * i + 1]);
  if (level.size() % 2 != 0) level[pairs] = level.back();
  level.resize(pairs + level.size() % 2);
}
}  // namespace

Digest merkle_leaf(std::string_view event) { return Sha256().add({"\0", 1}).add(event).finish(); }

std::vector<Digest> merkle_leaves(const std::vector<std::string_view>& events) {
  std::vector<Digest> leaves(events.size());
  size_t i = 0;
  for (; i + 1 < events.size(); i += 2) sha256_pair('\0', events[i], events[i + 1], leaves[i], leaves[i + 1]);
  if (i < events.size()) leaves[i] = merkle_leaf(events[i]);
  return leaves;
}

Digest merkle_root(const std::vector<Digest>& leaves) {
  if (leaves.empty()) return {};
  std::vector<Digest> level = leaves;
  while (level.size() > 1) lift(level);
  return level[0];
}

std::vector<Digest> merkle_proof(const std::vector<Digest>& leaves, size_t index) {
  std::vector<Digest> proof;
  std::vector<Digest> level = leaves;
  for (; level.size() > 1 && index < level.size(); index /= 2) {
    const size_t sibling = index ^ 1;
    if (sibling < level.size()) proof.push_back(level[sibling]);
    lift(level);
  }
  return proof;
}

bool merkle_verify(const Digest& leaf, size_t index, size_t count, const std::vector<Digest>& proof,
                   const Digest& root) {
  if (index >= count) return false;
  size_t last = count - 1;
  Digest hash = leaf;
  for (const Digest& sibling : proof) {
    if (last == 0) return false;
    if (index % 2 == 1 || index == last) {
      hash = node_of(sibling, hash);
      // Levels at which this node had no neighbour put nothing into the proof.
      while (index % 2 == 0 && index != 0) {
        index /= 2;
        last /= 2;
      }
    } else {
      hash = node_of(hash, sibling);
    }
    index /= 2;
    last /= 2;
  }
  return last == 0 && hash == root;
}

}  // namespace shrike
