#include "sandbox/process/cgroup.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "sandbox/process/small_file.h"

namespace shrike::sandbox::process {
namespace {

TEST(CgroupHierarchies, AreFoundInEachKindOfHost) {
  const auto two = find_hierarchies("cgroup2 /sys/fs/cgroup cgroup2 rw,nsdelegate 0 0\nproc /proc proc rw 0 0\n");
  ASSERT_EQ(two.size(), 1u);
  EXPECT_EQ(two[0].version, 2);
  EXPECT_EQ(two[0].folder, "/sys/fs/cgroup");
  const auto hybrid = find_hierarchies(
      "cgroup /sys/fs/cgroup/cpu,cpuacct cgroup rw,cpu,cpuacct 0 0\n"
      "cgroup /sys/fs/cgroup/memory cgroup rw,memory 0 0\n"
      "cgroup /elsewhere/memory cgroup rw,memory 0 0\n"
      "cgroup /sys/fs/cgroup/systemd cgroup rw,name=systemd 0 0\n"
      "cgroup2 /sys/fs/cgroup/unified cgroup2 rw 0 0\n",
      "/root");
  ASSERT_EQ(hybrid.size(), 3u);
  EXPECT_EQ(hybrid[0].controllers, std::vector<std::string>{"cpuacct"});
  EXPECT_EQ(hybrid[1].folder, "/root/sys/fs/cgroup/memory") << "each controller once";
  EXPECT_EQ(hybrid[2].version, 2);
  EXPECT_TRUE(find_hierarchies("nonsense\n\n cgroup \ncgroup a cgroup\n").empty());
}

/// Control groups made of plain files, as the kernel would show them.
class CgroupFiles : public ::testing::Test {
 protected:
  void SetUp() override {
    char name[] = "/tmp/shrike-cgroup-XXXXXX";
    root_ = ::mkdtemp(name);
    for (const char* folder : {"/memory", "/pids", "/cpuacct", "/unified"})
      std::filesystem::create_directories(root_ + folder);
  }
  void TearDown() override { std::filesystem::remove_all(root_); }
  void file(const std::string& path, const std::string& text) const { std::ofstream(root_ + path) << text; }
  std::string root_;
};

TEST_F(CgroupFiles, UsageIsReadOfEachVersion) {
  CgroupHost one;
  one.hierarchies = {{1, {"memory"}, root_ + "/memory"}, {1, {"cpuacct"}, root_ + "/cpuacct"}};
  auto first = Cgroup::create(one, "job");
  ASSERT_TRUE(first.ok());
  file("/memory/job/memory.max_usage_in_bytes", "4096\n");
  file("/memory/job/memory.oom_control", "oom_kill_disable 0\nunder_oom 0\noom_kill 3\n");
  file("/cpuacct/job/cpuacct.usage", "1500\n");
  EXPECT_EQ(first->usage().peak_memory_bytes, 4096u);
  EXPECT_EQ(first->usage().out_of_memory_kills, 3u);
  EXPECT_EQ(first->usage().cpu_ns, 1500u);
  EXPECT_EQ(first->id(), 0u);

  CgroupHost two;
  two.hierarchies = {{2, {"memory", "pids"}, root_ + "/unified"}};
  auto second = Cgroup::create(two, "job");
  ASSERT_TRUE(second.ok());
  EXPECT_NE(second->id(), 0u);
  file("/unified/job/cpu.stat", "usage_usec 7\nuser_usec 5\n");
  file("/unified/job/memory.peak", "8192\n");
  file("/unified/job/memory.events", "low 0\noom 1\noom_kill 2\noom_group_kill 1\n");
  EXPECT_EQ(second->usage().cpu_ns, 7000u);
  EXPECT_EQ(second->usage().peak_memory_bytes, 8192u);
  EXPECT_EQ(second->usage().out_of_memory_kills, 2u);
  second->start_counting();
  file("/unified/job/cpu.stat", "usage_usec 10\n");
  EXPECT_EQ(second->usage().cpu_ns, 3000u) << "the set-up's is not the program's";
  std::filesystem::remove_all(root_ + "/memory/job");
  std::filesystem::remove_all(root_ + "/unified/job");
}

TEST_F(CgroupFiles, TheFolderOfAllJobsIsMadeAgainWhereAnotherSandboxHasTakenItAlong) {
  CgroupHost host;
  host.hierarchies = {{1, {"pids"}, root_ + "/pids/shrike-sandbox"}, {2, {}, root_ + "/unified/shrike-sandbox"}};
  ASSERT_FALSE(std::filesystem::exists(root_ + "/pids/shrike-sandbox"));
  EXPECT_TRUE(Cgroup::create(host, "job").ok());
  host.hierarchies = {{1, {"pids"}, root_ + "/no-such-mount/shrike-sandbox"}};
  EXPECT_FALSE(Cgroup::create(host, "job").ok());
}

TEST_F(CgroupFiles, LimitsAreWrittenAndWhatCannotBeIsSaid) {
  CgroupHost host;
  host.hierarchies = {{2, {"memory", "pids"}, root_ + "/unified"}};
  auto group = Cgroup::create(host, "job");
  ASSERT_TRUE(group.ok());
  Limits limits;
  limits.memory_bytes = 1u << 20;
  limits.processes = 8;
  EXPECT_EQ(group->limit(limits).size(), 2u) << "files that are not there cannot be written";
  file("/unified/job/memory.max", "");
  file("/unified/job/pids.max", "");
  EXPECT_TRUE(group->limit(limits).empty());
  EXPECT_EQ(get(root_ + "/unified/job/memory.max"), "1048576");
  EXPECT_EQ(get(root_ + "/unified/job/pids.max"), "9") << "the init is one too";
  std::filesystem::remove_all(root_ + "/unified/job");
}

TEST_F(CgroupFiles, NumbersAreFoundByTheirWholeKey) {
  file("/numbers", "usage 1\nusage_usec 2\n 3\nother x\n");
  EXPECT_EQ(get_number(root_ + "/numbers", "usage"), 1u);
  EXPECT_EQ(get_number(root_ + "/numbers", "usage_usec"), 2u);
  EXPECT_EQ(get_number(root_ + "/numbers", "use"), 0u);
  EXPECT_EQ(get_number(root_ + "/numbers", "other"), 0u);
  EXPECT_EQ(get_number(root_ + "/nothing"), 0u);
}

}  // namespace
}  // namespace shrike::sandbox::process
