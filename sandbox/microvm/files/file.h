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
  /// which is written back when the result is not an error. -ENOTTY for what it does not know: nothing here is a
  /// terminal; kernel/ refuses and reports what is in control_refused().
  virtual int64_t control(uint64_t command, uint64_t value, std::span<std::byte> argument);
  /// What it is open on; never null. Pipes, sockets and the like have nodes without a name in the tree.
  [[nodiscard]] virtual std::shared_ptr<Node> node() const = 0;
  /// fallocate(2). -EOPNOTSUPP.
  virtual int64_t allocate(int mode, uint64_t at, uint64_t length);

  /// Grows with each thing that may let someone who waits for `events` go on: what edge-triggered epoll compares.
  [[nodiscard]] virtual uint64_t activity(uint32_t events) const;
  /// A named pipe's other end is there, or was since: until then a blocking open(2) waits.
  [[nodiscard]] virtual bool opened() const { return true; }
  /// A blocking write goes on until all is written: pipes and stream sockets.
  [[nodiscard]] virtual bool writes_whole() const { return false; }
  /// At the close of a descriptor of process `pid`, also when others have it open still: its POSIX locks go.
  void closed_by(uint32_t pid);

  uint32_t flags = 0;  ///< O_ACCMODE, O_APPEND, O_NONBLOCK ... as fcntl F_GETFL tells
  [[nodiscard]] bool readable() const;
  [[nodiscard]] bool writable() const;
};

using FilePtr = std::shared_ptr<File>;

/// Commands of ioctl(2) that put input into a terminal or a console's selection: never allowed, whatever the file is.
bool control_refused(uint64_t command);

}  // namespace shrike::sandbox::microvm
