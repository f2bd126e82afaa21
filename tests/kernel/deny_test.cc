// bpf/deny: with BPF LSM, what the deny list names is refused, whatever leads to it, and nothing else is.

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/xattr.h>

#include <cstring>
#include <fstream>

#include "common/base/fd.h"
#include "tests/kernel/child.h"
#include "tests/kernel/uring.h"

namespace shrike {
namespace {

using probe::KernelSource;
using test::Child;
using test::expect_by;
using test::run_child;
using test::Watch;

constexpr uint32_t secret_set = 1u << 0, jobs_set = 1u << 1, program_set = 1u << 2, friend_set = 1u << 3;
constexpr uint8_t opens_all = 0b1111, opens_write = 0b0110;

// Attaching an LSM hook takes the kernel half a second, and detaching it again: all tests share one probe.
class LsmDeny : public ::testing::Test {
 protected:
  static void SetUpTestSuite() { made_ = std::make_unique<test::Scratch>(); }
  static void TearDownTestSuite() {
    watch_ = nullptr;
    made_ = nullptr;
  }
  void SetUp() override {
    SHRIKE_NEED("bpf", Watch::possible());
    if (watch_ == nullptr) {
      std::filesystem::remove_all(scratch_.path());
      for (const char* name : {"", "vault", "jobs", "other"}) std::filesystem::create_directory(scratch_ / name);
      for (const std::string& file : {secret_, jobs_}) std::ofstream(file) << "x";
      for (const std::string& file : {program_, friend_}) std::filesystem::copy_file("/usr/bin/true", file);
      std::filesystem::copy_file(SHRIKE_PROGRAMS_DIR "/open_file", always_);
      watch_ = std::make_unique<Watch>(std::initializer_list<EventKind>{EventKind::denied}, spec());
    }
    std::ofstream(scratch_ / "other/plain") << "x";
    ASSERT_TRUE(watch_->open());
    SHRIKE_NEED("lsm", watch_->source().features().denies);
    ASSERT_TRUE(watch_->source().set_deny(KernelSource::Deny::refuse).ok());
  }
  [[nodiscard]] FilterSpec spec() const {
    FilterSpec spec;
    spec.objects["secret"] = {.sets = secret_set, .access = 0, .keep = false, .paths = {secret_}};
    spec.objects["jobs"] = {.sets = jobs_set, .access = 0, .keep = false, .paths = {scratch_ / "jobs"}};
    spec.objects["program"] = {.sets = program_set, .access = 0, .keep = false, .paths = {program_}};
    spec.objects["friend"] = {.sets = friend_set, .access = 0, .keep = true, .paths = {friend_}};
    spec.objects["always"] = {.sets = never_denied_set, .access = 0, .keep = true, .paths = {always_}};
    spec.denials = {
        {.rule = "secret", .sets = secret_set, .opens = opens_all, .access = access_all, .exempt = friend_set},
        {.rule = "jobs", .sets = jobs_set, .opens = opens_write, .access = access_all},
        {.rule = "program", .sets = program_set, .exec = true}};
    return spec;
  }
  // Does `what` end with EPERM, in a child, and is it told as this rule's?
  const test::Seen* refused(const std::string& rule, const std::function<long()>& what) {
    watch_->forget();
    const Child child = run_child([&] {
      const bool denied = what() < 0 && errno == EPERM;
      ::_exit(denied ? 0 : 1);
    });
    EXPECT_EQ(child.status, 0) << "was not refused with EPERM";
    const auto* seen = expect_by(*watch_, child.pid, EventKind::denied);
    if (seen != nullptr) {
      EXPECT_EQ((*seen)->arg[0], denial_number(rule));
      EXPECT_EQ((*seen)->arg[2], 1u);
      EXPECT_EQ((*seen)->result, -EPERM);
    }
    return seen;
  }
  // Is `what` done, and nothing told?
  void allowed(const std::function<long()>& what) {
    watch_->forget();
    const Child child = run_child([&] { ::_exit(what() >= 0 ? 0 : errno); });
    EXPECT_EQ(child.status, 0) << std::strerror(WEXITSTATUS(child.status));
    EXPECT_EQ(watch_->count([&](const Event& e) { return e.task.pid == static_cast<uint32_t>(child.pid); }), 0u);
  }
  static long run(const char* program, std::vector<const char*> arguments) {
    arguments.push_back(nullptr);
    return ::execv(program, const_cast<char* const*>(arguments.data()));
  }
  static inline std::unique_ptr<test::Scratch> made_;
  static inline std::unique_ptr<Watch> watch_;
  const test::Scratch& scratch_ = *made_;
  const std::string secret_ = scratch_ / "vault/secret", jobs_ = scratch_ / "jobs/daily",
                    program_ = scratch_ / "other/program", friend_ = scratch_ / "other/friend",
                    always_ = scratch_ / "other/always";
};

TEST_F(LsmDeny, AnOpenIsRefusedAndToldWithItsFile) {
  const auto* seen = refused("secret", [&] { return ::open(secret_.c_str(), O_RDONLY); });
  ASSERT_NE(seen, nullptr);
  struct stat st {};
  ASSERT_EQ(::stat(secret_.c_str(), &st), 0);
  EXPECT_EQ((*seen)->real_path, secret_);
  EXPECT_EQ((*seen)->object.inode, st.st_ino);
  EXPECT_EQ((*seen)->syscall, SYS_openat);
  EXPECT_EQ((*seen)->arg[5], secret_set);
  EXPECT_STREQ((*seen)->task.comm.data(), "kernel_tests");
  allowed([&] { return ::open((scratch_ / "other/plain").c_str(), O_RDWR); });
}

TEST_F(LsmDeny, NoOtherNameOrWayLeadsToTheFile) {
  const std::string alias = scratch_ / "other/alias", symbolic = scratch_ / "other/symbolic";
  ASSERT_EQ(::symlink(secret_.c_str(), symbolic.c_str()), 0);
  ASSERT_TRUE(watch_->source().set_deny(KernelSource::Deny::off).ok());
  ASSERT_EQ(::link(secret_.c_str(), alias.c_str()), 0);
  ASSERT_TRUE(watch_->source().set_deny(KernelSource::Deny::refuse).ok());
  refused("secret", [&] { return ::open(alias.c_str(), O_RDONLY); });
  refused("secret", [&] { return ::open(symbolic.c_str(), O_RDONLY); });
  refused("secret", [&] {
    const Fd path(::open(secret_.c_str(), O_PATH));
    return ::open(("/proc/self/fd/" + std::to_string(path.get())).c_str(), O_RDONLY);
  });
  refused("secret", [&]() -> long {
    if (::unshare(CLONE_NEWNS) != 0 || ::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0 ||
        ::mount((scratch_ / "vault").c_str(), (scratch_ / "other").c_str(), nullptr, MS_BIND, nullptr) != 0)
      return 0;
    return ::open((scratch_ / "other/secret").c_str(), O_RDONLY);
  });
  alignas(file_handle) char room[sizeof(file_handle) + MAX_HANDLE_SZ];
  auto* handle = reinterpret_cast<file_handle*>(room);
  handle->handle_bytes = MAX_HANDLE_SZ;
  int mount = 0;
  ASSERT_EQ(::name_to_handle_at(AT_FDCWD, secret_.c_str(), handle, &mount, 0), 0);
  refused("secret", [&] {
    const Fd folder(::open("/tmp", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    return ::open_by_handle_at(folder.get(), handle, O_RDONLY);
  });
}

TEST_F(LsmDeny, IoUringDoesNotLeadToTheFile) {
  SHRIKE_NEED("io_uring", test::Uring().valid());
  watch_->forget();
  const Child child = run_child([&] {
    test::Uring ring;
    ring.submit([&](io_uring_sqe& entry) {
      entry.opcode = IORING_OP_OPENAT;
      entry.fd = AT_FDCWD;
      entry.addr = reinterpret_cast<uint64_t>(secret_.c_str());
      entry.open_flags = O_RDONLY;
    });
    ::_exit(ring.result() == -EPERM ? 0 : 1);
  });
  EXPECT_EQ(child.status, 0);
  EXPECT_NE(expect_by(*watch_, child.pid, EventKind::denied), nullptr);
}

TEST_F(LsmDeny, ChangesAreRefusedByPathAndByDescriptor) {
  const std::string made = scratch_ / "other/made";
  refused("secret", [&] { return ::unlink(secret_.c_str()); });
  refused("secret", [&] { return ::rename(secret_.c_str(), made.c_str()); });
  refused("secret", [&] { return ::rename((scratch_ / "other/plain").c_str(), secret_.c_str()); });
  refused("secret", [&] { return ::link(secret_.c_str(), made.c_str()); });
  refused("secret", [&] { return ::truncate(secret_.c_str(), 0); });
  refused("secret", [&] { return ::chmod(secret_.c_str(), 0644); });
  refused("secret", [&] { return ::chown(secret_.c_str(), 1, 1); });
  refused("secret", [&] { return ::setxattr(secret_.c_str(), "trusted.x", "y", 1, 0); });
  ASSERT_TRUE(watch_->source().set_deny(KernelSource::Deny::off).ok());
  const Fd before(::open(secret_.c_str(), O_RDWR | O_CLOEXEC));
  ASSERT_TRUE(before.valid());
  ASSERT_TRUE(watch_->source().set_deny(KernelSource::Deny::refuse).ok());
  refused("secret", [&] { return ::ftruncate(before.get(), 0); });
  refused("secret", [&] { return ::fchmod(before.get(), 0644); });
  refused("secret", [&] { return ::fchown(before.get(), 1, 1); });
  refused("secret", [&] { return ::fsetxattr(before.get(), "trusted.x", "y", 1, 0); });
  struct stat st {};
  ASSERT_EQ(::stat(secret_.c_str(), &st), 0);
  EXPECT_EQ(st.st_size, 1);
  EXPECT_EQ(st.st_uid, 0u);
}

TEST_F(LsmDeny, NothingIsMadeBelowAFolderAndReadingThereIsLeftAlone) {
  const std::string made = scratch_ / "jobs/made";
  refused("jobs", [&] { return ::open(jobs_.c_str(), O_WRONLY); });
  refused("jobs", [&] { return ::open(made.c_str(), O_WRONLY | O_CREAT, 0600); });
  EXPECT_FALSE(std::filesystem::exists(made)) << "it was refused, and made";
  refused("jobs", [&] { return ::creat(made.c_str(), 0600); });
  refused("jobs", [&] { return ::mkdir(made.c_str(), 0700); });
  refused("jobs", [&] { return ::symlink("/tmp", made.c_str()); });
  refused("jobs", [&] { return ::link((scratch_ / "other/plain").c_str(), made.c_str()); });
  refused("jobs", [&] { return ::rename((scratch_ / "other/plain").c_str(), made.c_str()); });
  refused("jobs", [&] { return ::unlink(jobs_.c_str()); });
  EXPECT_FALSE(std::filesystem::exists(made));
  allowed([&] { return ::open(jobs_.c_str(), O_RDONLY); });
}

TEST_F(LsmDeny, AProgramIsNotExecutedNorMappedAsCode) {
  const auto* seen = refused("program", [&] { return run(program_.c_str(), {"true"}); });
  ASSERT_NE(seen, nullptr);
  EXPECT_EQ((*seen)->real_path, program_);
  EXPECT_EQ((*seen)->syscall, SYS_execve);
  refused("program", [&] {
    const Fd file(::open(program_.c_str(), O_RDONLY | O_CLOEXEC));
    return ::mmap(nullptr, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE, file.get(), 0) == MAP_FAILED ? -1 : 0;
  });
  refused("program", [&]() -> long {
    const Fd file(::open(program_.c_str(), O_RDONLY | O_CLOEXEC));
    void* at = ::mmap(nullptr, 4096, PROT_READ, MAP_PRIVATE, file.get(), 0);
    return at == MAP_FAILED ? 0 : ::mprotect(at, 4096, PROT_READ | PROT_EXEC);
  });
  allowed([&] { return ::open(program_.c_str(), O_RDONLY); });
  allowed([&] { return run(friend_.c_str(), {"true"}); });
}

TEST_F(LsmDeny, AnExemptProgramIsKnownByItsFile) {
  std::filesystem::copy_file(SHRIKE_PROGRAMS_DIR "/open_file", scratch_ / "other/next");
  ASSERT_EQ(::rename((scratch_ / "other/next").c_str(), friend_.c_str()), 0);
  // The table follows soon, not at once.
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(10);
  int status = -1;
  while (status != 0 && std::chrono::steady_clock::now() < deadline) {
    watch_->poll();
    status = run_child([&] { run(friend_.c_str(), {"friend", secret_.c_str()}); }).status;
  }
  EXPECT_EQ(status, 0);
  EXPECT_NE(run_child([&] {
              run(SHRIKE_PROGRAMS_DIR "/open_file", {"friend", secret_.c_str()});
            }).status,
            0)
      << "a copy of it, under the same name, is another program";
}

TEST_F(LsmDeny, ARunningExemptProgramStaysExemptWhenItsFileIsReplaced) {
  std::filesystem::remove(friend_);
  std::filesystem::copy_file(SHRIKE_PROGRAMS_DIR "/open_file", friend_);
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(10);
  while (run_child([&] {
           run(friend_.c_str(), {"friend", secret_.c_str()});
         }).status != 0 &&
         std::chrono::steady_clock::now() < deadline)
    watch_->poll();
  int go[2], done[2];
  ASSERT_EQ(::pipe(go), 0);
  ASSERT_EQ(::pipe(done), 0);
  const pid_t runner = ::fork();
  if (runner == 0) {  // opens the file once for each byte, and answers with how that went
    ::dup2(go[0], 0);
    ::dup2(done[1], 1);
    ::close(go[1]);
    run(friend_.c_str(), {"friend", "-", secret_.c_str()});
    ::_exit(127);
  }
  ::close(go[0]);
  ::close(done[1]);
  const auto opens = [&] {
    char answer = '?';
    EXPECT_EQ(::write(go[1], "x", 1), 1);
    pollfd readable{.fd = done[0], .events = POLLIN, .revents = 0};
    EXPECT_EQ(::poll(&readable, 1, 10'000), 1);
    EXPECT_EQ(::read(done[0], &answer, 1), 1);
    return answer == 'y';
  };
  EXPECT_TRUE(opens());
  ASSERT_EQ(::unlink(friend_.c_str()), 0);
  std::filesystem::copy_file("/usr/bin/true", friend_);
  const std::string news = scratch_ / "other/news";
  // As soon as the new file is exempt, the table has been written again, and the old one must be in it still.
  std::filesystem::copy_file(SHRIKE_PROGRAMS_DIR "/open_file", news);
  ASSERT_EQ(::rename(news.c_str(), friend_.c_str()), 0);
  while (run_child([&] {
           run(friend_.c_str(), {"friend", secret_.c_str()});
         }).status != 0 &&
         std::chrono::steady_clock::now() < deadline)
    watch_->poll();
  EXPECT_TRUE(opens());
  ::close(go[1]);
  ::waitpid(runner, nullptr, 0);
  ::close(done[0]);
}

TEST_F(LsmDeny, WhatIsNeverTouchedIsSoOnlyAsRootRunsIt) {
  std::filesystem::permissions(scratch_.path(), std::filesystem::perms(0755));
  const auto opens = [&](uid_t user) {
    return run_child([&] {
             if (::setresuid(user, user, user) == 0) run(always_.c_str(), {"always", secret_.c_str()});
             ::_exit(200);
           }).status == 0;
  };
  constexpr uid_t nobody = 65534;
  EXPECT_TRUE(opens(0));
  EXPECT_FALSE(opens(nobody)) << "he can have it do what he likes";
  ASSERT_TRUE(watch_->source().set_deny(KernelSource::Deny::off).ok());
  EXPECT_TRUE(opens(nobody));
  ASSERT_TRUE(watch_->source().set_deny(KernelSource::Deny::refuse).ok());
}

// prctl(PR_SET_MM) would give a process the executable of an exempt one. The map is none: who is let through gets
// EFAULT.
TEST_F(LsmDeny, NobodyPosesAsAnExemptProgramFromAUserNamespaceOfHisOwn) {
  const auto pose = [] { return ::prctl(PR_SET_MM, PR_SET_MM_MAP, 0, sizeof(prctl_mm_map), 0); };
  const auto in_own_namespace = [&] {
    return run_child([&] {
             if (::unshare(CLONE_NEWUSER) != 0) ::_exit(200);
             ::_exit(pose() < 0 ? errno : 0);
           })
        .status;
  };
  EXPECT_EQ(WEXITSTATUS(in_own_namespace()), EPERM);
  EXPECT_EQ(WEXITSTATUS(run_child([&] { ::_exit(pose() < 0 ? errno : 0); }).status), EFAULT) << "root's own affair";
  ASSERT_TRUE(watch_->source().set_deny(KernelSource::Deny::tell).ok());
  EXPECT_EQ(WEXITSTATUS(in_own_namespace()), EFAULT);
  ASSERT_TRUE(watch_->source().set_deny(KernelSource::Deny::refuse).ok());
  EXPECT_EQ(::prctl(PR_SET_NAME, "named", 0, 0, 0), 0) << "any other prctl does what it did";
}

TEST_F(LsmDeny, NothingIsRefusedToItsOwnerOrToItsAncestors) {
  const Fd own(::open(secret_.c_str(), O_RDONLY));
  EXPECT_TRUE(own.valid()) << "this process owns the programs";
  EXPECT_EQ(watch_->count_own([](const Event&) { return true; }), 0u);
  watch_ = nullptr;
  // The owner is a child of ours now.
  int ready[2], over[2];
  ASSERT_EQ(::pipe(ready), 0);
  ASSERT_EQ(::pipe(over), 0);
  const pid_t child = ::fork();
  if (child == 0) {
    Watch watch({EventKind::denied}, spec());
    const bool good = watch.open() && watch.source().set_deny(KernelSource::Deny::refuse).ok();
    const char word = good ? 'y' : 'n';
    char end = 0;
    ::close(over[1]);
    ::_exit(::write(ready[1], &word, 1) == 1 && ::read(over[0], &end, 1) == 0 ? 0 : 1);
  }
  char word = 0;
  ASSERT_EQ(::read(ready[0], &word, 1), 1);
  EXPECT_EQ(word, 'y');
  EXPECT_TRUE(Fd(::open(secret_.c_str(), O_RDONLY)).valid());
  EXPECT_NE(run_child([&] { ::_exit(::open(secret_.c_str(), O_RDONLY) < 0 ? 1 : 0); }).status, 0)
      << "a child of an ancestor is none";
  ::close(over[1]);
  ::waitpid(child, nullptr, 0);
  for (const int fd : {ready[0], ready[1], over[0]}) ::close(fd);
}

TEST_F(LsmDeny, IsSwitchedOffAtOnceAndADryRunOnlyTells) {
  const auto open_secret = [&] { return ::open(secret_.c_str(), O_RDONLY); };
  ASSERT_TRUE(watch_->source().set_deny(KernelSource::Deny::tell).ok());
  const Child child = run_child([&] { ::_exit(open_secret() >= 0 ? 0 : 1); });
  EXPECT_EQ(child.status, 0);
  const auto* seen = expect_by(*watch_, child.pid, EventKind::denied);
  ASSERT_NE(seen, nullptr);
  EXPECT_EQ((*seen)->arg[2], 0u);
  EXPECT_EQ((*seen)->result, 0);
  ASSERT_TRUE(watch_->source().set_deny(KernelSource::Deny::off).ok());
  allowed(open_secret);
  ASSERT_TRUE(watch_->source().set_deny(KernelSource::Deny::refuse).ok());
  refused("secret", open_secret);
}

TEST_F(LsmDeny, AReloadChangesWhatIsRefused) {
  FilterSpec other;
  other.kinds.set(static_cast<size_t>(EventKind::denied));
  other.objects["plain"] = {.sets = jobs_set, .access = 0, .keep = false, .paths = {scratch_ / "other/plain"}};
  other.denials = {{.rule = "plain", .sets = jobs_set, .opens = opens_all}};
  const auto reloaded = watch_->source().reload(other);
  ASSERT_TRUE(reloaded.ok()) << reloaded.error().message;
  allowed([&] { return ::open(secret_.c_str(), O_RDONLY); });
  refused("plain", [&] { return ::open((scratch_ / "other/plain").c_str(), O_RDONLY); });
  FilterSpec back = spec();
  back.kinds.set(static_cast<size_t>(EventKind::denied));
  ASSERT_TRUE(watch_->source().reload(back).ok());
  refused("secret", [&] { return ::open(secret_.c_str(), O_RDONLY); });
}

}  // namespace
}  // namespace shrike
