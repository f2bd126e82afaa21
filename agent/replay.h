#pragma once

#include <cstdint>
#include <string>

#include "agent/enrich/host_lookup.h"
#include "agent/pipeline.h"
#include "common/base/result.h"

namespace shrike::agent {

struct ReplayOptions {
  std::string capture;
  std::string node;
  enrich::TableLimits table;
  std::string etc;  ///< where passwd and group are; empty: ids without names
  scoring::FindingLimits findings;
};

struct ReplaySummary {
  Pipeline::Counts counts;
  std::string host;       ///< where the capture was made
  uint64_t first_ns = 0;  ///< wall clock of the host then
  uint64_t last_ns = 0;
  std::string damage;  ///< why the rest of the capture could not be read; empty when it was all good
};

/// Runs a capture through the same objects as life, with the recorded clock, into `sink`. Containers are not known:
/// /proc of another time cannot be asked. Errors: the capture cannot be opened.
Result<ReplaySummary> replay(const ReplayOptions& options, scoring::RuleSet rules, Sink& sink);

/// The summary as lines for people.
std::string summary_text(const ReplaySummary& summary);

}  // namespace shrike::agent
