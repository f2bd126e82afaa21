#include "common/base/file.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>

namespace shrike {

class Files : public testing::Test {
 protected:
  void SetUp() override {
    std::string name = testing::TempDir() + "shrike-file-XXXXXX";
    ASSERT_NE(mkdtemp(name.data()), nullptr);
    dir_ = name;
  }
  void TearDown() override { std::filesystem::remove_all(dir_); }
  std::string dir_;
};

TEST_F(Files, AreReplacedWholeAndKeepTheMode) {
  const std::string path = dir_ + "/a";
  ASSERT_TRUE(write_file_atomic(path, "one", 0600).ok());
  ASSERT_TRUE(write_file_atomic(path, "two", 0600).ok());
  EXPECT_EQ(read_file(path).value(), "two");
  struct stat status {};
  ASSERT_EQ(::stat(path.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777u, 0600u);
  EXPECT_FALSE(std::filesystem::exists(path + ".new"));
}

TEST_F(Files, NameThemselvesInErrors) {
  EXPECT_EQ(read_file(dir_ + "/none").error().message, dir_ + "/none: No such file or directory");
  ASSERT_TRUE(write_file_atomic(dir_ + "/big", "12345").ok());
  EXPECT_EQ(read_file(dir_ + "/big", 4).error().message, dir_ + "/big: larger than 4 bytes");
}

TEST_F(Files, FoldersAreMadeWithTheirParents) {
  ASSERT_TRUE(make_dirs(dir_ + "/x/y/z").ok());
  ASSERT_TRUE(make_dirs(dir_ + "/x/y/z").ok());
  EXPECT_TRUE(std::filesystem::is_directory(dir_ + "/x/y/z"));
}

}  // namespace shrike
