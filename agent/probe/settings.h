#pragma once
// What is changed in the kernel while the programs run: through a program of ours, because their maps are frozen.

#include <cstdint>

#include "agent/probe/record.h"
#include "bpf/shrike_counters.h"
#include "common/base/fd.h"
#include "common/base/result.h"

namespace shrike::probe {

/// Any thread. The first process that sets anything owns the programs: all others are refused.
class Settings {
 public:
  /// `program`: change_setting of bpf/settings.bpf.c.
  explicit Settings(Fd program) : program_(std::move(program)) {}

  /// Errors: EPERM: the programs belong to another process; the kernel refused to run the program.
  [[nodiscard]] Result<void> set(shrike_active word, uint64_t value) const;
  /// Puts a table in force; the one before is overwritten by the next, which must not come before every program that
  /// may be reading it has ended. Cost: 0.1 ms. Errors: as above.
  [[nodiscard]] Result<void> set_objects(const shrike_objects& table) const;

 private:
  [[nodiscard]] Result<void> run(const shrike_setting& setting) const;
  Fd program_;
};

}  // namespace shrike::probe
