#include "agent/enrich/host_lookup.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>

#include "common/base/file.h"
#include "tests/require.h"
#include "tests/unit/enrich/table_fixture.h"

namespace shrike::enrich::test {
namespace {

constexpr uint64_t second = 1'000'000'000;

class Host : public ::testing::Test {
 protected:
  Host() {
    std::string name = (std::filesystem::temp_directory_path() / "shrike-host-XXXXXX").string();
    root = ::mkdtemp(name.data());
    std::filesystem::create_directories(root + "/etc");
    std::filesystem::create_directories(root + "/proc");
  }
  ~Host() override { std::filesystem::remove_all(root); }
  void write(const std::string& path, std::string_view text) {
    std::filesystem::create_directories(std::filesystem::path(root + path).parent_path());
    ASSERT_TRUE(write_file_atomic(root + path, text));
  }
  HostLookup open() { return HostLookup({root + "/proc", root + "/cgroup", root + "/etc"}); }
  static Task in(uint32_t pid, uint64_t cgroup, uint32_t mnt) {
    Task out = task(pid, 1);
    out.cgroup_id = cgroup;
    out.ns_mnt = mnt;
    return out;
  }
  std::string root;
};

TEST_F(Host, ReadsNamesAndReadsThemAgainWhenTheFileChanged) {
  write("/etc/passwd", "root:x:0:0::/root:/bin/sh\nwww-data:x:33:33::/:/x\n");
  write("/etc/group", "root:x:0:\nadm:x:4:a,b\n");
  HostLookup lookup = open();
  lookup.set_now(10 * second);
  EXPECT_EQ(lookup.user(33), "www-data");
  EXPECT_EQ(lookup.group(4), "adm");
  EXPECT_EQ(lookup.user(1000), "");
  write("/etc/passwd", "root:x:0:0::/root:/bin/sh\nalice:x:1000:1000::/:/x\n");
  EXPECT_EQ(lookup.user(1000), "");  // looked at most a second ago
  lookup.set_now(12 * second);
  EXPECT_EQ(lookup.user(1000), "alice");
  std::filesystem::remove(root + "/etc/passwd");
  lookup.set_now(14 * second);
  EXPECT_EQ(lookup.user(1000), "alice");
}

TEST(IdNames, PassesOverLinesThatAreNone) {
  const auto names = parse_id_names("\n:x:1:\n#c\nab\na:x:\nb:x:7x:\nc:x:-1:\nd:x:5\ne:x:5:\nf:x:4294967296:1\n");
  EXPECT_EQ(names.size(), 1u);
  EXPECT_EQ(names.at(5), "d");
}

TEST_F(Host, FindsTheContainerOnceForEachCgroupAndMountNamespace) {
  const std::string id(64, 'c');
  write("/proc/10/cgroup", "0::/system.slice/docker-" + id + ".scope\n");
  HostLookup lookup = open();
  const Container* container = lookup.container(in(10, 77, 1));
  ASSERT_NE(container, nullptr);
  EXPECT_EQ(container->id, id);
  // Another process of the same pair needs no file; the same container under another pair is the same object.
  EXPECT_EQ(lookup.container(in(11, 77, 1)), container);
  write("/proc/12/cgroup", "0::/system.slice/docker-" + id + ".scope\n");
  EXPECT_EQ(lookup.container(in(12, 78, 1)), container);
  // A process that is gone and cannot be found tells nothing, and is not remembered as the host's.
  EXPECT_EQ(lookup.container(in(13, 99, 1)), nullptr);
  write("/proc/13/cgroup", "0::/docker/" + id + "\n");
  EXPECT_EQ(lookup.container(in(13, 99, 1)), container);
}

TEST_F(Host, DropsContainersThatNoProcessIsIn) {
  HostLookup lookup = open();
  ProcessTable table({.processes = 64}, lookup);
  for (uint32_t i = 0; i < 200; ++i) {
    std::string id = std::to_string(i);
    id.insert(0, 64 - id.size(), '0');
    write("/proc/" + std::to_string(100 + i) + "/cgroup", "0::/docker/" + id + "\n");
    Event seen = event(EventKind::open, in(100 + i, 1000 + i, 5), i);
    if (lookup.wants_sweep()) lookup.sweep(table);
    table.apply(seen);
    ASSERT_NE(seen.process->container, nullptr);
    EXPECT_EQ(seen.process->container->id, id);
  }
  EXPECT_LE(lookup.containers(), 129u);
}

TEST(HostLookup, FindsTheCgroupOfAProcessThatIsGoneByItsId) {
  SHRIKE_NEED("root", ::geteuid() == 0);  // open_by_handle_at
  std::string mount;
  for (const char* path : {"/sys/fs/cgroup/cgroup.procs", "/sys/fs/cgroup/unified/cgroup.procs"})
    if (std::filesystem::exists(path)) mount = std::filesystem::path(path).parent_path();
  SHRIKE_NEED("cgroup2", !mount.empty());
  const std::string cgroup = mount + "/docker-" + std::string(64, 'd') + ".scope";
  std::error_code error;
  SHRIKE_NEED("cgroup2", std::filesystem::create_directory(cgroup, error));
  struct stat status {};
  ASSERT_EQ(::stat(cgroup.c_str(), &status), 0);
  HostLookup lookup({.proc = "/nonexistent"});
  Task gone = task(1, 1);
  gone.cgroup_id = status.st_ino;
  const Container* container = lookup.container(gone);
  std::filesystem::remove(cgroup);
  ASSERT_NE(container, nullptr);
  EXPECT_EQ(container->runtime, "docker");
}

}  // namespace
}  // namespace shrike::enrich::test
