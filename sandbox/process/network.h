#pragma once
// The network namespace of a sandbox: loopback, and every address of the Internet as one of its own.

#include "common/base/result.h"

namespace shrike::sandbox::process {

/// Brings loopback up. Errors: errno of netlink.
Result<void> loopback_up();
/// Makes every IPv4 and IPv6 address local, seen from 10.0.2.15, so that whatever is connected to arrives here. IPv6 is
/// left out where the kernel has none.
Result<void> whole_internet_to_loopback();

}  // namespace shrike::sandbox::process
