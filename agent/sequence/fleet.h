#pragma once

#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "common/wire/sequence.h"

namespace shrike::sequence {

/// The executable at `path` on this host, when path and mtime say that it is the same program as elsewhere: a regular
/// file that root owns and nobody else may write, last changed at `mtime_ns`. Nothing otherwise.
std::optional<ProgramId> program_at(const std::string& path, uint64_t mtime_ns);

using FindProgram = std::function<std::optional<ProgramId>(const std::string& path, uint64_t mtime_ns)>;

/// What came of taking a fleet's profiles.
struct FleetTaken {
  size_t programs = 0;  ///< that are here too
  size_t ngrams = 0;    ///< that were new to this node
  size_t no_room = 0;   ///< programs that are here and were left out
};

/// Adds to `known` what a fleet knows of programs that are here: to those known already what they lack, the others as
/// learned ones, from `now_ns` on. Three quarters of `limits` are taken at most: programs not seen yet need room too.
FleetTaken take_fleet(std::vector<SequenceProfile>& known, std::span<const SequenceProfile> fleet,
                      const FindProgram& find, const SequenceLimits& limits, uint64_t now_ns);

}  // namespace shrike::sequence
