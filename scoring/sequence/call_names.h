#pragma once

#include <optional>
#include <string_view>

#include "scoring/sequence/trace.h"

namespace shrike::scoring::sequence {

/// The number of the x86-64 system call with this name, as in <asm/unistd_64.h> up to Linux 6.18.
std::optional<Call> call_named(std::string_view name);
/// The name of an x86-64 system call; empty for numbers without one.
std::string_view call_name(Call number);

}  // namespace shrike::scoring::sequence
