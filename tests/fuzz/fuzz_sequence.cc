// Threat model: a file of profiles that somebody else wrote, with a right checksum: an earlier version's, a damaged
// agent's, another node's that is to be merged. It may be refused; it may not crash, or grow beyond the limits.
// link: shrike_wire

#include <algorithm>
#include <cstdlib>

#include "common/wire/fleet_profiles.h"
#include "common/wire/keys.h"
#include "common/wire/sequence.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  constexpr shrike::SequenceLimits limits = {.programs = 64, .ngrams_each = 128, .ngrams = 512};
  std::string bytes(reinterpret_cast<const char*>(data), size);
  if (shrike::decode_profiles(bytes, limits)) std::abort();  // no seed has a checksum of its own
  bytes += shrike::as_bytes(shrike::sha256(bytes));
  auto profiles = shrike::decode_profiles(bytes, limits);
  if (!profiles) return 0;
  if (profiles->size() > limits.programs) std::abort();
  // What was read is what was written.
  if (shrike::encode_profiles(*profiles) != bytes) std::abort();
  std::vector<shrike::SequenceProfile> mine = *profiles;
  shrike::merge_profiles(mine, *profiles, limits);
  size_t ngrams = 0;
  for (const auto& p : mine) ngrams += p.ngrams.size();
  if (ngrams > limits.ngrams) std::abort();
  if (profiles->empty()) return 0;
  // As a collector merges what nodes have shipped.
  const auto fleet = shrike::merge_of_nodes(*profiles, 2, limits);
  if (fleet.profile.ngrams.size() > limits.ngrams_each) std::abort();
  if (!std::is_sorted(fleet.profile.ngrams.begin(), fleet.profile.ngrams.end())) std::abort();
  return 0;
}
