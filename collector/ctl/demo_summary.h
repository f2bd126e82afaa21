#pragma once
// What a demo says at its end.

#include <chrono>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "collector/verify.h"

namespace shrike::ctl {

struct DemoSummary {
  std::string node;
  std::chrono::nanoseconds ran{0};
  uint64_t events = 0;  ///< signed by the agent and verified by the collector, in this run
  uint64_t batches = 0;
  Losses lost;                                   ///< in this run, by cause and class
  std::map<std::string, uint64_t> alerts;        ///< by severity
  std::chrono::microseconds agent_start_cpu{0};  ///< until it was ready: loading and checking its eBPF programs
  std::chrono::microseconds agent_cpu{0};        ///< after that
  uint64_t agent_resident_bytes = 0;             ///< the most it had
  std::string outcome;                           ///< proven, refuted, could not tell
  std::string first_problem;                     ///< the first finding's sentence
  std::string state;                             ///< the directory that is kept; empty: nothing is
};

/// Counts `after` less `before` into events, batches and losses, and takes the outcome from `after`.
void add_evidence(DemoSummary& summary, const collector::VerifyReport& after, uint64_t events_before,
                  uint64_t batches_before, const Losses& losses_before);

std::vector<std::string> summary_as_text(const DemoSummary& summary, bool colour);
/// {"summary": {...}} on one line.
std::string summary_as_json(const DemoSummary& summary);

}  // namespace shrike::ctl
