// From paths to files, and from files to the table that the programs read.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <memory>

#include "agent/probe/object_resolver.h"

namespace shrike::probe {
namespace {

namespace fs = std::filesystem;

class ObjectPaths : public ::testing::Test {
 protected:
  ObjectPaths() {
    char name[] = "/tmp/shrike-object-XXXXXX";
    folder_ = ::mkdtemp(name);
  }
  ~ObjectPaths() override { fs::remove_all(folder_); }
  std::string file(const std::string& name) {
    fs::create_directories(fs::path(folder_ + "/" + name).parent_path());
    std::ofstream(folder_ + "/" + name) << "x";
    return folder_ + "/" + name;
  }
  static ino_t inode(const std::string& path) {
    struct stat st {};
    EXPECT_EQ(::stat(path.c_str(), &st), 0);
    return st.st_ino;
  }
  static std::vector<uint64_t> inodes(const std::vector<ResolvedObject>& objects) {
    std::vector<uint64_t> out;
    for (const auto& object : objects) out.push_back(object.inode);
    return out;
  }
  ObjectResolver resolver(std::vector<std::string> paths) {
    return ObjectResolver({{"a", {.sets = 1, .access = access_open_read, .paths = std::move(paths)}}});
  }
  std::string folder_;
};

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::UnorderedElementsAre;

TEST_F(ObjectPaths, AreFollowedToTheFileAndLookedForUntilItIsThere) {
  auto objects = resolver({folder_ + "/link"});
  EXPECT_THAT(objects.resolve(), IsEmpty());
  const std::string target = file("target");
  fs::create_symlink("target", folder_ + "/link");
  const auto found = objects.resolve();
  ASSERT_EQ(found.size(), 1u);
  struct stat st {};
  ASSERT_EQ(::stat(target.c_str(), &st), 0);
  EXPECT_EQ(found[0].inode, st.st_ino);
  EXPECT_EQ(found[0].sets, 1u);
  EXPECT_FALSE(found[0].folder);
}

TEST_F(ObjectPaths, MayBePatternsButNotThroughLinks) {
  file("u1/.ssh/key");
  file("u2/.ssh/key");
  fs::create_directories(folder_ + "/u3/.ssh");
  fs::create_symlink("/etc/passwd", folder_ + "/u3/.ssh/key");
  fs::create_directories(folder_ + "/u4");
  fs::create_symlink(folder_ + "/u1/.ssh", folder_ + "/u4/.ssh");
  auto objects = resolver({folder_ + "/*/.ssh/key"});
  EXPECT_THAT(inodes(objects.resolve()),
              UnorderedElementsAre(inode(folder_ + "/u1/.ssh/key"), inode(folder_ + "/u2/.ssh/key")));
}

TEST_F(ObjectPaths, WhatWasReplacedStaysWhileItHasAName) {
  if (::geteuid() != 0) GTEST_SKIP() << "needs root, to open a file by its handle";
  const std::string path = file("secret");
  const auto before = inode(path);
  auto objects = resolver({path});
  EXPECT_THAT(inodes(objects.resolve()), ElementsAre(before));
  fs::create_hard_link(path, folder_ + "/alias");
  fs::rename(file("next"), path);
  const auto after = inode(path);
  EXPECT_THAT(inodes(objects.resolve()), UnorderedElementsAre(before, after));
  fs::remove(folder_ + "/alias");
  EXPECT_THAT(inodes(objects.resolve()), ElementsAre(after));
}

TEST_F(ObjectPaths, OfSeveralSetsAreOneFileInAllOfThem) {
  const std::string path = file("both");
  ObjectResolver objects({{"a", {.sets = 1, .access = access_open_read, .paths = {path}}},
                          {"b", {.sets = 2, .access = access_open_write, .paths = {path}}}});
  const auto found = objects.resolve();
  ASSERT_EQ(found.size(), 1u);
  EXPECT_EQ(found[0].sets, 3u);
  EXPECT_EQ(found[0].access, access_open_read | access_open_write);
  const auto again = objects.resolve();
  EXPECT_EQ(again, found);
}

const shrike_object_slot* look_up(const shrike_objects& table, uint64_t inode, uint32_t device) {
  const uint32_t bit = shrike_inode_hash(inode);
  if (((table.likely[bit / 64] >> (bit % 64)) & 1) == 0) return nullptr;
  for (uint32_t i = 0; i < SHRIKE_OBJECT_PROBES; ++i) {
    const auto& slot = table.slots[(shrike_object_hash(inode, device) + i) % SHRIKE_OBJECT_SLOTS];
    if (slot.sets != 0 && slot.inode == inode && slot.device == device) return &slot;
  }
  return nullptr;
}

TEST(ObjectTable, HoldsAllThatAreGivenAndNothingElse) {
  std::vector<ResolvedObject> objects;
  for (uint64_t i = 1; i <= 1500; ++i)
    objects.push_back({.inode = i * 7,
                       .device = static_cast<uint32_t>(i % 3),
                       .sets = 1u << (i % 32),
                       .access = 1,
                       .folder = i % 5 == 0});
  const auto table = std::make_unique<shrike_objects>();
  EXPECT_EQ(fill_object_table(objects, *table), 0u);
  for (const auto& object : objects) {
    const auto* slot = look_up(*table, object.inode, object.device);
    ASSERT_NE(slot, nullptr);
    EXPECT_EQ(slot->sets, object.sets);
    EXPECT_EQ(slot->below, object.folder ? 1u | SHRIKE_OBJECT_FOLDER : 0u);
    EXPECT_EQ(look_up(*table, object.inode, object.device + 3), nullptr);
  }
  EXPECT_EQ(table->access, 1u);
  EXPECT_EQ(table->below, 1u);
  EXPECT_EQ(fill_object_table({}, *table), 0u);
  EXPECT_EQ(table->access | table->below | table->folders, 0u);
  EXPECT_EQ(look_up(*table, 7, 1), nullptr);
}

}  // namespace
}  // namespace shrike::probe
