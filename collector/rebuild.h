#pragma once
// Makes the index again from the segments: all of it, or what it lacks after a kill between the two.

#include <functional>
#include <string>
#include <vector>

#include "collector/index.h"
#include "collector/keys_file.h"

namespace shrike::collector {

struct CaughtUp {
  uint64_t batches = 0;
  uint64_t alerts = 0;
  uint64_t findings = 0;
  uint64_t skipped = 0;       ///< damaged records, and batches whose signature does not fit
  std::string first_skipped;  ///< a sentence with the place
};

/// Reads the segments from index.position() on. Batches that are indexed already change nothing. `progress` is called
/// now and then with the segment's id. Errors: reading segments; SQLite's.
Result<CaughtUp> catch_up(Index& index, const std::string& segments_dir, const NodeKeys& keys,
                          const std::function<void(uint64_t)>& progress);

}  // namespace shrike::collector
