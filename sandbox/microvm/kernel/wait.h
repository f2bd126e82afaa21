#pragma once
// What a thread that cannot go on waits for.

#include <cstdint>
#include <functional>
#include <optional>
#include <vector>

#include "sandbox/microvm/files/file.h"

namespace shrike::sandbox::microvm {

/// A call in waiting. It holds copies of the call's arguments; nothing is read from the program's memory again.
struct Wait {
  /// The call's result once there is one. Asked whenever another thread has run; must not block and should be cheap.
  std::function<std::optional<int64_t>()> again;
  std::optional<uint64_t> deadline;  ///< VirtualClock::now() at which it ends by itself
  int64_t at_deadline = 0;           ///< with this result
  /// A signal with a handler came: the result. Null: -EINTR.
  std::function<int64_t()> interrupted;
  bool restarts = false;       ///< the call is made again after a handler that was installed with SA_RESTART
  bool killable_only = false;  ///< vfork's parent: handlers wait
  std::vector<FilePtr> files;  ///< whose own timers may end it
};

}  // namespace shrike::sandbox::microvm
