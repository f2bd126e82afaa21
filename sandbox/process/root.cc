#include "sandbox/process/root.h"

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/mount.h>
#include <sys/random.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <climits>

#include "common/base/file.h"
#include "sandbox/bait.h"
#include "sandbox/process/mount_calls.h"

namespace shrike::sandbox::process {

namespace {

constexpr const char* folders[] = {"tmp", "var", "root", "home", "run", "etc", "opt", "srv", "mnt"};
constexpr const char* more_folders[] = {"home/anna", "var/tmp", "var/log", "var/lib", "var/cache", "var/run",
                                        "dev",       "dev/shm", "dev/pts", "proc",    "sys"};
constexpr const char* devices[] = {"null", "zero", "full", "random", "urandom"};

struct SmallFile {
  const char* path;
  const char* text;
};
constexpr SmallFile files[] = {{"etc/hosts", "127.0.0.1 localhost host\n::1 localhost\n"},
                               {"etc/hostname", "host\n"},
                               {"etc/resolv.conf", "nameserver 203.0.113.53\n"},
                               {"etc/nsswitch.conf", "passwd: files\ngroup: files\nhosts: files dns\n"},
                               {"etc/shells", "/bin/sh\n/bin/bash\n"}};

Result<void> make(int at, const char* path, mode_t mode) {
  if (::mkdirat(at, path, mode) != 0 && errno != EEXIST) return errno_error(std::string("mkdir ") + path);
  return {};
}

/// Opens below `at` without following anything and without crossing into another mount.
Fd open_beneath(int at, const char* path, int flags, mode_t mode = 0) {
  open_how how{};
  how.flags = static_cast<uint64_t>(flags | O_CLOEXEC);
  how.mode = mode;
  how.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS | RESOLVE_NO_XDEV;
  return Fd(static_cast<int>(::syscall(SYS_openat2, at, path, &how, sizeof how)));
}

/// One path of the host's, read-only, at the same place in `root`.
Result<void> show(int root, const std::string& path) {
  const char* name = path.c_str() + 1;
  struct stat st {};
  if (::lstat(path.c_str(), &st) != 0) return {};  // not on this host
  if (S_ISLNK(st.st_mode)) {
    char target[PATH_MAX];
    const ssize_t length = ::readlink(path.c_str(), target, sizeof target - 1);
    if (length <= 0) return {};
    target[length] = '\0';
    if (::symlinkat(target, root, name) != 0 && errno != EEXIST) return errno_error("link " + path);
    return {};
  }
  const Fd from(::open(path.c_str(), O_PATH | O_NOFOLLOW | O_CLOEXEC));
  if (!from.valid()) return errno_error(path);
  if (S_ISDIR(st.st_mode))
    TRY_VOID(make(root, name, 0755));
  else if (!open_beneath(root, name, O_WRONLY | O_CREAT | O_EXCL, 0644).valid())
    return errno_error("root: " + path);
  const Fd onto = open_beneath(root, name, O_PATH);
  const Fd mount = copy_mount(from.get());
  if (!onto.valid() || !mount.valid()) return errno_error("a view of " + path);
  if (!set_attributes(mount.get(), attribute_read_only | attribute_no_suid | attribute_no_dev))
    return errno_error("a read-only view of " + path);
  if (!attach(mount.get(), onto.get())) return errno_error("a view of " + path);
  return {};
}

Result<void> make_devices(int root, std::vector<std::string>& notes) {
  for (const char* name : devices) {
    const std::string path = std::string("dev/") + name;
    const Fd from(::open(("/" + path).c_str(), O_PATH | O_NOFOLLOW | O_CLOEXEC));
    if (!open_beneath(root, path.c_str(), O_WRONLY | O_CREAT | O_EXCL, 0666).valid()) return errno_error(path);
    const Fd onto = open_beneath(root, path.c_str(), O_PATH);
    const Fd mount = from.valid() ? copy_mount(from.get()) : Fd();
    if (!mount.valid() || !set_attributes(mount.get(), attribute_no_suid | attribute_no_exec) ||
        !attach(mount.get(), onto.get()))
      notes.push_back("/" + path + " cannot be shown: it is an empty file");
  }
  struct Link {
    const char *target, *path;
  };
  for (const auto& [target, path] :
       {Link{"/proc/self/fd", "dev/fd"}, Link{"/proc/self/fd/0", "dev/stdin"}, Link{"/proc/self/fd/1", "dev/stdout"},
        Link{"/proc/self/fd/2", "dev/stderr"}, Link{"pts/ptmx", "dev/ptmx"}})
    if (::symlinkat(target, root, path) != 0) return errno_error(std::string("link ") + path);
  return {};
}

/// A file system of the kernel's at a folder of `root`; a note where it is refused.
void mount_kernel(int root, const char* folder, const char* type, const std::vector<MountOption>& options,
                  std::vector<std::string>& notes) {
  const Fd mount = new_mount(type, options.data(), static_cast<int>(options.size()),
                             attribute_no_suid | attribute_no_exec | (type[0] == 'p' ? attribute_no_dev : 0));
  const Fd onto = open_beneath(root, folder, O_PATH);
  if (!mount.valid() || !onto.valid() || !attach(mount.get(), onto.get()))
    notes.push_back("/" + std::string(folder) + " is empty: " + errno_error(type).message);
}

/// `fd`, which is mounted over "/", becomes the root; what was there before is unmounted.
Result<void> pivot(int fd) {
  if (::fchdir(fd) != 0) return errno_error("chdir to the new root");
  if (::syscall(SYS_pivot_root, ".", ".") != 0) return errno_error("pivot_root");
  // Now both are at ".", the old one on top.
  if (::umount2(".", MNT_DETACH) != 0) return errno_error("umount of the old root");
  if (::chroot(".") != 0 || ::chdir("/") != 0) return errno_error("chdir to /");
  return {};
}

}  // namespace

Result<Root> Root::enter(const RootView& view, std::vector<std::string>& notes) {
  if (::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0) return errno_error("mounts: private");
  Root root;
  const MountOption options[] = {{"mode", "755"}, {"size", "2g"}, {"nr_inodes", "65536"}};
  root.fd_ = new_mount("tmpfs", options, 3, attribute_no_suid | attribute_no_dev);
  if (!root.fd_.valid()) return errno_error("tmpfs");
  const Fd old_root(::open("/", O_PATH | O_DIRECTORY | O_CLOEXEC));
  // Mounts can be put only onto what is mounted itself: so this comes first.
  if (!old_root.valid() || !attach(root.fd_.get(), old_root.get())) return errno_error("tmpfs at /");
  TRY_VOID(root.furnish());
  for (const auto& path : view.paths) TRY_VOID(show(root.fd_.get(), path));
  TRY_VOID(make_devices(root.fd_.get(), notes));
  mount_kernel(root.fd_.get(), "dev/pts", "devpts", {{"newinstance", nullptr}, {"ptmxmode", "0666"}, {"mode", "620"}},
               notes);
  mount_kernel(root.fd_.get(), "proc", "proc", {{"subset", "pid"}, {"hidepid", "ptraceable"}}, notes);
  TRY_VOID(pivot(root.fd_.get()));
  return root;
}

Result<void> Root::furnish() {
  ::umask(0);
  for (const char* name : folders) {
    const bool open_to_all = std::string_view(name) == "tmp";
    TRY_VOID(make(fd_.get(), name, open_to_all ? 01777 : 0755));
    writable_.push_back(std::string("/") + name);
  }
  for (const char* name : more_folders) {
    const bool open_to_all = std::string_view(name) == "var/tmp" || std::string_view(name) == "dev/shm";
    TRY_VOID(make(fd_.get(), name, open_to_all ? 01777 : 0755));
  }
  writable_.emplace_back("/dev/shm");
  for (const auto& [path, text] : files) {
    const Fd file = open_beneath(fd_.get(), path, O_WRONLY | O_CREAT | O_EXCL, 0644);
    if (!file.valid()) return errno_error(path);
    TRY_VOID(write_all(file.get(), text));
  }
  uint64_t seed = 0;
  if (::getrandom(&seed, sizeof seed, 0) != sizeof seed) return errno_error("getrandom");
  for (const auto& one : bait_files("host", seed)) {
    const char* path = one.path.c_str() + 1;
    if (one.folder) {
      TRY_VOID(make(fd_.get(), path, one.mode));
      continue;
    }
    const Fd file = open_beneath(fd_.get(), path, O_WRONLY | O_CREAT | O_EXCL, one.mode);
    if (!file.valid()) return errno_error(path);
    TRY_VOID(write_all(file.get(), one.text));
  }
  return {};
}

Result<void> Root::limit(const Limits& limits) {
  struct statfs now {};
  if (::fstatfs(fd_.get(), &now) != 0) return errno_error("tmpfs");
  const uint64_t used = (now.f_blocks - now.f_bfree) * static_cast<uint64_t>(now.f_bsize);
  // A page is the least that a file takes.
  const uint64_t page = 4096;
  const std::string bytes = std::to_string(used + (limits.file_bytes / page + 1) * page);
  const std::string nodes = std::to_string(now.f_files - now.f_ffree + limits.files + 1);
  const MountOption options[] = {{"size", bytes.c_str()}, {"nr_inodes", nodes.c_str()}};
  if (!reconfigure(fd_.get(), options, 2)) return errno_error("tmpfs: limits");
  return {};
}

Result<Fd> Root::folder(std::string_view path) {
  Fd at(::dup(fd_.get()));
  if (!at.valid()) return errno_error("dup");
  while (!path.empty()) {
    const std::string part(path.substr(0, path.find('/')));
    path.remove_prefix(std::min(path.size(), part.size() + 1));
    if (part.empty()) continue;
    if (::mkdirat(at.get(), part.c_str(), 0755) != 0 && errno != EEXIST) return errno_error("mkdir " + part);
    Fd next = open_beneath(at.get(), part.c_str(), O_RDONLY | O_DIRECTORY);
    if (!next.valid())
      return Error{part + ": is no folder of the sandbox's own: a link, a file, or one of the host's", errno};
    at = std::move(next);
  }
  return at;
}

Result<void> Root::make_folder(const std::string& path) {
  TRY_VOID(folder(path));
  return {};
}

Result<void> Root::put(const std::string& path, uint32_t mode, int from_fd) {
  const size_t slash = path.rfind('/');
  const Fd above = TRY(folder(std::string_view(path).substr(0, slash)));
  const std::string top = path.substr(0, path.find('/', 1));
  if (slash > 0 && std::find(writable_.begin(), writable_.end(), top) == writable_.end()) writable_.push_back(top);
  Fd file = open_beneath(above.get(), path.c_str() + slash + 1, O_WRONLY | O_CREAT | O_EXCL, 0600);
  if (!file.valid()) return errno_error(path);
  struct stat st {};
  if (::fstat(from_fd, &st) != 0 || !S_ISREG(st.st_mode)) return Error{path + ": its bytes are in no regular file"};
  for (off_t at = 0; at < st.st_size;) {
    const ssize_t done = ::sendfile(file.get(), from_fd, &at, static_cast<size_t>(st.st_size - at));
    if (done < 0 && errno == EINTR) continue;
    if (done < 0) return errno_error(path);
    if (done == 0) break;
  }
  if (::fchmod(file.get(), mode) != 0) return errno_error(path);
  return {};
}

}  // namespace shrike::sandbox::process
