#pragma once
// One message with descriptors over a SOCK_SEQPACKET socket: between processes of one sandbox.

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/fd.h"
#include "common/base/result.h"

namespace shrike::sandbox {

struct Packet {
  std::string text;
  std::vector<Fd> fds;
};

inline constexpr size_t packet_text_max = 40u << 10;
inline constexpr size_t packet_fds_max = 72;

/// Waits while the other end is slow. Errors: errno; too large.
Result<void> send_packet(int socket, std::string_view text, std::span<const int> fds = {});
/// The next one; nothing at the end, or when `wait` is false and there is none. Errors: errno; cut.
Result<std::optional<Packet>> receive_packet(int socket, bool wait);

}  // namespace shrike::sandbox
