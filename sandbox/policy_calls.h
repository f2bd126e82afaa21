#pragma once
// The lists that policies are made of.

#include <cstdint>
#include <span>
#include <string_view>

namespace shrike::sandbox {

/// Calls that any program may make, whatever their arguments.
std::span<const std::string_view> plain_calls();
/// Calls on sockets that exist already: harmless without one.
std::span<const std::string_view> socket_calls();
/// Commands of ioctl(2) that are allowed; all others but the absent ones are refused.
std::span<const uint32_t> plain_ioctls();
/// Those that fail as on a file system or device that lacks them: harmless questions of ordinary programs.
std::span<const uint32_t> absent_ioctls();
/// Options of prctl(2) that are allowed.
std::span<const uint32_t> plain_prctls();
/// Those that fail as on a kernel without them.
std::span<const uint32_t> absent_prctls();
/// "FICLONE", "TIOCSTI"; empty for one without a name here.
std::string_view ioctl_name(uint32_t command);
/// "PR_SET_SECCOMP"; empty for one without a name here.
std::string_view prctl_name(uint32_t option);
/// Answered as by a kernel without them: what they do is in memory that a filter cannot see, or libraries have another
/// way and do without.
std::span<const std::string_view> unknown_calls();

struct NeverAllowed {
  std::string_view name;
  std::string_view why;
};
/// Refused whatever else a policy allows; the list is for the reason, everything not allowed is refused anyway.
std::span<const NeverAllowed> never_allowed();

}  // namespace shrike::sandbox
