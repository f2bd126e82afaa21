#pragma once

#include <cstdint>
#include <functional>

#include "common/base/result.h"
#include "sandbox/microvm/machine/machine.h"

namespace shrike::sandbox::microvm {

/// Runs a few instructions of our own in ring 3 and holds what happens against what every program relies on: that
/// SYSCALL arrives, that page protections hold, that the machine's pages cannot be read. `last_port` tells how ring 0
/// was left last. Fills what it finds out. Errors: what does not hold here. Cost here: 0.25 ms.
Result<Abilities> self_test(Machine& machine, const std::function<uint8_t()>& last_port);

}  // namespace shrike::sandbox::microvm
