// bpf/file.bpf.c: what changes names and attributes, through every call that does.

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/xattr.h>

#include <fstream>

#include "common/base/fd.h"
#include "tests/kernel/child.h"
#include "tests/kernel/int80.h"

namespace shrike {
namespace {

using test::Child;
using test::expect_by;
using test::run_child;
using test::Watch;

class FileEvents : public ::testing::Test {
 protected:
  void SetUp() override {
    SHRIKE_NEED("bpf", Watch::possible());
    std::ofstream(file_) << "x";
    directory_ = Fd(::open(scratch_.path().c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  }
  test::Scratch scratch_;
  const std::string file_ = scratch_ / "file";
  Fd directory_;

  const char* path(const std::string& name) {
    kept_.push_back(std::make_unique<std::string>(scratch_ / name));
    return kept_.back()->c_str();
  }
  static const test::Seen* own(Watch& watch, EventKind kind, long number) {
    return watch.expect_own(kind, [=](const Event& e) { return e.syscall == number; });
  }

 private:
  std::vector<std::unique_ptr<std::string>> kept_;
};

TEST_F(FileEvents, RenamesLinksAndSymlinksShowBothNames) {
  Watch watch({EventKind::rename, EventKind::link, EventKind::symlink});
  ASSERT_TRUE(watch.open());
  const int d = directory_.get();
  ASSERT_EQ(::syscall(SYS_rename, file_.c_str(), path("a")), 0);
  ASSERT_EQ(::syscall(SYS_renameat, d, "a", d, "b"), 0);
  ASSERT_EQ(::syscall(SYS_renameat2, d, "b", AT_FDCWD, file_.c_str(), 1 /* RENAME_NOREPLACE */), 0);
  ASSERT_EQ(::syscall(SYS_link, file_.c_str(), path("hard")), 0);
  ASSERT_EQ(::syscall(SYS_linkat, d, "hard", d, "hard2", 0), 0);
  ASSERT_EQ(::syscall(SYS_symlink, "../target", path("soft")), 0);
  ASSERT_EQ(::syscall(SYS_symlinkat, "/etc/shadow", d, "soft2"), 0);
  const struct {
    EventKind kind;
    long number;
    std::string from, to;
    uint64_t arg;
  } wanted[] = {
      {EventKind::rename, SYS_rename, file_, scratch_ / "a", 0},
      {EventKind::rename, SYS_renameat, scratch_ / "a", scratch_ / "b", 0},
      {EventKind::rename, SYS_renameat2, scratch_ / "b", file_, 1},
      {EventKind::link, SYS_link, file_, scratch_ / "hard", 0},
      {EventKind::link, SYS_linkat, scratch_ / "hard", scratch_ / "hard2", 0},
      {EventKind::symlink, SYS_symlink, "", scratch_ / "soft", 0},
      {EventKind::symlink, SYS_symlinkat, "/etc/shadow", scratch_ / "soft2", 0},
  };
  for (const auto& w : wanted) {
    const auto* seen = own(watch, w.kind, w.number);
    ASSERT_NE(seen, nullptr) << w.number;
    EXPECT_EQ((*seen)->full_path, w.from) << w.number;
    EXPECT_EQ((*seen)->full_path2, w.to) << w.number;
    EXPECT_EQ((*seen)->arg[0], w.arg) << w.number;
    EXPECT_EQ((*seen)->result, 0) << w.number;
  }
  EXPECT_EQ((*own(watch, EventKind::symlink, SYS_symlink))->path.text, "../target");
}

TEST_F(FileEvents, ChangesByOnePathShowItAndTheirArguments) {
  Watch watch({EventKind::unlink, EventKind::rmdir, EventKind::mkdir, EventKind::chmod, EventKind::chown,
               EventKind::truncate, EventKind::setxattr});
  ASSERT_TRUE(watch.open());
  const int d = directory_.get();
  ::syscall(SYS_mkdir, path("one"), 0700);
  ::syscall(SYS_mkdirat, d, "two", 0711);
  ::syscall(SYS_rmdir, path("one"));
  ::syscall(SYS_unlinkat, d, "two", AT_REMOVEDIR);
  ::syscall(SYS_chmod, file_.c_str(), 04755);
  ::syscall(SYS_fchmodat, d, "file", 0600);
  ::syscall(452 /* fchmodat2 */, d, "file", 0640, AT_SYMLINK_NOFOLLOW);
  ::syscall(SYS_chown, file_.c_str(), 1, 2);
  ::syscall(SYS_lchown, file_.c_str(), 3, -1);
  ::syscall(SYS_fchownat, d, "file", 5, 6, 0);
  ::syscall(SYS_truncate, file_.c_str(), 77);
  ::syscall(SYS_setxattr, file_.c_str(), "user.one", "v", 1, 0);
  ::syscall(SYS_lsetxattr, file_.c_str(), "trusted.two", "v", 1, XATTR_CREATE);
  ::syscall(SYS_unlink, path("missing"));
  ::syscall(SYS_unlinkat, d, "file", 0);
  const struct {
    EventKind kind;
    long number;
    std::string path;
    uint64_t arg, arg1;
  } wanted[] = {
      {EventKind::mkdir, SYS_mkdir, scratch_ / "one", 0700, 0},
      {EventKind::mkdir, SYS_mkdirat, scratch_ / "two", 0711, 0},
      {EventKind::rmdir, SYS_rmdir, scratch_ / "one", 0, 0},
      {EventKind::rmdir, SYS_unlinkat, scratch_ / "two", AT_REMOVEDIR, 0},
      {EventKind::chmod, SYS_chmod, file_, 04755, 0},
      {EventKind::chmod, SYS_fchmodat, file_, 0600, 0},
      {EventKind::chmod, 452, file_, 0640, 0},
      {EventKind::chown, SYS_chown, file_, 1, 2},
      {EventKind::chown, SYS_lchown, file_, 3, 0xffffffff},
      {EventKind::chown, SYS_fchownat, file_, 5, 6},
      {EventKind::truncate, SYS_truncate, file_, 77, 0},
      {EventKind::setxattr, SYS_setxattr, file_, 0, 0},
      {EventKind::setxattr, SYS_lsetxattr, file_, XATTR_CREATE, 0},
      {EventKind::unlink, SYS_unlink, scratch_ / "missing", 0, 0},
      {EventKind::unlink, SYS_unlinkat, file_, 0, 0},
  };
  for (const auto& w : wanted) {
    const auto* seen = own(watch, w.kind, w.number);
    ASSERT_NE(seen, nullptr) << w.number;
    EXPECT_EQ((*seen)->full_path, w.path) << w.number;
    EXPECT_EQ((*seen)->arg[0], w.arg) << w.number;
    EXPECT_EQ((*seen)->arg[1], w.arg1) << w.number;
  }
  EXPECT_EQ((*own(watch, EventKind::unlink, SYS_unlink))->result, -ENOENT);
  EXPECT_EQ((*own(watch, EventKind::setxattr, SYS_setxattr))->path2.text, "user.one");
}

TEST_F(FileEvents, ChangesThroughADescriptorShowTheFileItself) {
  Watch watch({EventKind::chmod, EventKind::chown, EventKind::truncate, EventKind::setxattr});
  ASSERT_TRUE(watch.open());
  const Fd fd(::open(file_.c_str(), O_RDWR));
  ::syscall(SYS_fchmod, fd.get(), 0611);
  ::syscall(SYS_fchown, fd.get(), 7, 8);
  ::syscall(SYS_ftruncate, fd.get(), 99);
  ::syscall(SYS_fsetxattr, fd.get(), "user.three", "v", 1, 0);
  struct stat st {};
  ASSERT_EQ(::fstat(fd.get(), &st), 0);
  const struct {
    EventKind kind;
    long number;
    uint64_t arg;
  } wanted[] = {{EventKind::chmod, SYS_fchmod, 0611},
                {EventKind::chown, SYS_fchown, 7},
                {EventKind::truncate, SYS_ftruncate, 99},
                {EventKind::setxattr, SYS_fsetxattr, 0}};
  for (const auto& w : wanted) {
    const auto* seen = own(watch, w.kind, w.number);
    ASSERT_NE(seen, nullptr) << w.number;
    EXPECT_EQ((*seen)->real_path, file_);
    EXPECT_EQ((*seen)->full_path, file_) << w.number << " with result " << (*seen)->result;
    EXPECT_EQ((*seen)->object.inode, st.st_ino);
    EXPECT_EQ((*seen)->arg[0], w.arg);
  }
}

TEST_F(FileEvents, OnlyWantedPathsAndWhatCannotBeComparedLeave) {
  FilterSpec spec;
  spec.prefixes[scratch_ / "w"] = access_mkdir | access_chmod;
  spec.names["special"].last = access_mkdir;
  Watch watch({EventKind::mkdir, EventKind::rename, EventKind::chmod}, spec);
  ASSERT_TRUE(watch.open());
  const Fd other(::open(path("other"), O_RDWR | O_CREAT, 0600));
  const Fd wanted_fd(::open(path("wfile"), O_RDWR | O_CREAT, 0600));
  const Child child = run_child([&] {
    if (::chdir(scratch_.path().c_str()) != 0) return;
    ::mkdir("wanted", 0700);
    ::mkdir("unwanted", 0700);
    ::mkdir(path("wanted2"), 0700);
    ::mkdir(path("unwanted2"), 0700);
    ::mkdir("unwanted/../wanted3", 0700);
    ::mkdir((scratch_.path() + "//wanted4").c_str(), 0700);
    ::mkdir("unwanted/special", 0700);
    ::mkdir("unwanted/special/not", 0700);
    ::rename("wanted", "renamed");
    ::fchmod(other.get(), 0644);
    ::fchmod(wanted_fd.get(), 0644);
  });
  for (const std::string& name : {std::string("wanted"), scratch_ / "wanted2", std::string("unwanted/../wanted3"),
                                  scratch_.path() + "//wanted4", std::string("unwanted/special")})
    EXPECT_NE(expect_by(watch, child.pid, EventKind::mkdir, [&](const Event& e) { return e.path.text == name; }),
              nullptr)
        << name;
  EXPECT_NE(
      expect_by(watch, child.pid, EventKind::chmod, [&](const Event& e) { return e.real_path == scratch_ / "wfile"; }),
      nullptr);
  EXPECT_EQ(watch.count([&](const Event& e) { return e.task.pid == static_cast<uint32_t>(child.pid); }), 6u);
}

TEST_F(FileEvents, EitherNameOfARenameIsEnough) {
  FilterSpec spec;
  spec.prefixes[scratch_ / "w"] = access_rename;
  Watch watch({EventKind::rename}, spec);
  ASSERT_TRUE(watch.open());
  const Child child = run_child([&] {
    ::rename(file_.c_str(), path("x"));
    ::rename(path("x"), path("w"));
    ::rename(path("w"), path("y"));
    ::rename(path("y"), path("z"));
  });
  EXPECT_NE(
      expect_by(watch, child.pid, EventKind::rename, [&](const Event& e) { return e.path2.text == scratch_ / "w"; }),
      nullptr);
  EXPECT_NE(
      expect_by(watch, child.pid, EventKind::rename, [&](const Event& e) { return e.path.text == scratch_ / "w"; }),
      nullptr);
  EXPECT_EQ(watch.count([&](const Event& e) { return e.task.pid == static_cast<uint32_t>(child.pid); }), 2u);
}

TEST_F(FileEvents, ThirtyTwoBitCallsAreSeenUnderTheirOwnNumbers) {
  SHRIKE_NEED("int80", test::has_int80());
  Watch watch({EventKind::unlink, EventKind::rename, EventKind::chmod, EventKind::chown, EventKind::mkdir,
               EventKind::truncate});
  ASSERT_TRUE(watch.open());
  test::LowPage page;
  const auto low = [&](size_t at, const std::string& text) {
    std::array<char, 128> bytes{};
    text.copy(bytes.data(), bytes.size() - 1);
    return page.put(at, bytes);
  };
  const long file = low(0, file_), to = low(128, scratch_ / "to"), dir = low(256, scratch_ / "dir");
  test::int80(38, file, to);
  test::int80(15, to, 0600);
  test::int80(182, to, 1, 2);
  test::int80(193, to, 5, 1);
  test::int80(39, dir, 0700);
  test::int80(10, to);
  const struct {
    EventKind kind;
    long number;
    uint64_t arg;
  } wanted[] = {{EventKind::rename, 38, 0},   {EventKind::chmod, 15, 0600},
                {EventKind::chown, 182, 1},   {EventKind::truncate, 193, (1ull << 32) + 5},
                {EventKind::mkdir, 39, 0700}, {EventKind::unlink, 10, 0}};
  for (const auto& w : wanted) {
    const auto* seen = own(watch, w.kind, w.number);
    ASSERT_NE(seen, nullptr) << w.number;
    EXPECT_NE((*seen)->flags & flag_compat32, 0);
    EXPECT_EQ((*seen)->arg[0], w.arg) << w.number;
    EXPECT_TRUE((*seen)->path.text.starts_with(scratch_.path())) << w.number;
  }
}

}  // namespace
}  // namespace shrike
