#include <fcntl.h>
#include <grp.h>
#include <linux/mount.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <thread>

#include "sandbox/microvm/jail.h"

namespace shrike::sandbox::microvm {
namespace {

constexpr int first_kept = 3;
constexpr int clear_of_kept = 64;  // descriptors are moved up here before they get their places
constexpr uid_t nobody = 65534;

long set_option(int fs, const char* key, const char* value) {
  return ::syscall(SYS_fsconfig, fs, FSCONFIG_SET_STRING, key, value, 0);
}

// A file system in memory that has room for nothing but its root.
Fd empty_file_system() {
  const Fd fs(static_cast<int>(::syscall(SYS_fsopen, "tmpfs", FSOPEN_CLOEXEC)));
  if (!fs.valid() || set_option(fs.get(), "size", "4k") != 0 || set_option(fs.get(), "nr_inodes", "1") != 0 ||
      set_option(fs.get(), "mode", "0555") != 0 ||
      ::syscall(SYS_fsconfig, fs.get(), FSCONFIG_CMD_CREATE, nullptr, nullptr, 0) != 0)
    return {};
  return Fd(static_cast<int>(::syscall(SYS_fsmount, fs.get(), FSMOUNT_CLOEXEC,
                                       MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC)));
}

Result<void> enter_empty_root() {
  if (::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0) return errno_error("making mounts private");
  const Fd root = empty_file_system();
  if (!root.valid()) return errno_error("an empty file system");
  if (::syscall(SYS_move_mount, root.get(), "", AT_FDCWD, "/", MOVE_MOUNT_F_EMPTY_PATH) != 0)
    return errno_error("mounting the empty root");
  if (::fchdir(root.get()) != 0 || ::syscall(SYS_pivot_root, ".", ".") != 0 || ::umount2(".", MNT_DETACH) != 0 ||
      ::chdir("/") != 0)
    return errno_error("entering the empty root");
  return {};
}

Result<void> become(uid_t user) {
  if (::setgroups(0, nullptr) != 0 || ::setresgid(user, user, user) != 0 || ::setresuid(user, user, user) != 0)
    return errno_error("becoming nobody");
  return {};
}

Fd own_namespace(const char* kind) {
  return Fd(::open((std::string("/proc/thread-self/ns/") + kind).c_str(), O_RDONLY | O_CLOEXEC));
}

Result<void> make_empty(EmptyNamespaces& made) {
  if (::unshare(CLONE_NEWNS | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWCGROUP) != 0)
    return errno_error("namespaces for jails");
  EmptyNamespaces own{own_namespace("mnt"), own_namespace("net"), own_namespace("ipc"), own_namespace("uts"),
                      own_namespace("cgroup")};
  if (!own.mounts.valid() || !own.network.valid() || !own.ipc.valid() || !own.names.valid() || !own.cgroups.valid())
    return errno_error("/proc/thread-self/ns");
  TRY_VOID(enter_empty_root());
  made = std::move(own);
  return {};
}

}  // namespace

Result<EmptyNamespaces> empty_namespaces() {
  EmptyNamespaces made;
  Result<void> done;
  // A thread of its own has namespaces of its own; they stay while descriptors of them are open.
  std::thread([&made, &done] { done = make_empty(made); }).join();
  if (!done && done.error().code != EPERM) return done.error();
  return made;
}

uint64_t jail_clone_flags(bool joins) {
  uint64_t flags = CLONE_NEWPID;
  if (!joins) flags |= CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWCGROUP;
  return flags;
}

Result<bool> map_jail(pid_t pid) {
  if (::geteuid() != 0) return false;
  const std::string user = "0 " + std::to_string(nobody) + " 1";
  for (const char* map : {"uid_map", "gid_map"}) {
    const Fd file(::open(("/proc/" + std::to_string(pid) + "/" + map).c_str(), O_WRONLY | O_CLOEXEC));
    if (!file.valid() || ::write(file.get(), user.data(), user.size()) != static_cast<ssize_t>(user.size()))
      return errno_error(std::string("a jail's ") + map);
  }
  return true;
}

Result<void> arrange_descriptors(std::span<const int> keep) {
  sigset_t none;
  ::sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
  std::vector<int> moved;
  const int null = ::open("/dev/null", O_RDWR);
  for (int fd = 0; fd < first_kept; ++fd) moved.push_back(::fcntl(null, F_DUPFD_CLOEXEC, clear_of_kept));
  for (const int fd : keep) moved.push_back(::fcntl(fd, F_DUPFD_CLOEXEC, clear_of_kept));
  int place = 0;
  for (const int fd : moved) {
    if (fd < 0 || ::dup3(fd, place, place < first_kept ? 0 : O_CLOEXEC) < 0) return errno_error("descriptors");
    ++place;
  }
  if (::syscall(SYS_close_range, static_cast<unsigned>(place), ~0u, 0) != 0) return errno_error("close_range");
  return {};
}

Result<void> enter_jail(std::span<const int> join, bool mapped) {
  if (::prctl(PR_SET_PDEATHSIG, SIGKILL) != 0) return errno_error("PR_SET_PDEATHSIG");
  for (const int fd : join) {
    if (::setns(fd, 0) != 0) return errno_error("joining an empty namespace");
    ::close(fd);
  }
  if (join.empty()) {
    TRY_VOID(enter_empty_root());
    if (mapped) TRY_VOID(become(0));
  } else {
    TRY_VOID(become(nobody));
  }
  // Where nobody is mapped, not even its own user; who was not mapped is in such a one since clone3.
  if ((mapped || !join.empty()) && ::unshare(CLONE_NEWUSER) != 0) return errno_error("a user namespace of its own");
  // A change of user clears both.
  if (::prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 || ::prctl(PR_SET_DUMPABLE, 0) != 0) return errno_error("prctl");
  return {};
}

}  // namespace shrike::sandbox::microvm
