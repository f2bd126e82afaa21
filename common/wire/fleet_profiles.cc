#include "common/wire/fleet_profiles.h"

#include <algorithm>
#include <cstring>

#include "common/base/bytes.h"

namespace shrike {
namespace {

std::string signed_bytes(std::string_view body, ProfileSeal seal) {
  static constexpr std::string_view node("shrike sequence profiles v1\0", 28), fleet("shrike fleet profiles v1\0", 25);
  return std::string(seal == ProfileSeal::node ? node : fleet).append(body);
}

struct Counted {
  Ngram ngram;
  size_t nodes;
};

std::vector<Counted> counted(std::span<const SequenceProfile> of_nodes) {
  std::vector<Ngram> all;
  for (const SequenceProfile& p : of_nodes) all.insert(all.end(), p.ngrams.begin(), p.ngrams.end());
  std::sort(all.begin(), all.end());
  std::vector<Counted> out;
  for (const Ngram& ngram : all) {
    if (out.empty() || out.back().ngram != ngram) out.push_back({ngram, 0});
    ++out.back().nodes;
  }
  return out;
}

}  // namespace

std::string seal_profiles(std::span<const SequenceProfile> profiles, const PrivateKey& key, ProfileSeal seal) {
  std::string bytes = encode_profiles(profiles);
  const Signature signature = key.sign(signed_bytes(bytes, seal));
  return bytes.append(reinterpret_cast<const char*>(signature.data()), signature.size());
}

Result<std::vector<SequenceProfile>> open_profiles(std::string_view bytes, const PublicKey& key,
                                                   const SequenceLimits& limits, ProfileSeal seal) {
  Signature signature;
  if (bytes.size() < signature.size()) return Error{"cut: " + std::to_string(bytes.size()) + " bytes"};
  const std::string_view body = bytes.substr(0, bytes.size() - signature.size());
  std::memcpy(signature.data(), bytes.data() + body.size(), signature.size());
  if (!key.verify(signed_bytes(body, seal), signature))
    return Error{std::string("cut, damaged, or not signed by this ") +
                 (seal == ProfileSeal::node ? "node" : "collector for its nodes")};
  return decode_profiles(body, limits);
}

FleetProfile merge_of_nodes(std::span<const SequenceProfile> of_nodes, size_t min_nodes, const SequenceLimits& limits) {
  FleetProfile out;
  SequenceProfile& merged = out.profile;
  merged.path = of_nodes.front().path;
  merged.mtime_ns = of_nodes.front().mtime_ns;
  merged.uid = of_nodes.front().uid;
  merged.settled = true;
  for (const SequenceProfile& p : of_nodes) {
    merged.calls += p.calls;
    merged.quiet_calls = std::max(merged.quiet_calls, p.quiet_calls);
    merged.seen_ns = std::max(merged.seen_ns, p.seen_ns);
    merged.settled = merged.settled && p.settled;
    merged.full = merged.full || p.full;
  }
  out.nodes = of_nodes.size();
  std::vector<Counted> all = counted(of_nodes);
  out.left_out = std::erase_if(all, [&](const Counted& one) { return one.nodes < min_nodes; });
  if (all.size() > limits.ngrams_each) {
    std::stable_sort(all.begin(), all.end(), [](const Counted& a, const Counted& b) { return a.nodes > b.nodes; });
    all.resize(limits.ngrams_each);
    merged.full = true;
  }
  for (const Counted& one : all) merged.ngrams.push_back(one.ngram);
  std::sort(merged.ngrams.begin(), merged.ngrams.end());
  return out;
}

}  // namespace shrike
