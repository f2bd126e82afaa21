// bpf/process.bpf.c: fork, exec, failed exec, exit, and the task iterator, each done for real.

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>

#include <cstring>
#include <fstream>
#include <thread>

#include "tests/kernel/child.h"
#include "tests/kernel/int80.h"

extern char** environ;

namespace shrike {
namespace {

using test::Child;
using test::expect_by;
using test::run_child;
using test::Watch;
using namespace std::string_literals;

class ProcessEvents : public ::testing::Test {
 protected:
  void SetUp() override { SHRIKE_NEED("bpf", Watch::possible()); }
  test::Scratch scratch_;

  std::string script(const std::string& name, const std::string& text) {
    std::ofstream(scratch_ / name) << text;
    ::chmod((scratch_ / name).c_str(), 0755);
    return scratch_ / name;
  }
};

uint64_t inode_of(const char* path) {
  struct stat st {};
  return ::stat(path, &st) == 0 ? st.st_ino : 0;
}

uint32_t namespace_of(const char* name) {
  struct stat st {};
  return ::stat(("/proc/self/ns/"s + name).c_str(), &st) == 0 ? static_cast<uint32_t>(st.st_ino) : 0;
}

TEST_F(ProcessEvents, AForkShowsTheChildAndWhatIsShared) {
  Watch watch({EventKind::fork});
  ASSERT_TRUE(watch.open());
  const Child child = run_child([] {});
  const auto* seen =
      watch.expect_own(EventKind::fork, [&](const Event& e) { return e.arg[1] == static_cast<uint64_t>(child.pid); });
  ASSERT_NE(seen, nullptr);
  EXPECT_EQ((*seen)->arg[0] & (CLONE_VM | CLONE_FILES | CLONE_THREAD), 0u);
  EXPECT_EQ((*seen)->arg[2], static_cast<uint64_t>(child.pid));
  EXPECT_GT((*seen)->arg[3], (*seen)->task.start_ns);
  EXPECT_EQ((*seen)->arg[4], static_cast<uint64_t>(child.pid));
  EXPECT_EQ((*seen)->flags & flag_thread, 0);

  const pid_t quick = ::vfork();
  if (quick == 0) ::_exit(0);
  ::waitpid(quick, nullptr, 0);
  const auto* vfork =
      watch.expect_own(EventKind::fork, [&](const Event& e) { return e.arg[1] == static_cast<uint64_t>(quick); });
  ASSERT_NE(vfork, nullptr);
  EXPECT_EQ((*vfork)->arg[0] & (CLONE_VM | CLONE_VFORK), static_cast<uint64_t>(CLONE_VM | CLONE_VFORK));
}

TEST_F(ProcessEvents, AThreadIsMarkedAsOne) {
  Watch watch({EventKind::fork, EventKind::exit});
  ASSERT_TRUE(watch.open());
  std::thread([] {}).join();
  const auto* fork = watch.expect_own(EventKind::fork, [](const Event& e) { return (e.flags & flag_thread) != 0; });
  ASSERT_NE(fork, nullptr);
  EXPECT_NE((*fork)->arg[0] & CLONE_THREAD, 0u);
  EXPECT_NE((*fork)->arg[0] & CLONE_VM, 0u);
  EXPECT_EQ((*fork)->arg[1], static_cast<uint64_t>(::getpid()));
  const auto* exit = watch.expect_own(EventKind::exit);
  ASSERT_NE(exit, nullptr);
  EXPECT_NE((*exit)->flags & flag_thread, 0);
}

TEST_F(ProcessEvents, NewNamespacesAreSeenWhateverTheCallerSays) {
  Watch watch({EventKind::fork});
  ASSERT_TRUE(watch.open());
  clone_args args{};
  args.flags = CLONE_NEWUTS | CLONE_NEWPID;
  args.exit_signal = SIGCHLD;
  const long child = ::syscall(SYS_clone3, &args, sizeof args);
  if (child == 0) ::_exit(0);
  ASSERT_GT(child, 0);
  ::waitpid(static_cast<pid_t>(child), nullptr, 0);
  const auto* seen =
      watch.expect_own(EventKind::fork, [&](const Event& e) { return e.arg[1] == static_cast<uint64_t>(child); });
  ASSERT_NE(seen, nullptr);
  EXPECT_EQ((*seen)->arg[0], static_cast<uint64_t>(CLONE_NEWUTS | CLONE_NEWPID));
  EXPECT_EQ((*seen)->arg[4], 1u) << "its number in its own namespace";
}

TEST_F(ProcessEvents, TheTaskIsWhatProcSaysItIs) {
  Watch watch({EventKind::fork});
  ASSERT_TRUE(watch.open());
  const Child child = run_child([] {});
  const auto* seen =
      watch.expect_own(EventKind::fork, [&](const Event& e) { return e.arg[1] == static_cast<uint64_t>(child.pid); });
  ASSERT_NE(seen, nullptr);
  const Task& task = (*seen)->task;
  EXPECT_EQ(task.ppid, static_cast<uint32_t>(::getppid()));
  EXPECT_EQ(task.session, static_cast<uint32_t>(::getsid(0)));
  EXPECT_EQ(task.uid, ::getuid());
  EXPECT_EQ(task.egid, ::getegid());
  EXPECT_EQ(task.vpid, static_cast<uint32_t>(::getpid()));
  EXPECT_EQ(task.ns_mnt, namespace_of("mnt"));
  EXPECT_EQ(task.ns_pid, namespace_of("pid"));
  EXPECT_EQ(task.ns_net, namespace_of("net"));
  EXPECT_EQ(task.ns_user, namespace_of("user"));
  EXPECT_EQ(task.ns_uts, namespace_of("uts"));
  EXPECT_EQ(task.ns_ipc, namespace_of("ipc"));
  EXPECT_EQ(task.ns_cgroup, namespace_of("cgroup"));
  EXPECT_EQ(task.exe_inode, inode_of("/proc/self/exe"));
  EXPECT_GT(task.start_ns, task.parent_start_ns);
  EXPECT_STREQ(task.comm.data(), "kernel_tests");
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);)
    if (line.starts_with("CapEff:")) {
      EXPECT_EQ(task.cap_effective, std::stoull(line.substr(8), nullptr, 16));
    }
}

TEST_F(ProcessEvents, AnExecShowsPathArgumentsDirectoryAndFile) {
  Watch watch({EventKind::exec});
  ASSERT_TRUE(watch.open());
  const Child child = run_child([] {
    if (::chdir("/usr") != 0) return;
    ::execl("/proc/self/root/bin/true", "truly", "one two", "", "last", nullptr);
  });
  const auto* seen = expect_by(watch, child.pid, EventKind::exec);
  ASSERT_NE(seen, nullptr);
  EXPECT_EQ((*seen)->path.text, "/proc/self/root/bin/true");
  EXPECT_EQ((*seen)->real_path, "/usr/bin/true");
  EXPECT_EQ((*seen)->cwd, "/usr");
  EXPECT_EQ((*seen)->path2.text, "truly\0one two\0\0last"s);
  EXPECT_FALSE((*seen)->path2.truncated);
  EXPECT_EQ((*seen)->arg[2], 4u);
  struct stat st {};
  ASSERT_EQ(::stat("/usr/bin/true", &st), 0);
  EXPECT_EQ((*seen)->object.inode, st.st_ino);
  EXPECT_EQ((*seen)->object.device, major(st.st_dev) << 20 | minor(st.st_dev));
  EXPECT_EQ((*seen)->object.mode, st.st_mode);
  EXPECT_EQ((*seen)->object.mtime_ns,
            static_cast<uint64_t>(st.st_mtim.tv_sec) * 1000000000u + static_cast<uint64_t>(st.st_mtim.tv_nsec));
  EXPECT_EQ((*seen)->object.ctime_ns,
            static_cast<uint64_t>(st.st_ctim.tv_sec) * 1000000000u + static_cast<uint64_t>(st.st_ctim.tv_nsec));
  EXPECT_EQ((*seen)->flags, 0);
  EXPECT_STREQ((*seen)->task.comm.data(), "true");
}

TEST_F(ProcessEvents, TooManyArgumentsAreCutAndMarked) {
  Watch watch({EventKind::exec});
  ASSERT_TRUE(watch.open());
  const std::string big(6000, 'x');
  const Child child = run_child([&] { ::execl("/bin/true", "true", big.c_str(), nullptr); });
  const auto* seen = expect_by(watch, child.pid, EventKind::exec);
  ASSERT_NE(seen, nullptr);
  EXPECT_EQ((*seen)->path2.text.size(), 4096u);
  EXPECT_TRUE((*seen)->path2.truncated);
}

TEST_F(ProcessEvents, AScriptIsNamedAndItsInterpreterIsTheFile) {
  Watch watch({EventKind::exec});
  ASSERT_TRUE(watch.open());
  const std::string path = script("run", "#!/bin/sh\nexit 0\n");
  const Child child = run_child([&] { ::execl(path.c_str(), "run", nullptr); });
  const auto* seen = expect_by(watch, child.pid, EventKind::exec);
  ASSERT_NE(seen, nullptr);
  EXPECT_NE((*seen)->flags & flag_interp, 0);
  EXPECT_EQ((*seen)->path.text, path);
  EXPECT_EQ((*seen)->object.inode, inode_of("/bin/sh"));
  EXPECT_EQ((*seen)->path2.text, "/bin/sh\0"s + path);
}

TEST_F(ProcessEvents, AProgramThatIsOnlyMemoryIsMarked) {
  Watch watch({EventKind::exec});
  ASSERT_TRUE(watch.open());
  const Child child = run_child([] {
    const int fd = ::memfd_create("payload", MFD_CLOEXEC);
    std::ifstream in("/bin/true", std::ios::binary);
    const std::string all((std::istreambuf_iterator<char>(in)), {});
    if (::write(fd, all.data(), all.size()) != static_cast<ssize_t>(all.size())) return;
    char name[] = "kworker";
    char* argv[] = {name, nullptr};
    ::fexecve(fd, argv, environ);
  });
  const auto* seen = expect_by(watch, child.pid, EventKind::exec);
  ASSERT_NE(seen, nullptr);
  EXPECT_NE((*seen)->flags & flag_memfd, 0);
  EXPECT_NE((*seen)->flags & flag_deleted, 0);
  EXPECT_EQ((*seen)->real_path, "/memfd:payload");
}

TEST_F(ProcessEvents, AProgramInAnOverlaysUpperLayerIsMarked) {
  const auto overlay = [&](const std::function<void()>& what) {
    return run_child([&] {
      const std::string dir = scratch_.path();
      if (::unshare(CLONE_NEWNS) != 0 || ::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0 ||
          ::mount("tmpfs", dir.c_str(), "tmpfs", 0, nullptr) != 0)
        ::_exit(9);
      for (const char* name : {"/lower", "/upper", "/work", "/all"}) ::mkdir((dir + name).c_str(), 0755);
      std::filesystem::copy_file("/bin/true", dir + "/lower/old");
      std::filesystem::copy_file("/bin/true", dir + "/upper/new");
      const std::string options = "lowerdir=" + dir + "/lower,upperdir=" + dir + "/upper,workdir=" + dir + "/work";
      if (::mount("overlay", (dir + "/all").c_str(), "overlay", 0, options.c_str()) != 0) ::_exit(9);
      what();
    });
  };
  const Child can = overlay([] {});
  SHRIKE_NEED("overlay", WIFEXITED(can.status) && WEXITSTATUS(can.status) == 0);
  Watch watch({EventKind::exec});
  ASSERT_TRUE(watch.open());
  const Child fresh = overlay([&] { ::execl((scratch_ / "all/new").c_str(), "new", nullptr); });
  const auto is = [](const char* name) { return [=](const Event& e) { return e.real_path.ends_with(name); }; };
  const auto* upper = expect_by(watch, fresh.pid, EventKind::exec, is("/all/new"));
  ASSERT_NE(upper, nullptr);
  EXPECT_NE((*upper)->flags & flag_upper, 0);
  EXPECT_EQ((*upper)->real_path, scratch_ / "all/new");
  const Child old = overlay([&] { ::execl((scratch_ / "all/old").c_str(), "old", nullptr); });
  const auto* lower = expect_by(watch, old.pid, EventKind::exec, is("/all/old"));
  ASSERT_NE(lower, nullptr);
  EXPECT_EQ((*lower)->flags & flag_upper, 0);
}

TEST_F(ProcessEvents, AFailedExecShowsWhatWasTried) {
  Watch watch({EventKind::exec_failed});
  ASSERT_TRUE(watch.open());
  const Child child = run_child([] {
    if (::chdir("/usr") != 0) return;
    // On the stack, which a child has in memory: what is not in memory can not be read, and is marked as cut.
    char first[] = "no";
    char second[] = "argument";
    ::execl("no/such", first, second, nullptr);
    ::syscall(SYS_execveat, AT_FDCWD, "/etc/passwd", nullptr, nullptr, 0);
  });
  const auto* seen = expect_by(watch, child.pid, EventKind::exec_failed);
  ASSERT_NE(seen, nullptr);
  EXPECT_EQ((*seen)->result, -ENOENT);
  EXPECT_EQ((*seen)->path.text, "no/such");
  EXPECT_EQ((*seen)->full_path, "/usr/no/such");
  EXPECT_EQ((*seen)->path2.text, "no\0argument"s);
  EXPECT_EQ((*seen)->arg[2], 2u);
  const auto* at =
      expect_by(watch, child.pid, EventKind::exec_failed, [](const Event& e) { return e.result == -EACCES; });
  ASSERT_NE(at, nullptr);
  EXPECT_EQ((*at)->path.text, "/etc/passwd");
  EXPECT_FALSE((*at)->path2.fault) << "no list is an empty one";
  EXPECT_FALSE((*at)->path2.truncated);
}

TEST_F(ProcessEvents, AFailedExecKeepsEmptyArgumentsApart) {
  Watch watch({EventKind::exec_failed});
  ASSERT_TRUE(watch.open());
  const Child child = run_child([] {
    char first[] = "no", nothing[] = "", last[] = "end";
    ::execl("no/such", first, nothing, nothing, last, nullptr);
  });
  const auto* seen = expect_by(watch, child.pid, EventKind::exec_failed);
  ASSERT_NE(seen, nullptr);
  EXPECT_EQ((*seen)->path2.text, "no\0\0\0end"s);
  EXPECT_EQ((*seen)->arg[2], 4u);
  EXPECT_FALSE((*seen)->path2.truncated);
}

TEST_F(ProcessEvents, AnArgumentThatIsNotInMemoryIsMarked) {
  Watch watch({EventKind::exec_failed});
  ASSERT_TRUE(watch.open());
  const Child child = run_child([] {
    void* absent = ::mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    char first[] = "no";
    ::execl("/no/such", first, static_cast<const char*>(absent), nullptr);
  });
  const auto* seen = expect_by(watch, child.pid, EventKind::exec_failed);
  ASSERT_NE(seen, nullptr);
  if ((*seen)->path2.fault) {
    EXPECT_EQ((*seen)->path2.text, "no");
    EXPECT_TRUE((*seen)->path2.truncated);
  } else {
    // Before 6.8 the kernel copies the arguments before it looks for the file, and so brings them in. Since 6.18 the
    // program is called back when it can do that itself.
    EXPECT_EQ((*seen)->path2.text, "no\0"s);
    EXPECT_EQ((*seen)->arg[2], 2u);
  }
}

TEST_F(ProcessEvents, AListOfArgumentsThatIsNotInMemoryIsMarked) {
  Watch watch({EventKind::exec_failed});
  ASSERT_TRUE(watch.open());
  const Child child = run_child([] {
    // Its first pointer is there, and names an argument; the next one stands on a page that is not.
    constexpr size_t page = 4096;
    char* at =
        static_cast<char*>(::mmap(nullptr, 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    char first[] = "no";
    auto** list = reinterpret_cast<char**>(at + page) - 1;
    *list = first;
    ::execv("/no/such", list);
  });
  const auto* seen = expect_by(watch, child.pid, EventKind::exec_failed);
  ASSERT_NE(seen, nullptr);
  EXPECT_EQ((*seen)->path2.text, "no");
  // A kernel that looks at the arguments before it looks for the file has brought it in: an empty list ends there.
  EXPECT_EQ((*seen)->path2.truncated, (*seen)->path2.fault);
}

// Every string and the list on pages of a file that nobody has touched, as a child's constants are right after a fork.
TEST_F(ProcessEvents, ArgumentsThatNobodyHasTouchedAreReadAllTheSame) {
  Watch watch({EventKind::exec_failed});
  ASSERT_TRUE(watch.open());
  constexpr size_t page = 4096;
  const std::string file = scratch_ / "arguments";
  std::string text(3 * page, '\0');
  auto* base = reinterpret_cast<char*>(0x700000000000);
  char* list[] = {base + page, base + 2 * page - 3, nullptr};
  std::memcpy(text.data(), list, sizeof list);
  std::strcpy(text.data() + page, "no");
  std::strcpy(text.data() + 2 * page - 3, "crosses a page");
  std::ofstream(file) << text;
  const Child child = run_child([&] {
    const int fd = ::open(file.c_str(), O_RDONLY);
    if (::mmap(base, text.size(), PROT_READ, MAP_PRIVATE | MAP_FIXED_NOREPLACE, fd, 0) != base) return;
    ::madvise(base, text.size(), MADV_RANDOM);  // no neighbours with a fault
    ::syscall(SYS_execve, "/no/such", base, nullptr);
  });
  const auto* seen = expect_by(watch, child.pid, EventKind::exec_failed);
  ASSERT_NE(seen, nullptr);
  if (watch.source().features().late_arguments) {
    EXPECT_EQ((*seen)->path2.text, "no\0crosses a page"s);
    EXPECT_EQ((*seen)->arg[2], 2u);
    EXPECT_FALSE((*seen)->path2.fault);
    EXPECT_FALSE((*seen)->path2.truncated);
  } else {
    EXPECT_TRUE((*seen)->path2.fault || (*seen)->path2.text == "no\0crosses a page"s);
  }
}

TEST_F(ProcessEvents, AThirtyTwoBitExecIsSeenWhetherItWorksOrNot) {
  SHRIKE_NEED("int80", test::has_int80());
  Watch watch({EventKind::exec, EventKind::exec_failed});
  ASSERT_TRUE(watch.open());
  test::LowPage page;
  struct Name {
    char text[32];
  };
  const long missing = page.put(0, Name{"/no/such"});
  const long there = page.put(64, Name{"/bin/true"});
  const long argv =
      page.put(128, std::array<uint32_t, 3>{static_cast<uint32_t>(there), static_cast<uint32_t>(missing), 0});
  const Child child = run_child([&] {
    test::int80(11, missing, argv, 0);
    test::int80(11, there, argv, 0);
  });
  const auto* failed = expect_by(watch, child.pid, EventKind::exec_failed);
  ASSERT_NE(failed, nullptr);
  EXPECT_EQ((*failed)->result, -ENOENT);
  EXPECT_EQ((*failed)->syscall, 11);
  EXPECT_NE((*failed)->flags & flag_compat32, 0);
  EXPECT_EQ((*failed)->path2.text, "/bin/true\0/no/such"s);
  const auto* worked = expect_by(watch, child.pid, EventKind::exec);
  ASSERT_NE(worked, nullptr);
  EXPECT_EQ((*worked)->real_path, "/usr/bin/true");
}

TEST_F(ProcessEvents, TheEndShowsCodeSignalAndAge) {
  Watch watch({EventKind::exit});
  ASSERT_TRUE(watch.open());
  const Child code = run_child([] { ::_exit(7); });
  const auto* seen = expect_by(watch, code.pid, EventKind::exit);
  ASSERT_NE(seen, nullptr);
  EXPECT_EQ((*seen)->result, code.status);
  EXPECT_EQ((*seen)->arg[1], 7u);
  EXPECT_EQ((*seen)->arg[2], 0u);
  EXPECT_GT((*seen)->arg[0], 0u);
  EXPECT_LT((*seen)->arg[0], 10'000'000'000u);
  EXPECT_EQ((*seen)->flags & (flag_thread | flag_core), 0);
  const Child killed = run_child([] { ::kill(::getpid(), SIGKILL); });
  const auto* kill = expect_by(watch, killed.pid, EventKind::exit);
  ASSERT_NE(kill, nullptr);
  EXPECT_EQ((*kill)->result, killed.status);
  EXPECT_EQ((*kill)->arg[2], static_cast<uint64_t>(SIGKILL));
}

TEST_F(ProcessEvents, OnlyTheLastThreadEndsTheProcess) {
  Watch watch({EventKind::exit});
  ASSERT_TRUE(watch.open());
  constexpr size_t processes = 40;
  std::vector<Child> children;
  for (size_t i = 0; i < processes; ++i)
    children.push_back(run_child([] {  // four threads that end as near to each other as can be
      std::vector<std::thread> threads;
      for (int t = 0; t < 4; ++t) threads.emplace_back([] { ::syscall(SYS_exit, 0); });
      for (auto& thread : threads) thread.detach();
      ::syscall(SYS_exit, 3);
    }));
  for (const Child& child : children) {
    const auto* seen =
        expect_by(watch, child.pid, EventKind::exit, [](const Event& e) { return (e.flags & flag_thread) == 0; });
    ASSERT_NE(seen, nullptr);
    EXPECT_EQ((*seen)->result, child.status);
    EXPECT_EQ(watch.count([&](const Event& e) {
      return e.task.pid == static_cast<uint32_t>(child.pid) && (e.flags & flag_thread) == 0;
    }),
              1u);
  }
}

TEST_F(ProcessEvents, WhatWasThereBeforeIsListed) {
  Watch watch({EventKind::fork});
  ASSERT_TRUE(watch.open());
  std::unique_ptr<test::Seen> own;
  size_t others = 0;
  const auto primed = watch.source().prime([&](std::span<const std::byte> record) {
    auto seen = std::make_unique<test::Seen>(record);
    EXPECT_TRUE(seen->valid());
    EXPECT_EQ((*seen)->kind, EventKind::task);
    if ((*seen)->task.pid == static_cast<uint32_t>(::getpid()))
      own = std::move(seen);
    else
      ++others;
  });
  ASSERT_TRUE(primed.ok()) << primed.error().message;
  ASSERT_NE(own, nullptr);
  EXPECT_GT(others, 2u);
  char directory[4096];
  EXPECT_EQ((*own)->cwd, ::getcwd(directory, sizeof directory));
  EXPECT_TRUE((*own)->real_path.ends_with("/kernel_tests"));
  EXPECT_EQ((*own)->object.inode, inode_of("/proc/self/exe"));
  std::ifstream in("/proc/self/cmdline", std::ios::binary);
  std::string argv((std::istreambuf_iterator<char>(in)), {});
  argv.pop_back();
  EXPECT_EQ((*own)->path2.text, argv);
}

}  // namespace
}  // namespace shrike
