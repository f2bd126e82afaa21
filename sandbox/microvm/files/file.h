#pragma once
// An open file as a guest process holds it. Results are a count or value, or -errno, as the system call returns them.
// Nothing here waits: what would have to, returns -EAGAIN, and kernel/ tries again when poll() says that it may go on.

#include <poll.h>
#include <sys/stat.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>

namespace shrike::sandbox::microvm {

class Node;  // node.h: what a name in the tree stands for

/// An open file description: what dup and fork share. Owners: the descriptor tables of the guest's processes.
class File {
 public:
  virtual ~File() = default;

  /// At `at`, or at and moving the file's own position when there is none.
  virtual int64_t read(std::span<std::byte> out, std::optional<uint64_t> at);
  virtual int64_t write(std::span<const std::byte> in, std::optional<uint64_t> at);
  virtual int64_t seek(int64_t offset, int whence);
  /// POLLIN, POLLOUT, POLLHUP ... that hold now.
  [[nodiscard]] virtual uint32_t poll() const;
  /// When poll() will change by time alone (a timer), in virtual nanoseconds.
  [[nodiscard]] virtual std::optional<uint64_t> wakes_at() const;
  virtual int64_t status(struct ::stat& out) const;
  virtual int64_t truncate(uint64_t length);
  /// Fills `out` with linux_dirent64 records from the file's position on; 0 at the end.
  virtual int64_t list(std::span<std::byte> out);
  /// `argument` is a copy of what the call's pointer points at (as much as the command's size says, 0 to 4096 bytes),
  /// which is written back when the result is not an error.
  virtual int64_t control(uint64_t command, uint64_t value, std::span<std::byte> argument);
  /// The file in the tree, null for pipes and the like.
  [[nodiscard]] virtual std::shared_ptr<Node> node() const;
  /// For /proc/self/fd: "/etc/passwd", "pipe:[17]".
  [[nodiscard]] virtual std::string name() const = 0;

  uint32_t flags = 0;  ///< O_ACCMODE, O_APPEND, O_NONBLOCK ... as fcntl F_GETFL tells
};

using FilePtr = std::shared_ptr<File>;

}  // namespace shrike::sandbox::microvm
