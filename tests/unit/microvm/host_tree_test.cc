// On a made-up tree of files, as this host's.

#include "sandbox/microvm/host_tree.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

namespace shrike::sandbox::microvm {
namespace {

namespace fs = std::filesystem;
using testing::ElementsAre;

class HostTreeTest : public ::testing::Test {
 protected:
  HostTreeTest() {
    std::string name = fs::temp_directory_path() / "shrike-host-XXXXXX";
    root = ::mkdtemp(name.data());
    write("/usr/bin/tool", "tool");
    write("/usr/secret", "not for all", 0600);
    write("/etc/ssl/cert", "cert");
    write("/etc/shadow", "hashes");
    fs::create_directory(root + "/usr/closed");
    write("/usr/closed/inside", "x");
    ::chmod((root + "/usr/closed").c_str(), 0700);
    fs::create_symlink("usr/bin", root + "/bin");
    fs::create_symlink("/etc/shadow", root + "/usr/bin/link");
    ::mkfifo((root + "/usr/bin/pipe").c_str(), 0666);
  }
  ~HostTreeTest() override { fs::remove_all(root); }
  void write(const std::string& path, std::string_view text, mode_t mode = 0644) {
    fs::create_directories(fs::path(root + path).parent_path());
    std::ofstream(root + path) << text;
    ::chmod((root + path).c_str(), mode);
  }
  HostTree open() {
    auto made = HostTree::open({.root = root, .paths = {"/usr", "/bin", "/lib", "/etc/ssl"}});
    EXPECT_TRUE(made.ok());
    return std::move(made).value();
  }
  static std::vector<std::string> names(HostTree& tree, uint64_t folder) {
    std::vector<std::string> all;
    const auto entries = tree.list(folder);
    EXPECT_TRUE(entries.ok());
    for (const TreeEntry& entry : *entries.value()) all.push_back(entry.name);
    return all;
  }
  static uint64_t find(HostTree& tree, std::initializer_list<const char*> path) {
    uint64_t number = tree_root;
    for (const char* name : path) {
      uint64_t next = 0;
      for (const TreeEntry& entry : *tree.list(number).value())
        if (entry.name == name) next = entry.number;
      EXPECT_NE(next, 0u) << name;
      number = next;
    }
    return number;
  }
  static std::string content(HostTree& tree, uint64_t number) {
    auto file = tree.open_file(number);
    if (!file.ok()) return "error " + std::to_string(file.error().code);
    char bytes[64];
    const ssize_t got = ::read(file.value().get(), bytes, sizeof bytes);
    return {bytes, static_cast<size_t>(got)};
  }
  std::string root;
};

TEST_F(HostTreeTest, ShowsWhatTheViewSaysAndNothingBeside) {
  HostTree tree = open();
  EXPECT_THAT(names(tree, tree_root), ElementsAre("bin", "etc", "usr"));
  EXPECT_THAT(names(tree, find(tree, {"etc"})), ElementsAre("ssl"));
  EXPECT_THAT(names(tree, find(tree, {"usr", "bin"})), ElementsAre("link", "tool")) << "no pipes";
  EXPECT_EQ(content(tree, find(tree, {"usr", "bin", "tool"})), "tool");
}

TEST_F(HostTreeTest, TellsAllOfAnEntry) {
  HostTree tree = open();
  const auto link = tree.look(find(tree, {"bin"}));
  EXPECT_EQ(link.value().target, "usr/bin");
  EXPECT_TRUE(S_ISLNK(link.value().mode));
  const auto file = tree.look(find(tree, {"usr", "bin", "tool"}));
  EXPECT_EQ(file.value().size_bytes, 4u);
  EXPECT_EQ(file.value().mode, static_cast<uint32_t>(S_IFREG | 0644));
  EXPECT_GT(file.value().mtime_ns, 0u);
  EXPECT_TRUE(S_ISDIR(tree.look(find(tree, {"etc"})).value().mode)) << "a folder above what is shown";
}

TEST_F(HostTreeTest, WhatNotEveryoneMayReadIsRefused) {
  HostTree tree = open();
  EXPECT_EQ(content(tree, find(tree, {"usr", "secret"})), "error " + std::to_string(EACCES));
  EXPECT_EQ(tree.list(find(tree, {"usr", "closed"})).error().code, EACCES);
}

TEST_F(HostTreeTest, LinksAreNeverFollowed) {
  HostTree tree = open();
  EXPECT_EQ(content(tree, find(tree, {"usr", "bin", "link"})), "error " + std::to_string(EISDIR));
  EXPECT_EQ(tree.list(find(tree, {"bin"})).error().code, ENOTDIR);
  // What was a file when it was listed is a link now, and what was a folder too.
  const uint64_t tool = find(tree, {"usr", "bin", "tool"});
  fs::remove(root + "/usr/bin/tool");
  fs::create_symlink("/etc/shadow", root + "/usr/bin/tool");
  EXPECT_EQ(content(tree, tool), "error " + std::to_string(ELOOP));
  EXPECT_EQ(tree.look(tool).error().code, ENOENT);
  fs::remove(root + "/usr/bin/tool");
  write("/usr/bin/tool", "tool");
  fs::rename(root + "/usr/bin", root + "/usr/moved");
  fs::create_symlink("/etc", root + "/usr/bin");
  EXPECT_EQ(content(tree, tool), "error " + std::to_string(ELOOP));
}

TEST_F(HostTreeTest, AFileThatHasBecomeAPipeDoesNotHoldUp) {
  HostTree tree = open();
  const uint64_t tool = find(tree, {"usr", "bin", "tool"});
  fs::remove(root + "/usr/bin/tool");
  ::mkfifo((root + "/usr/bin/tool").c_str(), 0666);
  EXPECT_EQ(content(tree, tool), "error " + std::to_string(ENOENT));
}

TEST_F(HostTreeTest, NumbersThatWereNotGivenOutAreNone) {
  HostTree tree = open();
  for (const uint64_t number : std::vector<uint64_t>{uint64_t{0}, uint64_t{999}, 1ull << 32, ~0ull}) {
    EXPECT_EQ(tree.list(number).error().code, ENOENT);
    EXPECT_EQ(tree.look(number).error().code, ENOENT);
    EXPECT_EQ(tree.open_file(number).error().code, ENOENT);
    EXPECT_EQ(tree.listed(number), nullptr);
    EXPECT_EQ(tree.looked(number), nullptr);
  }
}

TEST_F(HostTreeTest, AFolderThatHasChangedIsListedAgainWithTheSameNumbers) {
  HostTree tree = open();
  const uint64_t bin = find(tree, {"usr", "bin"}), tool = find(tree, {"usr", "bin", "tool"});
  tree.refresh();
  EXPECT_NE(tree.listed(bin), nullptr) << "nothing has changed";
  write("/usr/bin/more", "more");
  // Folders' times are as fine as the kernel's tick.
  const timespec times[2] = {{1, 0}, {1, 0}};
  ::utimensat(AT_FDCWD, (root + "/usr/bin").c_str(), times, 0);
  tree.refresh();
  EXPECT_EQ(tree.listed(bin), nullptr);
  EXPECT_THAT(names(tree, bin), ElementsAre("link", "more", "tool"));
  EXPECT_EQ(find(tree, {"usr", "bin", "tool"}), tool);
  EXPECT_EQ(content(tree, find(tree, {"usr", "bin", "more"})), "more");
}

TEST_F(HostTreeTest, WhatIsUsuallyAskedForIsKnownOnceItIsWarm) {
  HostTree tree = open();
  tree.warm();
  const auto* top = tree.listed(tree_root);
  ASSERT_NE(top, nullptr);
  for (const TreeEntry& entry : *top) EXPECT_NE(tree.looked(entry.number), nullptr) << entry.name;
  EXPECT_NE(tree.listed(find(tree, {"usr", "bin"})), nullptr);
  EXPECT_EQ(tree.looked(find(tree, {"usr", "bin", "tool"})), nullptr) << "files may change where they are";
}

}  // namespace
}  // namespace shrike::sandbox::microvm
