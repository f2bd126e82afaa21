#pragma once
// What a program has written and not removed, found by directory descriptors alone: nothing is followed.

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "sandbox/report.h"

namespace shrike::sandbox::process {

/// Which files there were before, by path: inode and when last changed; both 0 where another mount stood.
struct FileStamp {
  uint64_t inode = 0;
  int64_t changed_ns = 0;
  bool operator==(const FileStamp&) const = default;
};
using FileStamps = std::map<std::string, FileStamp>;

/// All regular files and links of the file system at `root_fd`, other mounts left out.
FileStamps list_files(int root_fd);
/// Those that are new or changed since `before`, hashed, `most` at most; `dropped` counts the rest. Nothing may write
/// there any more.
std::vector<Artefact> find_artefacts(int root_fd, const FileStamps& before, size_t most, uint64_t& dropped);

}  // namespace shrike::sandbox::process
