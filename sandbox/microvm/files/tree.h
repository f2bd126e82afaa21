#pragma once
// The read-only tree below the guest's own files. Its entries are numbers that the tree itself has given out; names are
// compared by us, so that no text of the guest's goes any further.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "common/base/fd.h"
#include "common/base/result.h"

namespace shrike::sandbox::microvm {

struct TreeEntry {
  uint64_t number = 0;  ///< 1: the root
  std::string name;
  uint32_t mode = 0;  ///< with file type bits: folders, regular files, links
  // From here on: only from look().
  uint32_t uid = 0, gid = 0;
  uint64_t size_bytes = 0;
  uint64_t mtime_ns = 0;
  std::string target;  ///< of a link
  bool operator==(const TreeEntry&) const = default;
};

inline constexpr uint64_t tree_root = 1;
inline constexpr size_t tree_names_max = 100'000;  ///< entries of one folder; what is beyond is not there

class Tree {
 public:
  virtual ~Tree() = default;
  /// Everything in a folder: number, name and the type bits of the mode, no more, because a folder of /usr/lib's size
  /// is listed for one name of it. Errors: not a folder of this tree; it cannot be read.
  virtual Result<std::vector<TreeEntry>> list(uint64_t folder) = 0;
  /// One name in a folder, where that is known without asking anybody: the entry, or an entry with number 0 for a name
  /// that is not there. Nothing: list() the folder.
  virtual std::optional<TreeEntry> known(uint64_t folder, std::string_view name) {
    static_cast<void>(folder), static_cast<void>(name);
    return std::nullopt;
  }
  /// All of one entry, but its name. Errors: not an entry of this tree; it cannot be read.
  virtual Result<TreeEntry> look(uint64_t number) = 0;
  /// Up to `out.size()` bytes of a regular file from `at` on; how many. Errors: not a file of this tree; it cannot be
  /// read.
  virtual Result<size_t> read(uint64_t file, uint64_t at, std::span<std::byte> out) = 0;
};

/// A tree of nothing but its root.
std::unique_ptr<Tree> empty_tree();
/// A tree in memory, for tests and fuzzing: path -> content; a path that ends in "/" is a folder, content behind "->" a
/// link.
std::unique_ptr<Tree> memory_tree(const std::vector<std::pair<std::string, std::string>>& entries);
/// The tree that a broker (sandbox/microvm/broker.h) serves at the other end of `socket`, in the messages of
/// broker_wire.h. Calls only sendmsg, recvmsg, pread64 and close. An answer that is out of bounds is an error, and so
/// is everything after it.
std::unique_ptr<Tree> broker_tree(Fd socket);

}  // namespace shrike::sandbox::microvm
