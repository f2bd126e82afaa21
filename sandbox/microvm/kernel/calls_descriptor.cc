// Descriptors themselves: copied, closed, controlled, made for pipes and counters.

#include <fcntl.h>
#include <linux/close_range.h>
#include <net/if.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/ioctl.h>

#include "sandbox/microvm/files/interfaces.h"
#include "sandbox/microvm/files/locks.h"
#include "sandbox/microvm/files/objects.h"
#include "sandbox/microvm/files/pipe.h"
#include "sandbox/microvm/files/socket.h"
#include "sandbox/microvm/kernel/handlers.h"

namespace shrike::sandbox::microvm {
namespace {
constexpr size_t control_most = 4096;

int64_t duplicate(Request& request, int to, bool close_on_exec, bool same_is_error) {
  const FilePtr file = request.file(0);
  if (!file) return -EBADF;
  if (same_is_error && request.number(0) == to) return -EINVAL;
  if (request.number(0) == to) return to;
  if (to < 0 || static_cast<uint64_t>(to) >= std::min<uint64_t>(request.descriptor_limit(), 4096)) return -EBADF;
  if (const FilePtr before = request.process.files->get(to)) before->closed_by(request.process.pid);
  request.process.files->set(to, file, close_on_exec);
  return to;
}

/// SIOCGIFCONF: a struct ifconf, how many bytes and where to.
int64_t list_interfaces(Request& request) {
  struct {
    int32_t length, unused;
    uint64_t address;
  } list{};
  if (!request.memory.get(request.args[2], list)) return -EFAULT;
  const std::vector<std::byte> all = interface_list();
  const size_t fits =
      list.length < 0 ? 0 : static_cast<size_t>(list.length) / sizeof(struct ::ifreq) * sizeof(struct ::ifreq);
  const size_t count = list.address == 0 ? all.size() : std::min(all.size(), fits);
  if (list.address != 0 && !request.memory.write(list.address, std::span(all).first(count))) return -EFAULT;
  list.length = static_cast<int32_t>(count);
  return request.memory.put(request.args[2], list) ? 0 : -EFAULT;
}
}  // namespace

int64_t on_dup(Request& request) {
  FilePtr file = request.file(0);
  return file ? request.install(std::move(file), false) : -EBADF;
}

int64_t on_dup2(Request& request) { return duplicate(request, request.number(1), false, false); }

int64_t on_dup3(Request& request) {
  if ((request.args[2] & ~uint64_t{O_CLOEXEC}) != 0) return -EINVAL;
  return duplicate(request, request.number(1), request.args[2] != 0, true);
}

int64_t on_close(Request& request) {
  const FilePtr file = request.process.files->close(request.number(0));
  if (!file) return -EBADF;
  file->closed_by(request.process.pid);
  return 0;
}

int64_t on_close_range(Request& request) {
  const auto first = static_cast<uint32_t>(request.args[0]), last = static_cast<uint32_t>(request.args[1]);
  const uint64_t flags = request.args[2];
  if ((flags & ~uint64_t{CLOSE_RANGE_UNSHARE | CLOSE_RANGE_CLOEXEC}) != 0 || first > last) return -EINVAL;
  if ((flags & CLOSE_RANGE_UNSHARE) != 0) request.process.files = std::make_shared<Descriptors>(*request.process.files);
  for (const int fd : request.process.files->numbers()) {
    if (static_cast<uint32_t>(fd) < first || static_cast<uint32_t>(fd) > last) continue;
    if ((flags & CLOSE_RANGE_CLOEXEC) != 0) {
      request.process.files->mark(fd, true);
    } else if (const FilePtr file = request.process.files->close(fd)) {
      file->closed_by(request.process.pid);
    }
  }
  return 0;
}

namespace {
int64_t make_pipe_pair(Request& request, uint64_t flags) {
  if ((flags & ~uint64_t{O_CLOEXEC | O_NONBLOCK}) != 0)
    return (flags & O_DIRECT) != 0 ? request.unsupported("pipe2 with O_DIRECT", -EINVAL) : -EINVAL;
  FilePtr reader, writer;
  const auto bits = static_cast<int>(flags);
  if (const int64_t error = make_pipe(request.system.files.store(), bits, reader, writer); error < 0) return error;
  const bool close_on_exec = (flags & O_CLOEXEC) != 0;
  const int64_t first = request.install(std::move(reader), close_on_exec);
  if (first < 0) return first;
  const int64_t second = request.install(std::move(writer), close_on_exec);
  const std::array<int32_t, 2> both{static_cast<int32_t>(first), static_cast<int32_t>(second)};
  const int64_t result = second < 0 ? second : request.memory.put(request.args[0], both) ? 0 : -EFAULT;
  if (result < 0) {
    request.process.files->close(both[0]);
    if (second >= 0) request.process.files->close(both[1]);
  }
  return result;
}

int64_t make_counter(Request& request, uint64_t flags) {
  if ((flags & ~uint64_t{EFD_CLOEXEC | EFD_NONBLOCK | EFD_SEMAPHORE}) != 0) return -EINVAL;
  FilePtr file;
  const int64_t error =
      make_event(request.system.files.store(), static_cast<uint32_t>(request.args[0]), static_cast<int>(flags), file);
  return error < 0 ? error : request.install(std::move(file), (flags & EFD_CLOEXEC) != 0);
}
}  // namespace

int64_t on_pipe(Request& request) { return make_pipe_pair(request, 0); }
int64_t on_pipe2(Request& request) { return make_pipe_pair(request, request.args[1]); }
int64_t on_eventfd(Request& request) { return make_counter(request, 0); }
int64_t on_eventfd2(Request& request) { return make_counter(request, request.args[1]); }

namespace {
// fcntl's locks of a process (F_SETLK) and of an open file (F_OFD_SETLK).
int64_t lock_command(Request& request, const FilePtr& file, bool of_file, bool waits, bool asks) {
  struct ::flock lock {};
  if (!request.memory.get(request.args[2], lock)) return -EFAULT;
  if (of_file && lock.l_pid != 0) return -EINVAL;
  struct ::stat status {};
  file->status(status);
  const int64_t here = file->seek(0, SEEK_CUR);
  RangeLock range;
  const int64_t error =
      lock_range(lock, here < 0 ? 0 : static_cast<uint64_t>(here), static_cast<uint64_t>(status.st_size), range);
  if (error < 0) return error;
  range.pid = of_file ? 0 : request.process.pid;
  range.file = of_file ? file.get() : nullptr;
  const NodePtr node = file->node();
  if (asks) {
    const auto conflict = node->locks().conflict(range);
    lock.l_type = F_UNLCK;
    if (conflict) {
      lock.l_type = conflict->exclusive ? F_WRLCK : F_RDLCK;
      lock.l_whence = SEEK_SET;
      lock.l_start = static_cast<int64_t>(conflict->begin);
      lock.l_len = conflict->end == UINT64_MAX ? 0 : static_cast<int64_t>(conflict->end - conflict->begin);
      lock.l_pid = conflict->pid == 0 ? -1 : static_cast<int32_t>(conflict->pid);
    }
    return request.memory.put(request.args[2], lock) ? 0 : -EFAULT;
  }
  if (lock.l_type == F_UNLCK) return node->locks().unlock(range);
  if (lock.l_type == F_RDLCK ? !file->readable() : !file->writable()) return -EBADF;
  const int64_t result = node->locks().lock(range);
  if (result != -EAGAIN || !waits) return result;
  Wait wait;
  wait.again = [node, file, range]() -> std::optional<int64_t> {
    const int64_t again = node->locks().lock(range);
    return again == -EAGAIN ? std::nullopt : std::optional(again);
  };
  wait.restarts = true;
  return request.wait(std::move(wait));
}

int64_t set_flags(Request& request, const FilePtr& file) {
  constexpr uint32_t may_change = O_APPEND | O_ASYNC | O_DIRECT | O_NOATIME | O_NONBLOCK;
  file->flags = (file->flags & ~may_change) | (static_cast<uint32_t>(request.args[2]) & may_change);
  return 0;
}

int64_t pipe_size(Request& request, const FilePtr& file, bool change) {
  const auto pipe = std::dynamic_pointer_cast<PipeFile>(file);
  if (!pipe) return -EBADF;
  return change ? pipe->set_capacity(request.args[2] & 0xffffffff) : pipe->capacity();
}

int64_t seals(Request& request, const FilePtr& file, bool add) {
  if (!add) return get_seals(*file);
  const auto shared = request.system.shared_file(file->node(), false);
  return add_seals(*file, static_cast<uint32_t>(request.args[2]), shared != nullptr);
}
}  // namespace

int64_t on_fcntl(Request& request) {
  const FilePtr file = request.file(0);
  if (!file) return -EBADF;
  Descriptors& table = *request.process.files;
  const int fd = request.number(0), command = request.number(1);
  switch (command) {
    case F_DUPFD:
    case F_DUPFD_CLOEXEC:
      if (request.number(2) < 0 || static_cast<uint64_t>(request.number(2)) >= request.descriptor_limit())
        return -EINVAL;
      return table.add(file, command == F_DUPFD_CLOEXEC, request.descriptor_limit(), request.number(2));
    case F_GETFD:
      return table.closes_on_exec(fd) ? FD_CLOEXEC : 0;
    case F_SETFD:
      table.mark(fd, (request.args[2] & FD_CLOEXEC) != 0);
      return 0;
    case F_GETFL:
      return file->flags | O_LARGEFILE;
    case F_SETFL:
      return set_flags(request, file);
    case F_GETLK:
      return lock_command(request, file, false, false, true);
    case F_SETLK:
      return lock_command(request, file, false, false, false);
    case F_SETLKW:
      return lock_command(request, file, false, true, false);
    case F_OFD_GETLK:
      return lock_command(request, file, true, false, true);
    case F_OFD_SETLK:
      return lock_command(request, file, true, false, false);
    case F_OFD_SETLKW:
      return lock_command(request, file, true, true, false);
    case F_GETPIPE_SZ:
      return pipe_size(request, file, false);
    case F_SETPIPE_SZ:
      return pipe_size(request, file, true);
    case F_GET_SEALS:
      return seals(request, file, false);
    case F_ADD_SEALS:
      return seals(request, file, true);
    case F_GETOWN:
    case F_GETSIG:
    case F_SETOWN:
    case F_SETSIG:
      return 0;
    default:
      return request.unsupported("fcntl(" + std::to_string(command) + ")", -EINVAL);
  }
}

int64_t on_flock(Request& request) {
  const FilePtr file = request.file(0);
  if (!file) return -EBADF;
  const NodePtr node = file->node();
  const int operation = request.number(1);
  const int64_t result = node->locks().flock(*file, operation);
  if (result != -EWOULDBLOCK || (operation & LOCK_NB) != 0) return result;
  Wait wait;
  wait.again = [node, file, operation]() -> std::optional<int64_t> {
    const int64_t again = node->locks().flock(*file, operation | LOCK_NB);
    return again == -EWOULDBLOCK ? std::nullopt : std::optional(again);
  };
  wait.restarts = true;
  return request.wait(std::move(wait));
}

int64_t on_ioctl(Request& request) {
  const FilePtr file = request.file(0);
  const uint64_t command = request.args[1] & 0xffffffff;
  if (control_refused(command))
    return request.refuse(command == TIOCSTI ? "ioctl(TIOCSTI)" : "ioctl(TIOCLINUX)", -EPERM);
  if (!file || (file->flags & O_PATH) != 0) return -EBADF;
  Descriptors& table = *request.process.files;
  if (command == FIOCLEX || command == FIONCLEX) {
    table.mark(request.number(0), command == FIOCLEX);
    return 0;
  }
  if (command == FIONBIO) {
    int32_t on = 0;
    if (!request.memory.get(request.args[2], on)) return -EFAULT;
    file->flags = on != 0 ? file->flags | O_NONBLOCK : file->flags & ~uint32_t{O_NONBLOCK};
    return 0;
  }
  if (command == SIOCGIFCONF && std::dynamic_pointer_cast<Socket>(file)) return list_interfaces(request);
  // Old commands say nothing of their argument's size; the ones that matter have an int, a termios or an ifreq.
  size_t size = _IOC_SIZE(command);
  const bool terminal = _IOC_DIR(command) == _IOC_NONE && command >> 8 == 0x54, network = command >> 8 == 0x89;
  if (terminal) size = command == FIONREAD ? 4 : 64;
  if (network) size = sizeof(struct ::ifreq);
  std::vector<std::byte> argument(std::min(size, control_most));
  if (terminal || network || _IOC_DIR(command) != _IOC_NONE)
    argument.resize(request.memory.read_some(request.args[2], argument));
  const int64_t result = file->control(command, request.args[2], argument);
  if (result < 0 || argument.empty() || _IOC_DIR(command) == _IOC_WRITE) return result;
  return request.memory.write(request.args[2], argument) ? result : -EFAULT;
}

}  // namespace shrike::sandbox::microvm
