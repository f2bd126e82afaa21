#include "common/base/folder.h"

#include <gmock/gmock.h>

#include <filesystem>
#include <fstream>

namespace shrike {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

class Folders : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string name = ::testing::TempDir() + "shrike-folder-XXXXXX";
    root_ = ::mkdtemp(name.data());
    std::filesystem::create_directories(root_ + "/b/deep");
    for (const char* file : {"/z.yml", "/a.yaml", "/notes.txt", "/b/deep/c.yml"}) std::ofstream(root_ + file) << "x";
  }
  void TearDown() override { std::filesystem::remove_all(root_); }
  std::string root_;
};

TEST_F(Folders, AFolderStandsForItsFilesInTheOrderOfTheirPaths) {
  const auto files = files_of_folders({"first.yaml", root_, "last"}, {".yaml", ".yml"});
  ASSERT_TRUE(files.ok()) << files.error().message;
  EXPECT_THAT(*files, ElementsAre("first.yaml", root_ + "/a.yaml", root_ + "/b/deep/c.yml", root_ + "/z.yml", "last"));
}

TEST_F(Folders, LinksToFoldersAreNotFollowed) {
  std::filesystem::create_directory_symlink(root_, root_ + "/b/loop");
  EXPECT_EQ(files_of_folders({root_}, {".yml"})->size(), 2u);
}

TEST_F(Folders, AFolderWithoutSuchFilesIsAnError) {
  const auto files = files_of_folders({root_ + "/b/deep"}, {".yaml", ".rules"});
  ASSERT_FALSE(files.ok());
  EXPECT_THAT(files.error().message, HasSubstr("/b/deep: no file *.yaml, *.rules in this folder"));
}

}  // namespace
}  // namespace shrike
