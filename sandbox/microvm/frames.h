#pragma once
// Frames from a machine's process, taken without waiting: it may have been taken over, and then sends anything, or half
// of something.

#include <optional>
#include <string>
#include <string_view>

#include "common/base/result.h"
#include "sandbox/channel.h"

namespace shrike::sandbox::microvm {

class FrameReader {
 public:
  explicit FrameReader(int fd) : fd_(fd) {}
  /// Reads what is there, up to some hundred KiB. False: the other end has gone. Errors: errno of recv.
  Result<bool> read();
  /// The next whole frame; its payload is valid until the next read(). Errors: a header that is none, a frame that is
  /// too large or of a type that a machine does not send.
  Result<std::optional<std::pair<sandbox::Frame, std::string_view>>> next();

 private:
  int fd_;
  std::string buffer_;
  size_t taken_ = 0;  // of buffer_, from its front
};

}  // namespace shrike::sandbox::microvm
