#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>

#include "common/base/result.h"

namespace shrike::enrich {

/// Names by number from a file like /etc/passwd or /etc/group (name:x:number:...), read again when it has changed. No
/// getpwnam: that would load whatever nsswitch.conf names into the agent.
class IdNames {
 public:
  explicit IdNames(std::string path);

  /// The name of `id`, empty when it has none; holds until the next call. Looks whether the file has changed at most
  /// once in a second of `now_ns`. A file that cannot be read leaves the names as they were.
  std::string_view name(uint32_t id, uint64_t now_ns);

 private:
  void refresh(uint64_t now_ns);

  std::string path_;
  std::unordered_map<uint32_t, std::string> names_;
  uint64_t next_check_ns_ = 0;
  struct Stamp {
    uint64_t mtime_ns = 0, inode = 0, size = 0;
    bool operator==(const Stamp&) const = default;
  } stamp_;
};

/// The parser: the first line of a number wins; lines that are none are passed over.
std::unordered_map<uint32_t, std::string> parse_id_names(std::string_view text);

}  // namespace shrike::enrich
