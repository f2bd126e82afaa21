#pragma once
// The body of one command while its parts come in, in any order.

#include <string>
#include <utility>
#include <vector>

#include "common/base/fd.h"
#include "common/base/result.h"
#include "common/wire/command.h"

namespace shrike::command {

class Assembly {
 public:
  /// Makes the file at `path`, which goes with this unless keep() is called. Errors: errno.
  static Result<Assembly> begin(const OpenCommand& command, std::string path);
  Assembly(Assembly&& other) noexcept = default;
  Assembly& operator=(Assembly&&) = delete;
  ~Assembly();

  [[nodiscard]] const OpenCommand& command() const { return command_; }
  /// Writes a part that open_command() has found right; one that is there already is nothing. Errors: errno.
  Result<void> add(const OpenCommand::Part& part);
  [[nodiscard]] bool complete() const { return missing_count_ == 0; }
  /// First and last of each range of parts that are not there, at most command_ranges_max of them.
  [[nodiscard]] std::vector<std::pair<uint32_t, uint32_t>> missing() const;
  /// Puts the file on the disk for good. Errors: errno.
  Result<void> keep();

  uint64_t heard_ns = 0;  ///< boot time of the last message of this command
  uint64_t asked_ns = 0;  ///< boot time when parts were asked for last; 0: never

 private:
  Assembly(OpenCommand command, std::string path, Fd file);
  OpenCommand command_;  // without its part
  std::string path_;
  Fd file_;
  std::vector<bool> have_;
  size_t missing_count_;
};

}  // namespace shrike::command
