// Calls that make, move and remove names, and change what is kept of a file beside its content.

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <utime.h>

#include "sandbox/microvm/kernel/handlers.h"
#include "sandbox/microvm/kernel/times.h"

namespace shrike::sandbox::microvm {
namespace {
constexpr size_t none = Request::no_folder;
constexpr size_t attribute_name_most = 256, attribute_most = 65536;

uint32_t masked(const Request& request, uint64_t mode) {
  return static_cast<uint32_t>(mode & (S_IFMT | 07777) & ~uint64_t{request.process.folders->umask});
}

int64_t do_mkdir(Request& request, size_t folder, size_t path, uint64_t mode) {
  Found found;
  const int64_t error = request.find_name(folder, path, found);
  return error < 0 ? error : request.system.files.make_folder(found, masked(request, mode & 01777));
}

int64_t do_mknod(Request& request, size_t folder, size_t path, uint64_t mode, uint64_t device) {
  Found found;
  const int64_t error = request.find_name(folder, path, found);
  return error < 0 ? error : request.system.files.make_node(found, masked(request, mode), device & 0xffffffff);
}

int64_t do_unlink(Request& request, size_t folder, size_t path, bool is_folder) {
  Found found;
  const int64_t error = request.find_name(folder, path, found);
  return error < 0 ? error : request.system.files.unlink(found, is_folder);
}

int64_t do_rename(Request& request, size_t from_folder, size_t from, size_t to_folder, size_t to, uint64_t flags) {
  Found found_from, found_to;
  if (const int64_t error = request.find_name(from_folder, from, found_from); error < 0) return error;
  if (const int64_t error = request.find_name(to_folder, to, found_to, true); error < 0) return error;
  return request.system.files.rename(found_from, found_to, static_cast<uint32_t>(flags));
}

int64_t do_symlink(Request& request, size_t target, size_t folder, size_t path) {
  std::string text;
  if (const int64_t error = request.path(target, text); error < 0) return error;
  if (text.empty()) return -ENOENT;
  Found found;
  const int64_t error = request.find_name(folder, path, found, true);
  return error < 0 ? error : request.system.files.make_link(found, text);
}

int64_t change_mode(Request& request, size_t folder, size_t path, uint64_t mode) {
  Found found;
  const int64_t error = request.find_there(folder, path, true, found);
  return error < 0 ? error : request.system.files.change_mode(*found.node, static_cast<uint32_t>(mode & 07777));
}

int64_t change_owner(Request& request, size_t folder, size_t path, size_t owner, bool follow) {
  Found found;
  const int64_t error = request.find_there(folder, path, follow, found);
  return error < 0 ? error
                   : request.system.files.change_owner(*found.node, static_cast<uint32_t>(request.args[owner]),
                                                       static_cast<uint32_t>(request.args[owner + 1]));
}
}  // namespace

int64_t on_mkdir(Request& request) { return do_mkdir(request, none, 0, request.args[1]); }
int64_t on_mkdirat(Request& request) { return do_mkdir(request, 0, 1, request.args[2]); }
int64_t on_mknod(Request& request) { return do_mknod(request, none, 0, request.args[1], request.args[2]); }
int64_t on_mknodat(Request& request) { return do_mknod(request, 0, 1, request.args[2], request.args[3]); }
int64_t on_rmdir(Request& request) { return do_unlink(request, none, 0, true); }
int64_t on_unlink(Request& request) { return do_unlink(request, none, 0, false); }
int64_t on_unlinkat(Request& request) {
  if ((request.args[2] & ~uint64_t{AT_REMOVEDIR}) != 0) return -EINVAL;
  return do_unlink(request, 0, 1, request.args[2] != 0);
}
int64_t on_rename(Request& request) { return do_rename(request, none, 0, none, 1, 0); }
int64_t on_renameat(Request& request) { return do_rename(request, 0, 1, 2, 3, 0); }
int64_t on_renameat2(Request& request) { return do_rename(request, 0, 1, 2, 3, request.args[4]); }
int64_t on_symlink(Request& request) { return do_symlink(request, 0, none, 1); }
int64_t on_symlinkat(Request& request) { return do_symlink(request, 0, 1, 2); }

int64_t on_link(Request& request) {
  Found from, to;
  if (const int64_t error = request.find_there(none, 0, false, from); error < 0) return error;
  if (const int64_t error = request.find_name(none, 1, to, true); error < 0) return error;
  return request.system.files.link(from.node, to);
}

int64_t on_linkat(Request& request) {
  const uint64_t flags = request.args[4];
  if ((flags & ~uint64_t{AT_SYMLINK_FOLLOW | AT_EMPTY_PATH}) != 0) return -EINVAL;
  std::shared_ptr<Node> node;
  uint8_t first = 1;
  if ((flags & AT_EMPTY_PATH) != 0 && request.memory.get(request.args[1], first) && first == 0) {
    const FilePtr file = request.file(0);
    if (!file) return -EBADF;
    request.tell(TextKind::path, "");
    node = file->node();
  } else {
    Found from;
    const bool follow = (flags & AT_SYMLINK_FOLLOW) != 0;
    if (const int64_t error = request.find_there(0, 1, follow, from); error < 0) return error;
    node = from.node;
  }
  Found to;
  const int64_t error = request.find_name(2, 3, to, true);
  return error < 0 ? error : request.system.files.link(node, to);
}

int64_t on_chmod(Request& request) { return change_mode(request, none, 0, request.args[1]); }
int64_t on_fchmodat(Request& request) { return change_mode(request, 0, 1, request.args[2]); }
int64_t on_fchmod(Request& request) {
  const FilePtr file = request.file(0);
  return file ? request.system.files.change_mode(*file->node(), static_cast<uint32_t>(request.args[1] & 07777))
              : -EBADF;
}
int64_t on_chown(Request& request) { return change_owner(request, none, 0, 1, true); }
int64_t on_lchown(Request& request) { return change_owner(request, none, 0, 1, false); }
int64_t on_fchownat(Request& request) {
  const uint64_t flags = request.args[4];
  if ((flags & AT_EMPTY_PATH) != 0 && request.number(0) >= 0) {
    uint8_t first = 1;
    const FilePtr file = request.file(0);
    if (file && request.memory.get(request.args[1], first) && first == 0)
      return request.system.files.change_owner(*file->node(), static_cast<uint32_t>(request.args[2]),
                                               static_cast<uint32_t>(request.args[3]));
  }
  return change_owner(request, 0, 1, 2, (flags & AT_SYMLINK_NOFOLLOW) == 0);
}
int64_t on_fchown(Request& request) {
  const FilePtr file = request.file(0);
  return file ? request.system.files.change_owner(*file->node(), static_cast<uint32_t>(request.args[1]),
                                                  static_cast<uint32_t>(request.args[2]))
              : -EBADF;
}

int64_t on_utimensat(Request& request) {
  struct ::timespec times[2] = {{0, UTIME_NOW}, {0, UTIME_NOW}};
  if (request.args[2] != 0) {
    if (!request.memory.read(request.args[2], std::as_writable_bytes(std::span(times)))) return -EFAULT;
    for (const auto& time : times)
      if (time.tv_nsec != UTIME_NOW && time.tv_nsec != UTIME_OMIT && (time.tv_nsec < 0 || time.tv_nsec > 999'999'999))
        return -EINVAL;
  }
  if (request.args[1] == 0) {
    const FilePtr file = request.file(0);
    return file ? request.system.files.change_times(*file->node(), times) : -EBADF;
  }
  Found found;
  const bool follow = (request.args[3] & AT_SYMLINK_NOFOLLOW) == 0;
  const int64_t error = request.find_there(0, 1, follow, found);
  return error < 0 ? error : request.system.files.change_times(*found.node, times);
}

namespace {
int64_t change_times(Request& request, size_t folder, size_t path, const struct ::timespec (&times)[2]) {
  Found found;
  const int64_t error = request.find_there(folder, path, true, found);
  return error < 0 ? error : request.system.files.change_times(*found.node, times);
}

int64_t change_timevals(Request& request, size_t folder, size_t path, uint64_t address) {
  struct ::timespec times[2] = {{0, UTIME_NOW}, {0, UTIME_NOW}};
  if (address != 0) {
    struct ::timeval given[2];
    if (!request.memory.read(address, std::as_writable_bytes(std::span(given)))) return -EFAULT;
    for (size_t i = 0; i < 2; ++i) {
      if (given[i].tv_usec < 0 || given[i].tv_usec >= 1'000'000) return -EINVAL;
      times[i] = {given[i].tv_sec, given[i].tv_usec * 1000};
    }
  }
  return change_times(request, folder, path, times);
}
}  // namespace

int64_t on_utimes(Request& request) { return change_timevals(request, none, 0, request.args[1]); }
int64_t on_futimesat(Request& request) { return change_timevals(request, 0, 1, request.args[2]); }

int64_t on_utime(Request& request) {
  struct ::timespec times[2] = {{0, UTIME_NOW}, {0, UTIME_NOW}};
  if (request.args[1] != 0) {
    struct ::utimbuf given {};
    if (!request.memory.get(request.args[1], given)) return -EFAULT;
    times[0] = {given.actime, 0};
    times[1] = {given.modtime, 0};
  }
  return change_times(request, none, 0, times);
}

namespace {
// What an xattr call is about: by path, by path without following, by descriptor.
enum class By : uint8_t { path, link, descriptor };

int64_t attribute_node(Request& request, By by, std::shared_ptr<Node>& out) {
  if (by == By::descriptor) {
    const FilePtr file = request.file(0);
    if (!file) return -EBADF;
    out = file->node();
    return 0;
  }
  Found found;
  if (const int64_t error = request.find_there(none, 0, by == By::path, found); error < 0) return error;
  out = found.node;
  return 0;
}

int64_t attribute_name(Request& request, std::string& name) {
  const int64_t error = request.memory.text(request.args[1], attribute_name_most, name);
  if (error == -ENAMETOOLONG || (error == 0 && name.empty())) return -ERANGE;
  if (error == 0) request.tell(TextKind::name, name);
  return error;
}

int64_t give_text(Request& request, const std::string& text, uint64_t address, uint64_t size) {
  if (size == 0) return static_cast<int64_t>(text.size());
  if (text.size() > size) return -ERANGE;
  return request.memory.write(address, std::as_bytes(std::span(text))) ? static_cast<int64_t>(text.size()) : -EFAULT;
}

int64_t set_attribute(Request& request, By by) {
  std::shared_ptr<Node> node;
  std::string name;
  if (const int64_t error = attribute_node(request, by, node); error < 0) return error;
  if (const int64_t error = attribute_name(request, name); error < 0) return error;
  if (request.args[3] > attribute_most) return -E2BIG;
  std::string value(request.args[3], '\0');
  if (!request.memory.read(request.args[2], std::as_writable_bytes(std::span(value)))) return -EFAULT;
  return request.system.files.set_attribute(*node, name, value, request.number(4));
}

int64_t get_attribute(Request& request, By by) {
  std::shared_ptr<Node> node;
  std::string name, value;
  if (const int64_t error = attribute_node(request, by, node); error < 0) return error;
  if (const int64_t error = attribute_name(request, name); error < 0) return error;
  if (const int64_t error = request.system.files.get_attribute(*node, name, value); error < 0) return error;
  return give_text(request, value, request.args[2], request.args[3]);
}

int64_t list_attributes(Request& request, By by) {
  std::shared_ptr<Node> node;
  std::string list;
  if (const int64_t error = attribute_node(request, by, node); error < 0) return error;
  if (const int64_t error = request.system.files.list_attributes(*node, list); error < 0) return error;
  return give_text(request, list, request.args[1], request.args[2]);
}

int64_t remove_attribute(Request& request, By by) {
  std::shared_ptr<Node> node;
  std::string name;
  if (const int64_t error = attribute_node(request, by, node); error < 0) return error;
  if (const int64_t error = attribute_name(request, name); error < 0) return error;
  return request.system.files.remove_attribute(*node, name);
}
}  // namespace

int64_t on_setxattr(Request& request) { return set_attribute(request, By::path); }
int64_t on_lsetxattr(Request& request) { return set_attribute(request, By::link); }
int64_t on_fsetxattr(Request& request) { return set_attribute(request, By::descriptor); }
int64_t on_getxattr(Request& request) { return get_attribute(request, By::path); }
int64_t on_lgetxattr(Request& request) { return get_attribute(request, By::link); }
int64_t on_fgetxattr(Request& request) { return get_attribute(request, By::descriptor); }
int64_t on_listxattr(Request& request) { return list_attributes(request, By::path); }
int64_t on_llistxattr(Request& request) { return list_attributes(request, By::link); }
int64_t on_flistxattr(Request& request) { return list_attributes(request, By::descriptor); }
int64_t on_removexattr(Request& request) { return remove_attribute(request, By::path); }
int64_t on_lremovexattr(Request& request) { return remove_attribute(request, By::link); }
int64_t on_fremovexattr(Request& request) { return remove_attribute(request, By::descriptor); }

}  // namespace shrike::sandbox::microvm
