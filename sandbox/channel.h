#pragma once
// Frames between a client and shrike-sandbox over one SOCK_STREAM Unix socket: a header of eight bytes (u32 little
// endian length of what follows, u8 type, three zero bytes), then the payload. Descriptors travel with a frame's first
// byte, and only with a job. Both ends treat the other's bytes as hostile.

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/fd.h"
#include "common/base/result.h"

namespace shrike::sandbox {

enum class Frame : uint8_t {
  job = 1,      ///< client: job as JSON; with SCM_RIGHTS: program, then input if the job has it, then its files
  stop = 2,     ///< client: end the job now
  out = 3,      ///< sandbox: bytes of standard output
  err = 4,      ///< sandbox: bytes of standard error
  calls = 5,    ///< sandbox: encoded calls (call.h), whole ones, one after the other
  report = 6,   ///< sandbox: the report as JSON, the last frame
  refused = 7,  ///< sandbox: a sentence why the job was not begun (quota, bad job), the last frame
  begun = 8,    ///< sandbox: the program's first instruction is about to run; u64 little endian: CLOCK_BOOTTIME ns
  placed = 9,   ///< sandbox: where the program will be, a JobPlace's two u64, little endian; it waits for `go`
  go = 10       ///< client: it has taken note, the program may be started
};

inline constexpr size_t frame_payload_max = 8u << 20;  ///< bytes
inline constexpr size_t frame_fds_max = 64;

/// What a job's processes are known by on this host, and nobody else's.
struct JobPlace {
  uint64_t cgroup = 0;          ///< id of its control group, version 2
  uint64_t user_namespace = 0;  ///< inode of its user namespace
  bool operator==(const JobPlace&) const = default;
};
std::string place_bytes(const JobPlace& place);
/// Errors: another length.
Result<JobPlace> place_of_bytes(std::string_view bytes);

struct Message {
  Frame type{};
  std::string payload;
  std::vector<Fd> fds;
};

/// A frame's header. `payload_bytes` is at most frame_payload_max.
std::string frame_header(Frame type, size_t payload_bytes);

/// One end of a channel. Not thread-safe.
class Channel {
 public:
  explicit Channel(Fd socket) : socket_(std::move(socket)) {}
  /// Sends one frame with its descriptors, waiting while the other end is slow. Errors: errno; too large.
  Result<void> send(Frame type, std::string_view payload, std::span<const int> fds = {});
  /// The next frame, waiting for it; nothing when the other end has closed between frames. Errors: errno; closed inside
  /// a frame; a length, type or number of descriptors out of bounds.
  Result<std::optional<Message>> receive();
  [[nodiscard]] int fd() const { return socket_.get(); }

 private:
  Fd socket_;
};

}  // namespace shrike::sandbox
