#include "sandbox/microvm/files/file.h"

#include <fcntl.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <cerrno>

#include "sandbox/microvm/files/locks.h"
#include "sandbox/microvm/files/node.h"

namespace shrike::sandbox::microvm {

int64_t File::read(std::span<std::byte>, std::optional<uint64_t>) { return -EINVAL; }
int64_t File::write(std::span<const std::byte>, std::optional<uint64_t>) { return -EINVAL; }
int64_t File::seek(int64_t, int whence) { return whence < SEEK_SET || whence > SEEK_HOLE ? -EINVAL : -ESPIPE; }
uint32_t File::poll() const { return POLLIN | POLLOUT; }
std::optional<uint64_t> File::wakes_at() const { return std::nullopt; }
int64_t File::truncate(uint64_t) { return -EINVAL; }
int64_t File::list(std::span<std::byte>) { return -ENOTDIR; }
int64_t File::control(uint64_t, uint64_t, std::span<std::byte>) { return -ENOTTY; }
uint64_t File::activity(uint32_t) const { return 0; }

int64_t File::allocate(int, uint64_t, uint64_t) {
  if (!writable()) return -EBADF;
  const NodePtr on = node();
  return on->type() == S_IFIFO ? -ESPIPE : on->is_folder() ? -EISDIR : -ENODEV;
}

int64_t File::status(struct ::stat& out) const {
  node()->status(out);
  return 0;
}

void File::closed_by(uint32_t pid) {
  if (LockTable* locks = node()->known_locks()) locks->release_process(pid);
}

bool File::readable() const { return (flags & O_ACCMODE) == O_RDONLY || (flags & O_ACCMODE) == O_RDWR; }
bool File::writable() const { return (flags & O_ACCMODE) == O_WRONLY || (flags & O_ACCMODE) == O_RDWR; }

bool control_refused(uint64_t command) { return command == TIOCSTI || command == TIOCLINUX; }

}  // namespace shrike::sandbox::microvm
