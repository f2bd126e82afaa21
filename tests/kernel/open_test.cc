// bpf/open.bpf.c, and the filter by path: opens through every call and name, each done for real.

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <linux/openat2.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>

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

class OpenEvents : public ::testing::Test {
 protected:
  void SetUp() override {
    SHRIKE_NEED("bpf", Watch::possible());
    std::ofstream(scratch_ / "file") << "x";
  }
  test::Scratch scratch_;
  const std::string file_ = scratch_ / "file";

  static FilterSpec prefix(const std::string& text, uint32_t access = access_all) {
    FilterSpec spec;
    spec.prefixes[text] = access;
    return spec;
  }
  static Watch::Wanted given(const std::string& path) {
    return [=](const Event& e) { return e.path.text == path; };
  }
};

TEST_F(OpenEvents, EveryOpenCallIsSeenWithFlagsModeAndFile) {
  Watch watch({EventKind::open});
  ASSERT_TRUE(watch.open());
  open_how how{};
  how.flags = O_RDWR;
  how.resolve = RESOLVE_NO_MAGICLINKS;
  const std::string made = scratch_ / "made";
  const Fd directory(::open(scratch_.path().c_str(), O_PATH | O_DIRECTORY));
  const Fd plain(static_cast<int>(::syscall(SYS_open, file_.c_str(), O_RDONLY)));
  const Fd at(static_cast<int>(::syscall(SYS_openat, directory.get(), "file", O_WRONLY | O_APPEND)));
  const Fd at2(static_cast<int>(::syscall(SYS_openat2, directory.get(), "./file", &how, sizeof how)));
  const Fd creat(static_cast<int>(::syscall(SYS_creat, made.c_str(), 0640)));
  ASSERT_TRUE(creat.valid() && at2.valid());
  struct stat st {};
  ASSERT_EQ(::stat(file_.c_str(), &st), 0);

  const auto* a = watch.expect_own(EventKind::open, [](const Event& e) { return e.syscall == SYS_open; });
  ASSERT_NE(a, nullptr);
  EXPECT_EQ((*a)->path.text, file_);
  EXPECT_EQ((*a)->real_path, file_);
  EXPECT_EQ((*a)->full_path, file_);
  EXPECT_EQ((*a)->result, plain.get());
  EXPECT_EQ((*a)->arg[4], static_cast<uint64_t>(plain.get()));
  EXPECT_EQ((*a)->object.inode, st.st_ino);
  EXPECT_EQ((*a)->object.device, major(st.st_dev) << 20 | minor(st.st_dev));
  EXPECT_EQ((*a)->object.links, 1u);
  EXPECT_EQ((*a)->flags, 0);

  const auto* b = watch.expect_own(EventKind::open, given("file"));
  ASSERT_NE(b, nullptr);
  EXPECT_EQ((*b)->full_path, file_);
  EXPECT_EQ((*b)->real_path, file_);
  EXPECT_EQ((*b)->arg[0], static_cast<uint64_t>(O_WRONLY | O_APPEND));
  EXPECT_EQ((*b)->arg[2] & (O_ACCMODE | O_APPEND), static_cast<uint64_t>(O_WRONLY | O_APPEND));

  const auto* c = watch.expect_own(EventKind::open, given("./file"));
  ASSERT_NE(c, nullptr);
  EXPECT_EQ((*c)->syscall, SYS_openat2);
  EXPECT_EQ((*c)->full_path, file_);
  EXPECT_EQ((*c)->arg[0], static_cast<uint64_t>(O_RDWR));
  EXPECT_EQ((*c)->arg[3], static_cast<uint64_t>(RESOLVE_NO_MAGICLINKS));

  const auto* d = watch.expect_own(EventKind::open, given(made));
  ASSERT_NE(d, nullptr);
  EXPECT_NE((*d)->flags & flag_created, 0);
  EXPECT_EQ((*d)->arg[0], static_cast<uint64_t>(O_CREAT | O_WRONLY | O_TRUNC));
  EXPECT_EQ((*d)->arg[1], 0640u);
}

TEST_F(OpenEvents, ARefusedOpenShowsItsErrorAndNoFile) {
  Watch watch({EventKind::open});
  ASSERT_TRUE(watch.open());
  EXPECT_LT(::open((scratch_ / "missing").c_str(), O_RDONLY), 0);
  const auto* seen = watch.expect_own(EventKind::open, given(scratch_ / "missing"));
  ASSERT_NE(seen, nullptr);
  EXPECT_EQ((*seen)->result, -ENOENT);
  EXPECT_EQ((*seen)->real_path, "");
  EXPECT_EQ((*seen)->object.inode, 0u);
}

TEST_F(OpenEvents, AFileIsFoundByItsOwnPathWhateverNameLedToIt) {
  Watch watch({EventKind::open}, prefix(file_));
  ASSERT_TRUE(watch.open());
  ASSERT_EQ(::symlink(scratch_.path().c_str(), (scratch_ / "link").c_str()), 0);
  const std::string odd = "/." + scratch_.path() + "//./link/../" + scratch_.path().substr(5) + "/file";
  const Child child = run_child([&] {
    for (const std::string& name : {"/proc/self/root" + file_, scratch_ / "link/file", odd})
      Fd(::open(name.c_str(), O_RDONLY));
    if (::chdir(scratch_.path().c_str()) != 0) return;
    for (const char* name : {"file", "./link/../link/file"}) Fd(::open(name, O_RDONLY));
    Fd(::open((scratch_ / "other").c_str(), O_RDWR | O_CREAT, 0600));
  });
  for (const std::string& name : {"/proc/self/root" + file_, scratch_ / "link/file", odd, std::string("file")}) {
    const auto* seen = expect_by(watch, child.pid, EventKind::open, given(name));
    ASSERT_NE(seen, nullptr);
    EXPECT_EQ((*seen)->real_path, file_);
  }
  EXPECT_EQ(watch.count([&](const Event& e) { return e.path.text == scratch_ / "other"; }), 0u);
}

TEST_F(OpenEvents, AFileIsFoundByTheNameGivenWhereverThatLeads) {
  ASSERT_EQ(::symlink(file_.c_str(), (scratch_ / "alias").c_str()), 0);
  Watch watch({EventKind::open}, prefix(scratch_ / "ali"));
  ASSERT_TRUE(watch.open());
  const Child child = run_child([&] {
    Fd(::open((scratch_ / "alias").c_str(), O_RDONLY));
    if (::chdir(scratch_.path().c_str()) == 0) Fd(::open("alias", O_RDONLY));
    Fd(::open(file_.c_str(), O_RDONLY));
  });
  for (const std::string& name : {scratch_ / "alias", std::string("alias")}) {
    const auto* seen = expect_by(watch, child.pid, EventKind::open, given(name));
    ASSERT_NE(seen, nullptr);
    EXPECT_EQ((*seen)->real_path, file_);
    EXPECT_EQ((*seen)->full_path, scratch_ / "alias");
  }
  EXPECT_EQ(watch.count([&](const Event& e) { return e.path.text == file_; }), 0u);
}

TEST_F(OpenEvents, NamesOfComponentsAreFoundAnywhereOrOnlyLast) {
  std::filesystem::create_directories(scratch_ / "a/.secret/b");
  std::ofstream(scratch_ / "a/.secret/b/c") << "x";
  std::ofstream(scratch_ / "a/id_key") << "x";
  const std::string long_name(40, 'n');
  std::ofstream(scratch_ / long_name) << "x";
  FilterSpec spec;
  spec.names[".secret"] = {.any = access_open_read, .last = 0};
  spec.names["id_key"] = {.any = 0, .last = access_open_read};
  spec.names["a"] = {.any = 0, .last = access_open_read};
  spec.names[long_name.substr(0, 32)] = {.any = 0, .last = access_open_read};
  Watch watch({EventKind::open}, spec);
  ASSERT_TRUE(watch.open());
  const std::vector<std::string> wanted = {scratch_ / "a/.secret/b/c", scratch_ / "a/id_key", scratch_ / "a"};
  const Child child = run_child([&] {
    for (const auto& name : wanted) Fd(::open(name.c_str(), O_RDONLY));
    Fd(::open(file_.c_str(), O_RDONLY));
    Fd(::open((scratch_ / "a/id_key").c_str(), O_WRONLY));
  });
  for (const auto& name : wanted) EXPECT_NE(expect_by(watch, child.pid, EventKind::open, given(name)), nullptr) << name;
  EXPECT_EQ(watch.count([&](const Event& e) {
    return e.task.pid == static_cast<uint32_t>(child.pid) &&
           (e.path.text == file_ || (e.arg[0] & O_ACCMODE) == O_WRONLY);
  }),
            0u);
}

TEST_F(OpenEvents, ReadsWritesAndFailuresAreToldApart) {
  FilterSpec spec;
  spec.prefixes[scratch_ / "file"] = access_open_write;
  spec.prefixes[scratch_ / "missing"] = access_open_failed;
  Watch watch({EventKind::open}, spec);
  ASSERT_TRUE(watch.open());
  const Child child = run_child([&] {
    Fd(::open(file_.c_str(), O_RDONLY));
    Fd(::open((scratch_ / "file-missing").c_str(), O_WRONLY));
    Fd(::open((scratch_ / "missing").c_str(), O_RDONLY));
    Fd(::open(file_.c_str(), O_RDONLY | O_TRUNC));
  });
  EXPECT_NE(expect_by(watch, child.pid, EventKind::open, given(scratch_ / "missing")), nullptr);
  EXPECT_NE(expect_by(watch, child.pid, EventKind::open, [](const Event& e) { return (e.arg[0] & O_TRUNC) != 0; }),
            nullptr);
  EXPECT_EQ(watch.count([&](const Event& e) { return e.task.pid == static_cast<uint32_t>(child.pid); }), 2u);
}

TEST_F(OpenEvents, OnlySuccessesWhenOnlyTheyAreWanted) {
  FilterSpec spec = Watch::all_paths();
  spec.success_only.set(static_cast<size_t>(EventKind::open));
  Watch watch({EventKind::open}, spec);
  ASSERT_TRUE(watch.open());
  const Child child = run_child([&] {
    Fd(::open((scratch_ / "missing").c_str(), O_RDONLY));
    Fd(::open(file_.c_str(), O_RDONLY));
  });
  EXPECT_NE(expect_by(watch, child.pid, EventKind::open), nullptr);
  EXPECT_EQ(watch.count([&](const Event& e) { return e.task.pid == static_cast<uint32_t>(child.pid); }), 1u);
}

TEST_F(OpenEvents, PathsCrossMountsAndDeepDirectoriesWhole) {
  Watch watch({EventKind::open});
  ASSERT_TRUE(watch.open());
  const Fd proc(::open("/proc/self/status", O_RDONLY));
  const auto* mount = watch.expect_own(EventKind::open, given("/proc/self/status"));
  ASSERT_NE(mount, nullptr);
  EXPECT_EQ((*mount)->real_path, "/proc/" + std::to_string(::getpid()) + "/status");

  std::string deep = scratch_.path();
  for (int i = 0; i < 40; ++i) deep += "/directory" + std::to_string(i);
  std::filesystem::create_directories(deep);
  const Fd directory(::open(deep.c_str(), O_RDONLY));
  const auto* seen = watch.expect_own(EventKind::open, given(deep));
  ASSERT_NE(seen, nullptr);
  EXPECT_EQ((*seen)->real_path, deep);
  for (const std::string& name : {std::string("/"), std::string("/usr")}) {
    const Fd fd(::open(name.c_str(), O_RDONLY));
    const auto* root = watch.expect_own(EventKind::open, given(name));
    ASSERT_NE(root, nullptr);
    EXPECT_EQ((*root)->real_path, name);
  }
}

TEST_F(OpenEvents, WhatIsTooDeepToBeJudgedLeaves) {
  std::string deep = scratch_.path();
  for (int i = 0; i < 100; ++i) deep += "/d";
  std::filesystem::create_directories(deep);
  Watch watch({EventKind::open}, prefix("/nowhere/at/all"));
  ASSERT_TRUE(watch.open());
  const Fd directory(::open(deep.c_str(), O_RDONLY));
  const auto* seen = watch.expect_own(EventKind::open, given(deep));
  ASSERT_NE(seen, nullptr);
  EXPECT_TRUE((*seen)->real_path.ends_with("/d/d/d"));
}

TEST_F(OpenEvents, NamesOfEveryLengthComeWhole) {
  Watch watch({EventKind::open});
  ASSERT_TRUE(watch.open());
  for (size_t length = 1; length <= 255; length += length < 40 ? 1 : 43) {
    std::string name;
    for (size_t i = 0; i < length; ++i) name += static_cast<char>('a' + i % 26);
    std::filesystem::create_directory(scratch_ / name);
    const std::string path = scratch_ / (name + "/x");
    const Fd fd(::open(path.c_str(), O_RDWR | O_CREAT, 0600));
    const auto* seen = watch.expect_own(EventKind::open, given(path));
    ASSERT_NE(seen, nullptr) << length;
    EXPECT_EQ((*seen)->real_path, path);
  }
}

TEST_F(OpenEvents, ThirtyTwoBitOpensAreSeenAndMarked) {
  SHRIKE_NEED("int80", test::has_int80());
  Watch watch({EventKind::open}, prefix(file_));
  ASSERT_TRUE(watch.open());
  test::LowPage page;
  std::array<char, 128> text{};
  file_.copy(text.data(), text.size() - 1);
  const long path = page.put(0, text);
  for (const auto& [number, fd] :
       {std::pair{5, test::int80(5, path, O_RDONLY)}, std::pair{295, test::int80(295, AT_FDCWD, path, O_RDONLY)}}) {
    const Fd owner(static_cast<int>(fd));
    const auto* seen = watch.expect_own(EventKind::open, [&](const Event& e) { return e.syscall == number; });
    ASSERT_NE(seen, nullptr) << number;
    EXPECT_NE((*seen)->flags & flag_compat32, 0);
    EXPECT_EQ((*seen)->result, fd);
    EXPECT_EQ((*seen)->real_path, file_);
  }
  // The same numbers mean other calls to the 64-bit entry: fstat(5), and no call at all.
  EXPECT_EQ(watch.count_own([](const Event& e) { return (e.flags & flag_compat32) == 0; }), 0u);
}

TEST_F(OpenEvents, TheX32BitDoesNotHideACall) {
  Watch watch({EventKind::open});
  ASSERT_TRUE(watch.open());
  ::syscall(SYS_openat | 0x40000000, AT_FDCWD, file_.c_str(), O_RDONLY);  // ENOSYS where there is no x32
  const auto* seen = watch.expect_own(EventKind::open, [](const Event& e) { return (e.flags & flag_x32) != 0; });
  ASSERT_NE(seen, nullptr);
  EXPECT_EQ((*seen)->syscall, SYS_openat);
  EXPECT_EQ((*seen)->path.text, file_);
}

TEST_F(OpenEvents, TheAgentsOwnOpensStayInTheKernel) {
  probe::ProbeOptions options;
  options.self_tgid = static_cast<uint32_t>(::getpid());
  Watch watch({EventKind::open}, Watch::all_paths(), options);
  ASSERT_TRUE(watch.open());
  Fd(::open(file_.c_str(), O_RDONLY));
  const Child child = run_child([&] { Fd(::open(file_.c_str(), O_RDONLY)); });
  EXPECT_NE(expect_by(watch, child.pid, EventKind::open, given(file_)), nullptr);
  EXPECT_EQ(watch.count([](const Event& e) { return e.task.pid == static_cast<uint32_t>(::getpid()); }), 0u);
}

TEST_F(OpenEvents, WhatIsOverBudgetIsCountedExactly) {
  probe::ProbeOptions options;
  options.budget_per_s = 1;
  options.budget_burst = 10;
  Watch watch({EventKind::open}, prefix(file_, access_open_read), options);
  ASSERT_TRUE(watch.open());
  constexpr size_t opens = 200;
  const Child child = run_child([&] {
    for (size_t i = 0; i < opens; ++i) Fd(::open(file_.c_str(), O_RDONLY));
  });
  EXPECT_NE(expect_by(watch, child.pid, EventKind::open), nullptr);
  const size_t came = watch.count([&](const Event& e) { return e.task.pid == static_cast<uint32_t>(child.pid); });
  const auto counters = watch.source().counters();
  const auto file = static_cast<size_t>(probe::EventClass::file);
  EXPECT_GE(came, 10u);
  EXPECT_LT(came, 30u);
  EXPECT_EQ(came + counters.lost[file][static_cast<size_t>(probe::Loss::budget)], opens);
}

TEST_F(OpenEvents, AFloodOfOpensDoesNotHidePrivilegeEvents) {
  FilterSpec spec = prefix(file_, access_open_read);
  probe::ProbeOptions options;
  options.budget_per_s = 1;
  options.budget_burst = 10;
  Watch watch({EventKind::open, EventKind::prctl}, spec, options);
  ASSERT_TRUE(watch.open());
  const Child child = run_child([&] {
    for (size_t i = 0; i < 100; ++i) Fd(::open(file_.c_str(), O_RDONLY));
    ::prctl(PR_SET_NAME, "hidden");
    for (size_t i = 0; i < 100; ++i) ::prctl(PR_SET_NAME, "flood");
  });
  EXPECT_NE(expect_by(watch, child.pid, EventKind::prctl, [](const Event& e) { return e.path.text == "hidden"; }),
            nullptr);
  const auto counters = watch.source().counters();
  EXPECT_GT(counters.lost[static_cast<size_t>(probe::EventClass::privilege)][static_cast<size_t>(probe::Loss::budget)],
            50u);
}

}  // namespace
}  // namespace shrike
