#pragma once
// What a guest finds besides the tree below: /dev, folders to write to, accounts and names in /etc, and bait.

#include <cstdint>
#include <string>
#include <vector>

#include "sandbox/microvm/files/file_system.h"

namespace shrike::sandbox::microvm {

/// Puts it all in, replacing what the tree below has under these names. `seed` makes the invented secrets; nothing of
/// them opens anything anywhere. Before mount_proc(), since /dev/fd and the like are links into /proc.
void furnish(FileSystem& files, const std::string& hostname, uint64_t seed);

/// Paths of the bait: reading one is what thieves of secrets do.
const std::vector<std::string>& bait_paths();

}  // namespace shrike::sandbox::microvm
