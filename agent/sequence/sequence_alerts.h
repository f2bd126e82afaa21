#pragma once

#include <cstdint>
#include <vector>

#include "common/wire/alert.h"
#include "common/wire/event.h"

namespace shrike::sequence {

/// Events of kind `sequence` -> alerts of source `sequence`. Pure.
///  "Novel program"            low: never executed here before; it is being learned, and no anomaly
///  "Unusual system calls"     low, or medium when six or more of the thread's last 64 calls were unusual
///  "Sequence profile full"    low: the program does more than its profile holds; what does not fit is not judged
class SequenceAlerts {
 public:
  /// `quiet_until_ns` (wall clock): before that new programs are not told. For a node that begins with nothing.
  explicit SequenceAlerts(bool novel_programs = false, uint64_t quiet_until_ns = 0)
      : novel_programs_(novel_programs), quiet_until_ns_(quiet_until_ns) {}

  void evaluate(const Event& event, std::vector<Alert>& alerts) const;

 private:
  bool novel_programs_;
  uint64_t quiet_until_ns_;
};

/// Name of a call as a sequence has it: "openat", "i386:5", "x32:59", "io_uring:13", "start".
std::string name_of_call(uint16_t call);

}  // namespace shrike::sequence
