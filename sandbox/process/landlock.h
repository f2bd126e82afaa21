#pragma once
// Landlock, as far as this kernel goes: a second word on what mounts and namespaces already say.

#include <string>
#include <vector>

#include "common/base/fd.h"
#include "common/base/result.h"

namespace shrike::sandbox::process {

/// The newest ABI that this kernel has; 0: none, or switched off.
int landlock_abi();
/// Rules for a program whose root is this process's: reading and executing everywhere, writing below `writable` and to
/// devices, no device files made, no signals or abstract sockets to anyone outside. Invalid without Landlock. Errors:
/// errno.
Result<Fd> landlock_rules(const std::vector<std::string>& writable);
/// Puts the calling thread under them; no_new_privs must be set. False: errno says why.
bool landlock_restrict(int rules_fd);

}  // namespace shrike::sandbox::process
