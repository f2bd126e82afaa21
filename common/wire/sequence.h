#pragma once
// What is known of each program's calls: profiles of the in-kernel sequence scoring, as the agent saves and ships them.

#include <compare>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/result.h"

namespace shrike {

/// Six calls in a row, 16 bits each: where the call came from and its number there (bpf/sequence/shrike_sequence.h).
struct Ngram {
  uint64_t last = 0;   ///< the last four, the newest in the low 16 bits
  uint32_t first = 0;  ///< the two before
  auto operator<=>(const Ngram&) const = default;
};

/// A program's executable object. A changed file is another program.
struct ProgramId {
  uint64_t inode = 0;
  uint64_t ctime_ns = 0;
  uint64_t image = 0;   ///< 0; reserved for the container's image
  uint32_t device = 0;  ///< major << 20 | minor
  auto operator<=>(const ProgramId&) const = default;
};

/// All that one program was seen to do.
struct SequenceProfile {
  ProgramId id;
  std::string path;            ///< of the executable when it was last seen; empty: not known
  uint64_t mtime_ns = 0;       ///< the executable's
  uint32_t uid = 0;            ///< who owns the executable
  uint64_t learn_left_ns = 0;  ///< it is learned at least so much longer
  uint64_t calls = 0;          ///< made so far, about
  uint64_t quiet_calls = 0;    ///< made since the last new n-gram
  uint64_t seen_ns = 0;        ///< last execution, wall clock
  bool settled = false;        ///< learned: what is new is told
  bool full = false;           ///< had more n-grams than it may
  std::vector<Ngram> ngrams;   ///< in order, each once

  bool operator==(const SequenceProfile&) const = default;
  /// May it be taken for the same program on another node? Path and mtime say so only of what root alone can make.
  [[nodiscard]] bool shareable() const { return !path.empty() && uid == 0 && mtime_ns != 0; }
};

struct SequenceLimits {
  size_t programs = 4095;
  size_t ngrams_each = 4096;
  size_t ngrams = 1u << 18;
  bool operator==(const SequenceLimits&) const = default;
};

/// As bytes: a version, the profiles, and a SHA-256 of all that, which finds damage. Who wrote it is for a signature.
std::string encode_profiles(std::span<const SequenceProfile> profiles);
/// Reads what encode_profiles() wrote. Errors: no profiles, another version, cut, damaged, above `limits`, not in
/// order.
Result<std::vector<SequenceProfile>> decode_profiles(std::string_view bytes, const SequenceLimits& limits = {});

/// Adds what `other` knows to `into`, at most `limits.ngrams_each`; beyond that `into` is marked full. What one of them
/// has learned stays learned.
void merge_profile(SequenceProfile& into, const SequenceProfile& other, const SequenceLimits& limits = {});
/// Merges what another node knows into what this one has: only of programs that both have, by path, mtime and an owner
/// of root. Returns how many programs were found on both.
size_t merge_profiles(std::vector<SequenceProfile>& into, std::span<const SequenceProfile> other,
                      const SequenceLimits& limits = {});

/// "i386:5", "x32:59", "io_uring:13", "start", or `x86_64:<number>`, which the caller may have a name for.
std::string sequence_call_text(uint16_t call);
/// The six calls, oldest first.
std::vector<uint16_t> calls_of(const Ngram& ngram);

}  // namespace shrike
