#pragma once
// Keeps some of what was refused, for people to look at. Bounded: the oldest make room.

#include <string>
#include <string_view>

#include "collector/index.h"

namespace shrike::collector {

class Quarantine {
 public:
  static constexpr size_t files_max = 64;
  static constexpr uint64_t bytes_max = 16u << 20;

  explicit Quarantine(std::string dir) : dir_(std::move(dir)) {}
  /// Writes the bytes to <dir>/<time>-<verdict>-<node>-<seq>.batch. Errors: errno.
  Result<void> keep(const VerdictRow& row, std::string_view bytes);

 private:
  std::string dir_;
};

}  // namespace shrike::collector
