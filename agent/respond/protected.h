#pragma once
// What no configuration and no rule can make the agent touch.

#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "agent/respond/target.h"

namespace shrike::respond {

struct Protected {
  std::set<uint32_t> pids;                          ///< the agent and its ancestors
  std::set<std::pair<uint32_t, uint64_t>> objects;  ///< programs: device (major << 20 | minor) and inode
  std::set<std::string> paths;                      ///< the same by path, believed only in our own mount namespace
  uint32_t mount_namespace = 0;                     ///< ours
  uint32_t user_namespace = 0;                      ///< ours

  /// Why `target` may not be touched; nothing when it may.
  [[nodiscard]] std::optional<std::string> why(const Target& target) const;
};

/// The programs that are never touched: `never`, besides sshd, systemd, dbus, nats-server and Shrike's own, also where
/// this process's executable is.
std::vector<std::string> never_touched(const std::vector<std::string>& never);

/// Protects this process, its ancestors, and never_touched(`never`). A program that is not there is protected by its
/// path. Call it while /proc can still be read.
Protected protected_here(const std::vector<std::string>& never);

}  // namespace shrike::respond
