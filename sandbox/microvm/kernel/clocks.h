#pragma once

#include <optional>

#include "sandbox/microvm/kernel/system.h"

namespace shrike::sandbox::microvm {

/// What a clockid_t shows, in nanoseconds; nothing: there is no such clock.
std::optional<uint64_t> read_clock(const System& system, const Thread& thread, int clock);
/// Whether it is one that can be set.
bool real_clock(int clock);

}  // namespace shrike::sandbox::microvm
