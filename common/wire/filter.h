#pragma once
// What must leave the kernel: derived by scoring from the loaded rules, completed by the agent with what its
// own state needs, applied by agent/probe. An over-approximation: it may let more through, never less.

#include <bitset>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "common/wire/denial.h"
#include "common/wire/event.h"

namespace shrike {

/// What is done to a path; equal to enum shrike_access of bpf/shrike_filter.h.
enum Access : uint32_t {
  access_open_read = 1 << 0,
  access_open_write = 1 << 1,
  access_open_failed = 1 << 2,
  access_rename = 1 << 3,
  access_unlink = 1 << 4,
  access_link = 1 << 5,
  access_symlink = 1 << 6,
  access_mkdir = 1 << 7,
  access_rmdir = 1 << 8,
  access_chmod = 1 << 9,
  access_chown = 1 << 10,
  access_truncate = 1 << 11,
  access_setxattr = 1 << 12,
};
inline constexpr uint32_t access_all = (1u << 13) - 1;

struct FilterSpec {
  std::bitset<event_kind_count> kinds;         ///< these leave the kernel at all
  std::bitset<event_kind_count> success_only;  ///< of these, only calls that succeeded

  struct Name {
    uint32_t any = 0;   ///< Access bits: a component anywhere in the path has this name
    uint32_t last = 0;  ///< Access bits: the last component has it
  };
  uint32_t any_path = 0;                     ///< Access bits that leave whatever the path
  std::map<std::string, uint32_t> prefixes;  ///< absolute path prefix (by text, not by component) -> Access bits
  std::map<std::string, Name> names;         ///< whole component name, at most 32 bytes -> Access bits

  /// Files that are meant whatever leads to them: by device and inode, which whoever applies this looks up and follows.
  struct Objects {
    uint32_t sets = 0;               ///< the bit that events about these files carry (event_object_sets)
    uint32_t access = 0;             ///< Access bits
    bool keep = false;               ///< a file stays in the set when its name is gone, for as long as the agent runs
    std::vector<std::string> paths;  ///< absolute; a folder stands for all below it; `*`, `?` and `[...]` are patterns
  };
  std::map<std::string, Objects> objects;  ///< by name

  /// What is to be refused, where the kernel can; at most denials_max. Of the sets named here, files keep what they are
  /// in for as long as anybody runs them.
  std::vector<Denial> denials;

  /// Adds everything `other` lets through.
  void merge(const FilterSpec& other);
};

/// How many sets of objects there can be: bits in an event.
inline constexpr size_t object_sets_max = 31;
/// The bit of one set more: of programs to which nothing may be refused.
inline constexpr uint32_t never_denied_set = 1u << 31;
/// How many denials one filter can have.
inline constexpr size_t denials_max = 32;
/// The sets of objects that an event's file is in (exec and task: the executable): bits of FilterSpec::Objects::sets.
inline uint32_t event_object_sets(const Event& event) {
  const bool has = (event.kind >= EventKind::open && event.kind <= EventKind::setxattr) ||
                   event.kind == EventKind::exec || event.kind == EventKind::task;
  return has ? static_cast<uint32_t>(event.arg[5]) : 0;
}

}  // namespace shrike
