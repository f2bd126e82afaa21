#pragma once
// Profiles on their way between those who trust each other's key: a node's own file, and what a collector made of many
// nodes' profiles.

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/result.h"
#include "common/wire/keys.h"
#include "common/wire/sequence.h"

namespace shrike {

/// What a file of profiles is for. Each is signed in a domain of its own, so that none passes for the other.
enum class ProfileSeal : uint8_t {
  node,   ///< what one node knows, for itself
  fleet,  ///< what a collector merged, for nodes
};

/// What a fleet's file may hold; nodes take of it what their own limits allow.
inline constexpr SequenceLimits fleet_limits = {.programs = 65'535, .ngrams_each = 65'536, .ngrams = 4u << 20};

/// The bytes of a file: profiles and a signature over them.
std::string seal_profiles(std::span<const SequenceProfile> profiles, const PrivateKey& key, ProfileSeal seal);
/// Reads what seal_profiles() made; nothing in it is looked at before its signature holds. Errors: cut, damaged,
/// another key's, made for something else, above the limits.
Result<std::vector<SequenceProfile>> open_profiles(std::string_view bytes, const PublicKey& key,
                                                   const SequenceLimits& limits, ProfileSeal seal);

/// One program's profiles of several nodes as one.
struct FleetProfile {
  SequenceProfile profile;  ///< its id is empty: it is another one on each node
  size_t nodes = 0;
  size_t left_out = 0;  ///< 6-grams that fewer than `min_nodes` nodes have
};

/// Merges what nodes know of the same program (by path and mtime): of 6-grams those that at least `min_nodes` of them
/// have, so that what one node was made to learn reaches no other; where there are too many, those that most have.
/// `of_nodes` is not empty; each node counts once.
FleetProfile merge_of_nodes(std::span<const SequenceProfile> of_nodes, size_t min_nodes, const SequenceLimits& limits);

}  // namespace shrike
