// Files named as objects: whatever name, link, mount, handle or interface leads to one, the event says which it was.

#include <fcntl.h>
#include <gtest/gtest.h>
#include <linux/io_uring.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include <fstream>

#include "common/base/fd.h"
#include "tests/kernel/child.h"
#include "tests/kernel/uring.h"

namespace shrike {
namespace {

using test::Child;
using test::expect_by;
using test::run_child;
using test::Watch;

constexpr uint32_t secret_set = 1u << 3, folder_set = 1u << 5, program_set = 1u << 31;
constexpr uint32_t changes =
    access_chmod | access_chown | access_truncate | access_setxattr | access_link | access_rename;

class NamedObjects : public ::testing::Test {
 protected:
  void SetUp() override {
    SHRIKE_NEED("bpf", Watch::possible());
    std::filesystem::create_directory(scratch_ / "vault");
    std::filesystem::create_directory(scratch_ / "jobs");
    std::filesystem::create_directory(scratch_ / "jobs/daily");
    std::filesystem::create_directory(scratch_ / "other");
    std::ofstream(secret_) << "x";
    std::ofstream(scratch_ / "other/plain") << "x";
  }
  // Only by object: no prefix and no name would let any of these events through.
  FilterSpec spec() const {
    FilterSpec spec;
    spec.objects["secret"] = {
        .sets = secret_set, .access = access_open_read | access_open_write | changes, .paths = {secret_}};
    spec.objects["jobs"] = {
        .sets = folder_set, .access = access_open_write | access_rename, .paths = {scratch_ / "jobs"}};
    return spec;
  }
  // Does this, in a child, make an event of that kind about that set?
  const test::Seen* seen_after(Watch& watch, EventKind kind, uint32_t set, const std::function<void()>& what) {
    watch.forget();
    const Child child = run_child(what);
    EXPECT_EQ(child.status, 0);
    const auto* seen = expect_by(watch, child.pid, kind);
    if (seen != nullptr) {
      EXPECT_EQ(event_object_sets(**seen), set)
          << (*seen)->syscall << " '" << (*seen)->path.text << "'" << ((*seen)->path.fault ? " unreadable" : "");
    }
    return seen;
  }
  static void read(const std::string& path) {
    const Fd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    if (!file.valid()) ::_exit(1);
  }
  static void need(bool done) {
    if (!done) ::_exit(1);
  }
  static void own_mounts() {
    need(::unshare(CLONE_NEWNS) == 0 && ::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0);
  }
  test::Scratch scratch_;
  const std::string secret_ = scratch_ / "vault/secret";
};

TEST_F(NamedObjects, AreFoundByTheirOwnNameAndWhateverElseIsOpenedIsNot) {
  Watch watch({EventKind::open}, spec());
  ASSERT_TRUE(watch.open());
  const auto* seen = seen_after(watch, EventKind::open, secret_set, [&] { read(secret_); });
  ASSERT_NE(seen, nullptr);
  EXPECT_EQ((*seen)->real_path, secret_);
  watch.forget();
  const Child child = run_child([&] { read(scratch_ / "other/plain"); });
  EXPECT_EQ(watch.count([&](const Event& e) { return e.task.pid == static_cast<uint32_t>(child.pid); }), 0u);
}

TEST_F(NamedObjects, AreFoundThroughAHardLink) {
  Watch watch({EventKind::open}, spec());
  ASSERT_TRUE(watch.open());
  const auto* seen = seen_after(watch, EventKind::open, secret_set, [&] {
    need(::link(secret_.c_str(), (scratch_ / "other/a").c_str()) == 0);
    read(scratch_ / "other/a");
  });
  ASSERT_NE(seen, nullptr);
  EXPECT_EQ((*seen)->real_path, scratch_ / "other/a");
}

TEST_F(NamedObjects, AreFoundThroughSymbolicLinksOfFilesAndFolders) {
  Watch watch({EventKind::open}, spec());
  ASSERT_TRUE(watch.open());
  seen_after(watch, EventKind::open, secret_set, [&] {
    need(::symlink((scratch_ / "vault").c_str(), (scratch_ / "other/v").c_str()) == 0);
    need(::symlink("v/secret", (scratch_ / "other/s").c_str()) == 0);
    read(scratch_ / "other/s");
  });
}

TEST_F(NamedObjects, AreFoundThroughBindMountsOfTheFileAndOfTheFolderAboveIt) {
  Watch watch({EventKind::open}, spec());
  ASSERT_TRUE(watch.open());
  const auto* seen = seen_after(watch, EventKind::open, secret_set, [&] {
    own_mounts();
    need(::mount(secret_.c_str(), (scratch_ / "other/plain").c_str(), nullptr, MS_BIND, nullptr) == 0);
    read(scratch_ / "other/plain");
  });
  ASSERT_NE(seen, nullptr);
  EXPECT_EQ((*seen)->real_path, scratch_ / "other/plain");
  seen_after(watch, EventKind::open, secret_set, [&] {
    own_mounts();
    need(::mount((scratch_ / "vault").c_str(), (scratch_ / "other").c_str(), nullptr, MS_BIND, nullptr) == 0);
    read(scratch_ / "other/secret");
  });
}

TEST_F(NamedObjects, AreFoundThroughProcAndInAChroot) {
  Watch watch({EventKind::open}, spec());
  ASSERT_TRUE(watch.open());
  seen_after(watch, EventKind::open, secret_set, [&] {
    const Fd path(::open(secret_.c_str(), O_PATH));
    read("/proc/self/fd/" + std::to_string(path.get()));
  });
  seen_after(watch, EventKind::open, secret_set,
             [&] { read("/proc/" + std::to_string(::getppid()) + "/root" + secret_); });
  seen_after(watch, EventKind::open, secret_set, [&] {
    need(::chroot((scratch_ / "vault").c_str()) == 0 && ::chdir("/") == 0);
    read("/secret");
  });
}

TEST_F(NamedObjects, AreFoundThroughAHandle) {
  Watch watch({EventKind::open}, spec());
  ASSERT_TRUE(watch.open());
  alignas(file_handle) char room[sizeof(file_handle) + MAX_HANDLE_SZ];
  auto* handle = reinterpret_cast<file_handle*>(room);
  handle->handle_bytes = MAX_HANDLE_SZ;
  int mount = 0;
  ASSERT_EQ(::name_to_handle_at(AT_FDCWD, secret_.c_str(), handle, &mount, 0), 0);
  const Fd folder(::open("/tmp", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  const auto* seen = seen_after(watch, EventKind::open, secret_set, [&] {
    const Fd file(::open_by_handle_at(folder.get(), handle, O_RDWR));
    need(file.valid());
  });
  ASSERT_NE(seen, nullptr);
  EXPECT_EQ((*seen)->syscall, SYS_open_by_handle_at);
  EXPECT_EQ((*seen)->arg[0], static_cast<uint64_t>(O_RDWR));
  EXPECT_EQ((*seen)->path.text, "");
  EXPECT_EQ((*seen)->real_path, secret_);
  EXPECT_EQ((*seen)->full_path, secret_);
}

TEST_F(NamedObjects, AreFoundThroughIoUringWithAndWithoutADescriptor) {
  SHRIKE_NEED("io_uring", test::Uring().valid());
  Watch watch({EventKind::open}, spec());
  ASSERT_TRUE(watch.open());
  ASSERT_EQ(::link(secret_.c_str(), (scratch_ / "other/a").c_str()), 0);
  const std::string path = scratch_ / "other/a";
  const auto* seen = seen_after(watch, EventKind::open, secret_set, [&] {
    test::Uring ring;
    ring.submit([&](io_uring_sqe& entry) {
      entry.opcode = IORING_OP_OPENAT;
      entry.fd = AT_FDCWD;
      entry.addr = reinterpret_cast<uint64_t>(path.c_str());
      entry.open_flags = O_RDONLY;
    });
  });
  ASSERT_NE(seen, nullptr);
  EXPECT_NE((*seen)->flags & flag_uring, 0);
  EXPECT_EQ((*seen)->syscall, SYS_openat);
  EXPECT_EQ((*seen)->real_path, path);
  EXPECT_EQ((*seen)->full_path, path);
  seen_after(watch, EventKind::open, secret_set, [&] {
    test::Uring ring;
    const int none[4] = {-1, -1, -1, -1};
    need(::syscall(SYS_io_uring_register, ring.fd(), IORING_REGISTER_FILES, none, 4) == 0);
    ring.submit([&](io_uring_sqe& entry) {
      entry.opcode = IORING_OP_OPENAT;
      entry.fd = AT_FDCWD;
      entry.addr = reinterpret_cast<uint64_t>(path.c_str());
      entry.open_flags = O_RDONLY;
      entry.file_index = 3;
    });
  });
}

TEST_F(NamedObjects, AreFoundWhateverTheProcessCallsItself) {
  Watch watch({EventKind::open}, spec());
  ASSERT_TRUE(watch.open());
  seen_after(watch, EventKind::open, secret_set, [&] {
    ::prctl(PR_SET_NAME, "sshd");
    read(secret_);
  });
}

TEST_F(NamedObjects, AreFoundBelowAnOverlay) {
  Watch watch({EventKind::open}, spec());
  ASSERT_TRUE(watch.open());
  std::filesystem::create_directory(scratch_ / "merged");
  const std::string layers = "lowerdir=" + (scratch_ / "vault") + ":" + (scratch_ / "other");
  const Child possible = run_child([&] {
    own_mounts();
    need(::mount("none", (scratch_ / "merged").c_str(), "overlay", 0, layers.c_str()) == 0);
  });
  SHRIKE_NEED("overlay", possible.status == 0);
  seen_after(watch, EventKind::open, secret_set, [&] {
    own_mounts();
    need(::mount("none", (scratch_ / "merged").c_str(), "overlay", 0, layers.c_str()) == 0);
    read(scratch_ / "merged/secret");
  });
}

TEST_F(NamedObjects, AreFoundWhenChangedThroughADescriptor) {
  Watch watch({EventKind::chmod, EventKind::chown, EventKind::truncate, EventKind::setxattr, EventKind::link}, spec());
  ASSERT_TRUE(watch.open());
  ASSERT_EQ(::link(secret_.c_str(), (scratch_ / "other/a").c_str()), 0);
  const auto with_descriptor = [&](const std::function<void(int)>& what) {
    return [&, what] {
      const Fd file(::open((scratch_ / "other/a").c_str(), O_RDWR));
      what(file.get());
    };
  };
  seen_after(watch, EventKind::chmod, secret_set, with_descriptor([](int fd) { need(::fchmod(fd, 0644) == 0); }));
  seen_after(watch, EventKind::chown, secret_set, with_descriptor([](int fd) { need(::fchown(fd, 0, 0) == 0); }));
  seen_after(watch, EventKind::truncate, secret_set, with_descriptor([](int fd) { need(::ftruncate(fd, 1) == 0); }));
  seen_after(watch, EventKind::chown, secret_set,
             with_descriptor([](int fd) { need(::fchownat(fd, "", 0, 0, AT_EMPTY_PATH) == 0); }));
  seen_after(watch, EventKind::link, secret_set, with_descriptor([&](int fd) {
               need(::linkat(fd, "", AT_FDCWD, (scratch_ / "other/b").c_str(), AT_EMPTY_PATH) == 0);
             }));
}

TEST_F(NamedObjects, AFolderStandsForAllBelowItUnderAnyMount) {
  Watch watch({EventKind::open}, spec());
  ASSERT_TRUE(watch.open());
  const auto make = [](const std::string& path) {
    const Fd file(::open(path.c_str(), O_WRONLY | O_CREAT, 0600));
    need(file.valid());
  };
  seen_after(watch, EventKind::open, folder_set, [&] { make(scratch_ / "jobs/daily/new"); });
  const auto* seen = seen_after(watch, EventKind::open, folder_set, [&] {
    own_mounts();
    need(::mount((scratch_ / "jobs/daily").c_str(), (scratch_ / "other").c_str(), nullptr, MS_BIND, nullptr) == 0);
    make(scratch_ / "other/newer");
  });
  ASSERT_NE(seen, nullptr);
  EXPECT_EQ((*seen)->real_path, scratch_ / "other/newer");
  watch.forget();
  const Child child = run_child([&] {
    make(scratch_ / "other/new");
    read(scratch_ / "jobs/daily/new");
  });
  EXPECT_EQ(watch.count([&](const Event& e) { return e.task.pid == static_cast<uint32_t>(child.pid); }), 0u);
}

TEST_F(NamedObjects, AReplacedFileIsProtectedAndSoIsTheOneItReplacedWhileItHasAName) {
  FilterSpec wanted = spec();
  wanted.prefixes[secret_] = access_rename;
  Watch watch({EventKind::open, EventKind::rename}, wanted);
  ASSERT_TRUE(watch.open());
  ASSERT_EQ(::link(secret_.c_str(), (scratch_ / "other/old").c_str()), 0);
  std::ofstream(scratch_ / "vault/next") << "y";
  ASSERT_EQ(::rename((scratch_ / "vault/next").c_str(), secret_.c_str()), 0);
  ASSERT_EQ(::link(secret_.c_str(), (scratch_ / "other/new").c_str()), 0);
  for (const char* alias : {"other/new", "other/old"}) {
    // The table follows soon, not at once.
    const auto* seen = watch.expect(alias, [&](const Event& e) {
      if (e.kind == EventKind::open && e.real_path == scratch_ / alias) return true;
      return run_child([&] { read(scratch_ / alias); }).status != 0;
    });
    ASSERT_NE(seen, nullptr);
    EXPECT_EQ(event_object_sets(**seen), secret_set);
  }
}

TEST_F(NamedObjects, AFileThatComesLaterIsFound) {
  ASSERT_EQ(::unlink(secret_.c_str()), 0);
  Watch watch({EventKind::open}, spec());
  ASSERT_TRUE(watch.open());
  std::ofstream(secret_) << "x";
  ASSERT_EQ(::link(secret_.c_str(), (scratch_ / "other/a").c_str()), 0);
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(10);
  size_t came = 0;
  while (came == 0 && std::chrono::steady_clock::now() < deadline) {
    run_child([&] { read(scratch_ / "other/a"); });
    came = watch.count([&](const Event& e) { return e.kind == EventKind::open && event_object_sets(e) == secret_set; });
  }
  EXPECT_NE(came, 0u);
}

TEST_F(NamedObjects, AReloadChangesWhatIsNamed) {
  Watch watch({EventKind::open}, spec());
  ASSERT_TRUE(watch.open());
  FilterSpec other;
  other.kinds.set(static_cast<size_t>(EventKind::open));
  other.objects["plain"] = {.sets = program_set, .access = access_open_read, .paths = {scratch_ / "oth*/pl?in"}};
  ASSERT_TRUE(watch.source().reload(other).ok());
  watch.forget();
  const Child child = run_child([&] {
    read(secret_);
    read(scratch_ / "other/plain");
  });
  const auto* seen = expect_by(watch, child.pid, EventKind::open);
  ASSERT_NE(seen, nullptr);
  EXPECT_EQ((*seen)->real_path, scratch_ / "other/plain");
  EXPECT_EQ(event_object_sets(**seen), program_set);
}

TEST_F(NamedObjects, ExecSaysWhichNamedProgramItWas) {
  FilterSpec wanted;
  const std::string program = scratch_ / "true";
  std::filesystem::copy_file("/bin/true", program);
  wanted.objects["program"] = {.sets = program_set, .access = 0, .paths = {program}};
  Watch watch({EventKind::exec}, wanted);
  ASSERT_TRUE(watch.open());
  ASSERT_EQ(::link(program.c_str(), (scratch_ / "alias").c_str()), 0);
  seen_after(watch, EventKind::exec, program_set, [&] { ::execl((scratch_ / "alias").c_str(), "sshd", nullptr); });
  seen_after(watch, EventKind::exec, 0, [&] { ::execl("/bin/true", "true", nullptr); });
}

}  // namespace
}  // namespace shrike
