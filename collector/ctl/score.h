#pragma once
// `shrike score`: traces of system calls judged against others, offline.

#include <string>

#include "collector/ctl/output.h"
#include "scoring/sequence/trace_reader.h"

namespace shrike::ctl {

struct ScoreOptions {
  std::string fit;    ///< file of normal traces
  std::string input;  ///< file of traces to judge; "-": standard input; empty: none, only `save`
  scoring::sequence::CallNotation calls = scoring::sequence::CallNotation::numbers;
  bool json = false;
  std::string save = {};  ///< file to write what was learnt to; empty: none
};

/// One line for each trace: name, score, p-value. Returns the exit code.
int run_score(const ScoreOptions& options, Output& out);

}  // namespace shrike::ctl
