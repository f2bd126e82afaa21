// Calls that name files: open, what is told of them, what is changed of them.

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>

#include "sandbox/microvm/kernel/handlers.h"

namespace shrike::sandbox::microvm {
namespace {
constexpr size_t none = Request::no_folder;

int64_t do_open(Request& request, size_t folder, size_t path, uint64_t raw_flags, uint64_t mode) {
  const auto flags = static_cast<int>(raw_flags);
  std::string text;
  std::shared_ptr<Node> from;
  if (const int64_t error = request.path_from(folder, path, text, from); error < 0) return error;
  FilePtr file;
  Found found;
  const auto bits = static_cast<uint32_t>(mode & 07777 & ~request.process.folders->umask);
  const int64_t error = request.system.files.open_at(request.place(), from, text, flags, bits, file, &found);
  if (found.node || found.folder) request.tell_found(found, false);
  if (error < 0) return error;
  if ((flags & O_TRUNC) != 0) request.system.content_changed(file->node());
  const bool close_on_exec = (flags & O_CLOEXEC) != 0;
  if (file->opened() || (flags & O_NONBLOCK) != 0) return request.install(std::move(file), close_on_exec);
  // A named pipe without its other end.
  Wait wait;
  Process* process = &request.process;
  wait.again = [process, file, close_on_exec]() -> std::optional<int64_t> {
    if (!file->opened()) return std::nullopt;
    return process->files->add(file, close_on_exec, process->limits[RLIMIT_NOFILE].rlim_cur);
  };
  wait.restarts = true;
  return request.wait(std::move(wait));
}

int64_t put_status(Request& request, const Node& node, uint64_t address) {
  struct ::stat status {};
  if (const int64_t error = request.system.files.status(node, status); error < 0) return error;
  return request.memory.put(address, status) ? 0 : -EFAULT;
}

int64_t status_of(Request& request, size_t folder, size_t path, bool follow, uint64_t out) {
  Found found;
  const int64_t error = request.find_there(folder, path, follow, found);
  return error < 0 ? error : put_status(request, *found.node, out);
}

// What an *at call with AT_EMPTY_PATH is about: the path's, or the descriptor's own.
int64_t node_at(Request& request, uint64_t flags, bool follow, std::shared_ptr<Node>& out) {
  uint8_t first = 1;
  if ((flags & AT_EMPTY_PATH) != 0 && request.memory.get(request.args[1], first) && first == 0) {
    request.tell(TextKind::path, "");
    if (request.number(0) == AT_FDCWD) {
      out = request.place().cwd;
      return 0;
    }
    const FilePtr file = request.file(0);
    if (!file) return -EBADF;
    out = file->node();
    return 0;
  }
  Found found;
  if (const int64_t error = request.find_there(0, 1, follow, found); error < 0) return error;
  out = found.node;
  return 0;
}
}  // namespace

int64_t on_open(Request& request) { return do_open(request, none, 0, request.args[1], request.args[2]); }
int64_t on_openat(Request& request) { return do_open(request, 0, 1, request.args[2], request.args[3]); }
int64_t on_creat(Request& request) { return do_open(request, none, 0, O_CREAT | O_WRONLY | O_TRUNC, request.args[1]); }

int64_t on_openat2(Request& request) {
  struct How {
    uint64_t flags, mode, resolve;
  } how{};
  if (request.args[3] < sizeof how) return -EINVAL;
  if (request.args[3] > sizeof how) return -E2BIG;
  if (!request.memory.get(request.args[2], how)) {
    request.thread.call->flags |= call_memory;
    return -EFAULT;
  }
  request.tell(TextKind::open_how, std::string(reinterpret_cast<const char*>(&how), sizeof how));
  if (how.resolve != 0) return request.unsupported("openat2 with resolve flags", -ENOSYS);
  return do_open(request, 0, 1, how.flags, how.mode);
}

int64_t on_stat(Request& request) { return status_of(request, none, 0, true, request.args[1]); }
int64_t on_lstat(Request& request) { return status_of(request, none, 0, false, request.args[1]); }

int64_t on_fstat(Request& request) {
  const FilePtr file = request.file(0);
  struct ::stat status {};
  if (!file) return -EBADF;
  if (const int64_t error = file->status(status); error < 0) return error;
  return request.memory.put(request.args[1], status) ? 0 : -EFAULT;
}

int64_t on_newfstatat(Request& request) {
  const uint64_t flags = request.args[3];
  if ((flags & ~uint64_t{AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT | AT_EMPTY_PATH}) != 0) return -EINVAL;
  std::shared_ptr<Node> node;
  if (const int64_t error = node_at(request, flags, (flags & AT_SYMLINK_NOFOLLOW) == 0, node); error < 0) return error;
  return put_status(request, *node, request.args[2]);
}

namespace {
struct ::statx_timestamp statx_time(const struct ::timespec& time) {
  struct ::statx_timestamp out {};
  out.tv_sec = time.tv_sec;
  out.tv_nsec = static_cast<uint32_t>(time.tv_nsec);
  return out;
}
}  // namespace

int64_t on_statx(Request& request) {
  const uint64_t flags = request.args[2];
  if ((request.args[3] & STATX__RESERVED) != 0) return -EINVAL;
  std::shared_ptr<Node> node;
  if (const int64_t error = node_at(request, flags, (flags & AT_SYMLINK_NOFOLLOW) == 0, node); error < 0) return error;
  struct ::stat from {};
  if (const int64_t error = request.system.files.status(*node, from); error < 0) return error;
  struct ::statx to {};
  to.stx_mask = STATX_BASIC_STATS;
  to.stx_blksize = static_cast<uint32_t>(from.st_blksize);
  to.stx_nlink = static_cast<uint32_t>(from.st_nlink);
  to.stx_uid = from.st_uid;
  to.stx_gid = from.st_gid;
  to.stx_mode = static_cast<uint16_t>(from.st_mode);
  to.stx_ino = from.st_ino;
  to.stx_size = static_cast<uint64_t>(from.st_size);
  to.stx_blocks = static_cast<uint64_t>(from.st_blocks);
  to.stx_atime = statx_time(from.st_atim);
  to.stx_mtime = statx_time(from.st_mtim);
  to.stx_ctime = statx_time(from.st_ctim);
  to.stx_rdev_major = major(from.st_rdev);
  to.stx_rdev_minor = minor(from.st_rdev);
  to.stx_dev_major = major(from.st_dev);
  to.stx_dev_minor = minor(from.st_dev);
  return request.memory.put(request.args[4], to) ? 0 : -EFAULT;
}

namespace {
int64_t do_access(Request& request, size_t folder, size_t path, uint64_t mode, uint64_t flags) {
  if ((mode & ~uint64_t{7}) != 0) return -EINVAL;
  Found found;
  const int64_t error = request.find_there(folder, path, (flags & AT_SYMLINK_NOFOLLOW) == 0, found);
  return error < 0 ? error : request.system.files.access(*found.node, static_cast<int>(mode));
}
}  // namespace

int64_t on_access(Request& request) { return do_access(request, none, 0, request.args[1], 0); }
int64_t on_faccessat(Request& request) { return do_access(request, 0, 1, request.args[2], 0); }
int64_t on_faccessat2(Request& request) {
  if ((request.args[3] & ~uint64_t{AT_EACCESS | AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH}) != 0) return -EINVAL;
  if ((request.args[3] & AT_EMPTY_PATH) != 0) {
    std::shared_ptr<Node> node;
    const int64_t error = node_at(request, request.args[3], true, node);
    return error < 0 ? error : request.system.files.access(*node, request.number(2) & 7);
  }
  return do_access(request, 0, 1, request.args[2], request.args[3]);
}

namespace {
int64_t do_readlink(Request& request, size_t folder, size_t path, uint64_t out, uint64_t size) {
  if (static_cast<int32_t>(size) <= 0) return -EINVAL;
  Found found;
  std::string target;
  if (const int64_t error = request.find_there(folder, path, false, found); error < 0) return error;
  if (const int64_t error = request.system.files.read_link(*found.node, target); error < 0) return error;
  target.resize(std::min<size_t>(target.size(), size));
  return request.memory.write(out, std::as_bytes(std::span(target))) ? static_cast<int64_t>(target.size()) : -EFAULT;
}
}  // namespace

int64_t on_readlink(Request& request) { return do_readlink(request, none, 0, request.args[1], request.args[2]); }
int64_t on_readlinkat(Request& request) { return do_readlink(request, 0, 1, request.args[2], request.args[3]); }

int64_t on_chdir(Request& request) {
  Found found;
  if (const int64_t error = request.find_there(none, 0, true, found); error < 0) return error;
  if (!found.node->is_folder()) return -ENOTDIR;
  request.process.folders->place.cwd = found.node;
  return 0;
}

int64_t on_fchdir(Request& request) {
  const FilePtr file = request.file(0);
  if (!file) return -EBADF;
  if (!file->node()->is_folder()) return -ENOTDIR;
  request.process.folders->place.cwd = file->node();
  return 0;
}

int64_t on_chroot(Request& request) {
  Found found;
  if (const int64_t error = request.find_there(none, 0, true, found); error < 0) return error;
  if (!found.node->is_folder()) return -ENOTDIR;
  if ((request.process.credentials.effective >> 18 & 1) == 0) return -EPERM;  // CAP_SYS_CHROOT
  request.process.folders->place.root = found.node;
  return 0;
}

int64_t on_getcwd(Request& request) {
  std::string path = request.system.files.path_of(*request.place().cwd);
  if (path.ends_with(" (deleted)")) return -ENOENT;
  const std::string root = request.system.files.path_of(*request.place().root);
  if (root != "/")
    path = path == root ? "/" : path.starts_with(root + "/") ? path.substr(root.size()) : "(unreachable)" + path;
  if (path.size() + 1 > request.args[1]) return -ERANGE;
  const auto bytes = std::as_bytes(std::span(path.c_str(), path.size() + 1));
  return request.memory.write(request.args[0], bytes) ? static_cast<int64_t>(path.size() + 1) : -EFAULT;
}

int64_t on_umask(Request& request) {
  const uint32_t before = request.process.folders->umask;
  request.process.folders->umask = static_cast<uint32_t>(request.args[0] & 0777);
  return before;
}

namespace {
int64_t put_statistics(Request& request, const Node& node, uint64_t out) {
  struct ::statfs statistics {};
  if (const int64_t error = request.system.files.statistics(node, statistics); error < 0) return error;
  return request.memory.put(out, statistics) ? 0 : -EFAULT;
}
}  // namespace

int64_t on_statfs(Request& request) {
  Found found;
  const int64_t error = request.find_there(none, 0, true, found);
  return error < 0 ? error : put_statistics(request, *found.node, request.args[1]);
}

int64_t on_fstatfs(Request& request) {
  const FilePtr file = request.file(0);
  return file ? put_statistics(request, *file->node(), request.args[1]) : -EBADF;
}

}  // namespace shrike::sandbox::microvm
