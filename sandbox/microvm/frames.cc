#include "sandbox/microvm/frames.h"

#include <sys/socket.h>

#include <cerrno>

#include "common/base/bytes.h"

namespace shrike::sandbox::microvm {
namespace {

constexpr size_t header_bytes = 8, chunk_bytes = 64u << 10, chunks_at_once = 8;

bool from_machine(uint8_t type) {
  return type >= static_cast<uint8_t>(sandbox::Frame::out) && type <= static_cast<uint8_t>(sandbox::Frame::begun);
}

}  // namespace

Result<bool> FrameReader::read() {
  buffer_.erase(0, taken_);
  taken_ = 0;
  for (size_t chunks = 0; chunks < chunks_at_once; ++chunks) {
    const size_t have = buffer_.size();
    buffer_.resize(have + chunk_bytes);
    const ssize_t got = ::recv(fd_, buffer_.data() + have, chunk_bytes, MSG_DONTWAIT);
    buffer_.resize(have + (got > 0 ? static_cast<size_t>(got) : 0));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0 && errno == EAGAIN) return true;
    if (got < 0) return errno_error("the machine's channel");
    if (got == 0) return false;
  }
  return true;
}

Result<std::optional<std::pair<sandbox::Frame, std::string_view>>> FrameReader::next() {
  using Taken = std::optional<std::pair<sandbox::Frame, std::string_view>>;
  const std::string_view rest = std::string_view(buffer_).substr(taken_);
  if (rest.size() < header_bytes) return Taken();
  const auto length = load_le<uint32_t>(rest.data());
  const auto type = static_cast<uint8_t>(rest[4]);
  if (length > frame_payload_max || !from_machine(type) || rest[5] != 0 || rest[6] != 0 || rest[7] != 0)
    return Error{"the machine's process sent what is no frame"};
  if (rest.size() < header_bytes + length) return Taken();
  taken_ += header_bytes + length;
  return Taken({static_cast<sandbox::Frame>(type), rest.substr(header_bytes, length)});
}

}  // namespace shrike::sandbox::microvm
