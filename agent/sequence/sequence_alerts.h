#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "common/wire/alert.h"
#include "common/wire/event.h"
#include "common/wire/sequence.h"

namespace shrike::sequence {

/// Events of kind `sequence` -> alerts of source `sequence`. Pure.
///  "Novel program"            low: never executed here before; it is being learned, and no anomaly
///  "Unusual system calls"     low, or medium when six or more of the thread's last 64 calls were unusual
///  "Sequence profile full"    low: the program does more than its profile holds; what does not fit is not judged
class SequenceAlerts {
 public:
  struct Options {
    bool novel_programs = false;  ///< tell them
    uint64_t quiet_until_ns = 0;  ///< ... from here on (wall clock): a node that begins with nothing knows no program
    /// Where a new program's executable is.
    std::function<void(const ProgramId&, std::string_view path)> saw;
  };
  SequenceAlerts() = default;
  explicit SequenceAlerts(Options options) : options_(std::move(options)) {}

  void evaluate(const Event& event, std::vector<Alert>& alerts) const;

 private:
  void on_new_program(const Event& event, std::vector<Alert>& alerts) const;
  Options options_;
};

/// Name of a call as a sequence has it: "openat", "i386:5", "x32:59", "io_uring:13", "start".
std::string name_of_call(uint16_t call);

}  // namespace shrike::sequence
