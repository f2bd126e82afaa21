#include "collector/ctl/demo_state.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/unit/ctl/temporary.h"

namespace shrike::ctl {
namespace {

using testing::HasSubstr;
namespace fs = std::filesystem;

mode_t mode_of(const std::string& path) {
  struct stat status {};
  return stat(path.c_str(), &status) == 0 ? status.st_mode & 07777 : 0;
}

TEST(DemoState, OfItsOwnIsPrivateAndGoesAtTheEnd) {
  std::string dir;
  {
    const auto state = DemoState::open("");
    ASSERT_TRUE(state.ok()) << state.error().message;
    dir = state->dir();
    EXPECT_EQ(mode_of(dir), 0700u);
    EXPECT_FALSE(state->kept());
    EXPECT_TRUE(fs::is_directory(state->path("agent")));
    const auto another = DemoState::open("");
    ASSERT_TRUE(another.ok());
    EXPECT_NE(another->dir(), dir);
  }
  EXPECT_FALSE(fs::exists(dir));
}

TEST(DemoState, NamedIsKeptAndCanBeUsedAgain) {
  const Temporary files;
  const std::string dir = files.dir() + "/state";
  for (int round = 0; round < 2; ++round) {
    const auto state = DemoState::open(dir);
    ASSERT_TRUE(state.ok()) << state.error().message;
    EXPECT_TRUE(state->kept());
    EXPECT_EQ(mode_of(dir), 0700u);
  }
  EXPECT_TRUE(fs::exists(dir));
}

TEST(DemoState, IsHeldByOneDemoAtATime) {
  const Temporary files;
  const auto first = DemoState::open(files.dir() + "/state");
  ASSERT_TRUE(first.ok());
  const auto second = DemoState::open(files.dir() + "/state");
  ASSERT_FALSE(second.ok());
  EXPECT_THAT(second.error().message, HasSubstr("another demo"));
  EXPECT_TRUE(fs::exists(first->path("agent")));
}

TEST(DemoState, RefusesADirectoryWithSomethingElseInIt) {
  const Temporary files;
  files.file("letter", "keep me");
  const auto state = DemoState::open(files.dir());
  ASSERT_FALSE(state.ok());
  EXPECT_THAT(state.error().message, HasSubstr("not empty"));
  EXPECT_TRUE(fs::exists(files.dir() + "/letter"));
  EXPECT_FALSE(DemoState::open(files.dir() + "/letter").ok());
  EXPECT_FALSE(DemoState::open(files.dir() + "/no/such/parent").ok());
}

TEST(DemoState, MakesAnOpenDirectoryPrivate) {
  const Temporary files;
  const std::string dir = files.dir() + "/open";
  ASSERT_EQ(mkdir(dir.c_str(), 0755), 0);
  ASSERT_TRUE(DemoState::open(dir).ok());
  EXPECT_EQ(mode_of(dir), 0700u);
}

}  // namespace
}  // namespace shrike::ctl
