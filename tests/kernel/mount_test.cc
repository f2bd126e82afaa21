// bpf/mount.bpf.c: mounts, old calls and new, in a mount namespace of their own.

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "tests/kernel/child.h"

namespace shrike {
namespace {

using test::Child;
using test::expect_by;
using test::run_child;
using test::Watch;

class MountEvents : public ::testing::Test {
 protected:
  void SetUp() override { SHRIKE_NEED("bpf", Watch::possible()); }
  test::Scratch scratch_;
};

TEST_F(MountEvents, MountsUnmountsAndNewRootsAreSeen) {
  Watch watch({EventKind::mount, EventKind::umount, EventKind::pivot_root, EventKind::chroot});
  ASSERT_TRUE(watch.open());
  const std::string at = scratch_.path();
  const Child child = run_child([&] {
    if (::unshare(CLONE_NEWNS) != 0 || ::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0) ::_exit(1);
    if (::mount("source", at.c_str(), "tmpfs", MS_NOSUID, "size=1m") != 0) ::_exit(2);
    ::mkdir((at + "/old").c_str(), 0700);
    if (::chdir(at.c_str()) != 0) ::_exit(3);
    ::umount2("old", MNT_DETACH | UMOUNT_NOFOLLOW);  // nothing is mounted there
    if (::syscall(SYS_pivot_root, ".", "old") != 0) ::_exit(4);
    if (::chroot("/old") != 0) ::_exit(5);
  });
  ASSERT_TRUE(WIFEXITED(child.status));
  ASSERT_EQ(WEXITSTATUS(child.status), 0);
  const auto* mount =
      expect_by(watch, child.pid, EventKind::mount, [](const Event& e) { return e.path.text == "source"; });
  ASSERT_NE(mount, nullptr);
  EXPECT_EQ((*mount)->full_path2, at);
  EXPECT_EQ((*mount)->real_path, "tmpfs");
  EXPECT_EQ((*mount)->arg[0], static_cast<uint64_t>(MS_NOSUID));
  const auto* umount = expect_by(watch, child.pid, EventKind::umount);
  ASSERT_NE(umount, nullptr);
  EXPECT_EQ((*umount)->full_path, at + "/old");
  EXPECT_EQ((*umount)->result, -EINVAL);
  EXPECT_EQ((*umount)->arg[0], static_cast<uint64_t>(MNT_DETACH | UMOUNT_NOFOLLOW));
  const auto* pivot = expect_by(watch, child.pid, EventKind::pivot_root);
  ASSERT_NE(pivot, nullptr);
  EXPECT_EQ((*pivot)->path.text, ".");
  EXPECT_EQ((*pivot)->path2.text, "old");
  const auto* chroot = expect_by(watch, child.pid, EventKind::chroot);
  ASSERT_NE(chroot, nullptr);
  EXPECT_EQ((*chroot)->full_path, "/old");
}

TEST_F(MountEvents, TheNewMountCallsAreSeenAsMounts) {
  Watch watch({EventKind::mount});
  ASSERT_TRUE(watch.open());
  const std::string at = scratch_.path();
  const Child child = run_child([&] {
    if (::unshare(CLONE_NEWNS) != 0 || ::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0) ::_exit(1);
    const long looked = ::syscall(SYS_open_tree, AT_FDCWD, "/usr", 0);  // only looks: no mount
    const long tree = ::syscall(SYS_open_tree, AT_FDCWD, "/etc", 1 /* OPEN_TREE_CLONE */);
    if (looked < 0 || tree < 0) ::_exit(2);
    if (::syscall(SYS_move_mount, tree, "", AT_FDCWD, at.c_str(), 4 /* MOVE_MOUNT_F_EMPTY_PATH */) != 0) ::_exit(3);
    const long fs = ::syscall(SYS_fsopen, "tmpfs", 0);
    ::syscall(SYS_fsconfig, fs, 6 /* FSCONFIG_CMD_CREATE */, nullptr, nullptr, 0);
    if (::syscall(SYS_fsmount, fs, 0, 0) < 0) ::_exit(4);
  });
  ASSERT_TRUE(WIFEXITED(child.status));
  ASSERT_EQ(WEXITSTATUS(child.status), 0);
  const auto is = [](long number) { return [=](const Event& e) { return e.syscall == number; }; };
  const auto* tree = expect_by(watch, child.pid, EventKind::mount, is(SYS_open_tree));
  ASSERT_NE(tree, nullptr);
  EXPECT_EQ((*tree)->full_path, "/etc");
  const auto* move = expect_by(watch, child.pid, EventKind::mount, is(SYS_move_mount));
  ASSERT_NE(move, nullptr);
  EXPECT_EQ((*move)->full_path2, at);
  EXPECT_NE(expect_by(watch, child.pid, EventKind::mount, is(SYS_fsmount)), nullptr);
  EXPECT_EQ(watch.count([&](const Event& e) {
    return e.task.pid == static_cast<uint32_t>(child.pid) && e.path.text == "/usr";
  }),
            0u);
}

}  // namespace
}  // namespace shrike
