#include "agent/own_jobs.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

namespace shrike::agent {
namespace {

constexpr uint32_t host = 4026531837, sandbox_ns = 4026532900;
constexpr uint64_t group = 91'000;

/// The service, its child that is a sandbox's init, and that one's child, which becomes the program.
class OwnJobsTest : public ::testing::Test {
 protected:
  OwnJobsTest() {
    jobs.set_programs({{8 << 20 | 1, 1000}}, host);
    of(service, 10, host, nullptr);
    of(init, 11, sandbox_ns, &service);
    of(child, 12, sandbox_ns, &init);
    init.task.cgroup_id = child.task.cgroup_id = group;
  }
  static void of(Process& process, uint32_t pid, uint32_t user_namespace, const Process* parent) {
    process.pid = process.task.pid = pid;
    process.task.ns_user = user_namespace;
    process.task.exe_dev = 8 << 20 | 1;
    process.task.exe_inode = 1000;
    process.exec_time_ns = 5;
    process.parent = parent;
  }
  static void executes(Process& process, uint64_t inode) {
    process.task.exe_inode = inode;
    process.exec_time_ns = 6;
  }
  static Event by(const Process& process, EventKind kind = EventKind::open, uint64_t boot_ns = 1) {
    Event event;
    event.kind = kind;
    event.boot_ns = boot_ns;
    event.task = process.task;
    event.process = &process;
    return event;
  }
  OwnJobs jobs;
  Process service, init, child;
};

TEST_F(OwnJobsTest, TheSetUpOfASandboxIsOurs) {
  EXPECT_TRUE(jobs.ours(by(init)));
  EXPECT_TRUE(jobs.ours(by(child)));
  EXPECT_TRUE(jobs.sets_up(&child, sandbox_ns)) << "until its exec";
}

TEST_F(OwnJobsTest, ItIsKnownAlsoWhereItsProcessesHaveSaidNothingYet) {
  init.task.ns_user = host;  // as its parent's was when it was forked
  EXPECT_TRUE(jobs.sets_up(&init, sandbox_ns));
  EXPECT_TRUE(jobs.sets_up(&child, sandbox_ns));
}

TEST_F(OwnJobsTest, WhatTheServiceDoesInThisHostsNamespaceIsNotButForItsOwnProgramsInTheKernel) {
  EXPECT_FALSE(jobs.ours(by(service)));
  EXPECT_TRUE(jobs.ours(by(service, EventKind::bpf)));
  service.task.euid = 1000;
  EXPECT_FALSE(jobs.ours(by(service, EventKind::bpf)));
}

TEST_F(OwnJobsTest, AnotherFileIsNotWhateverItsName) {
  init.name = "shrike-sandbox";
  init.exe = "/usr/sbin/shrike-sandbox";
  init.task.exe_inode = 1001;
  EXPECT_FALSE(jobs.ours(by(init)));
  init.task.exe_inode = 1000;
  init.task.exe_dev = 8 << 20 | 2;
  EXPECT_FALSE(jobs.ours(by(init)));
}

TEST_F(OwnJobsTest, OurProgramStartedByAnybodyButRootIsNot) {
  // He preloads what he likes into it, and can say of any process of his namespace that it runs our file.
  service.task.euid = 1000;
  EXPECT_FALSE(jobs.ours(by(init)));
  service.task.euid = 0;
  service.task.exe_inode = 7;  // his shell, in this host's namespace
  EXPECT_FALSE(jobs.ours(by(init)));
  init.parent = nullptr;  // nobody knows whose child it is
  EXPECT_FALSE(jobs.ours(by(init)));
}

TEST_F(OwnJobsTest, WhatExecutesOurFileInsideASandboxIsNotItsSetUp) {
  executes(child, 1000);
  EXPECT_FALSE(jobs.ours(by(child)));
}

TEST_F(OwnJobsTest, AJobIsOursFromWhenItsPlaceWasToldUntilItsEnd) {
  executes(child, 55);
  EXPECT_FALSE(jobs.ours(by(child))) << "not one that this agent judges";
  jobs.begin({group, sandbox_ns});
  EXPECT_TRUE(jobs.ours(by(child)));
  jobs.end({group, sandbox_ns}, 100);
  EXPECT_TRUE(jobs.ours(by(child, EventKind::open, 100))) << "still in the ring when it ended";
  EXPECT_FALSE(jobs.ours(by(child, EventKind::open, 101)));
}

TEST_F(OwnJobsTest, OneWhoMovesIntoTheJobsControlGroupIsNot) {
  jobs.begin({group, sandbox_ns});
  Process mover;
  of(mover, 50, host, nullptr);
  mover.task.exe_inode = 3;
  mover.task.cgroup_id = group;
  EXPECT_FALSE(jobs.ours(by(mover)));
  mover.task.ns_user = sandbox_ns;  // nor who enters its user namespace: he is nobody's child of ours
  EXPECT_FALSE(jobs.ours(by(mover)));
  Process shell;
  of(shell, 49, host, nullptr);
  shell.task.exe_inode = 4;
  mover.parent = &shell;
  EXPECT_FALSE(jobs.ours(by(mover)));
}

TEST_F(OwnJobsTest, ATakenSandboxCannotNameThisHostsOwnPlace) {
  jobs.begin({1, host});
  jobs.begin({0, sandbox_ns});
  Process any;
  of(any, 60, host, &service);
  any.task.exe_inode = 3;
  any.task.cgroup_id = 1;
  EXPECT_FALSE(jobs.ours(by(any)));
  Process container;  // in a user namespace of its own, but not by us
  of(container, 61, sandbox_ns + 1, nullptr);
  container.task.exe_inode = 3;
  container.task.cgroup_id = 2;
  Process runtime;
  of(runtime, 62, host, nullptr);
  runtime.task.exe_inode = 9;
  container.parent = &runtime;
  jobs.begin({2, sandbox_ns + 1});
  EXPECT_FALSE(jobs.ours(by(container)));
}

TEST(OwnPrograms, AreFilesThatOnlyRootCanChange) {
  const auto folder = std::filesystem::temp_directory_path() / ("own_jobs." + std::to_string(::getpid()));
  std::filesystem::create_directory(folder);
  const std::string path = folder / "shrike-sandbox";
  std::ofstream(path) << "x";
  OwnJobs jobs;
  ASSERT_EQ(::chmod(path.c_str(), 0777), 0);
  EXPECT_EQ(jobs.find_programs({path, path + ".missing"}).size(), 1u);
  ASSERT_EQ(::chmod(path.c_str(), 0755), 0);
  EXPECT_EQ(jobs.find_programs({path}).size(), ::geteuid() == 0 ? 0u : 1u);
  std::filesystem::remove_all(folder);
}

}  // namespace
}  // namespace shrike::agent
