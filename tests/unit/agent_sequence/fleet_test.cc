#include "agent/sequence/fleet.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>

#include "common/base/file.h"

namespace shrike::sequence {
namespace {
using testing::ElementsAre;

uint64_t mtime_of(const std::string& path) {
  struct stat st {};
  EXPECT_EQ(::stat(path.c_str(), &st), 0);
  return static_cast<uint64_t>(st.st_mtim.tv_sec) * 1'000'000'000 + static_cast<uint64_t>(st.st_mtim.tv_nsec);
}

TEST(ProgramAt, IsTheOneThatRootOwnsAndNobodyElseMayWrite) {
  const std::string real = std::filesystem::canonical("/bin/true");
  struct stat st {};
  ASSERT_EQ(::stat(real.c_str(), &st), 0);
  const auto id = program_at(real, mtime_of(real));
  ASSERT_TRUE(id.has_value());
  EXPECT_EQ(id->inode, st.st_ino);
  EXPECT_NE(id->ctime_ns, 0u);
  EXPECT_FALSE(program_at(real, mtime_of(real) + 1)) << "another build of it";
  EXPECT_FALSE(program_at("/bin/no-such-program", 1));
  EXPECT_FALSE(program_at("bin/true", mtime_of(real)));
  EXPECT_FALSE(program_at("/usr/bin", mtime_of("/usr/bin"))) << "a folder";
}

TEST(ProgramAt, IsNoneThatOthersMayWriteOrThatIsALink) {
  char name[] = "/tmp/shrike-fleet-XXXXXX";
  ASSERT_NE(::mkdtemp(name), nullptr);
  const std::string file = std::string(name) + "/program", link = std::string(name) + "/link";
  ASSERT_TRUE(write_file_atomic(file, "x", 0755).ok());
  EXPECT_EQ(program_at(file, mtime_of(file)).has_value(), ::geteuid() == 0);
  ASSERT_EQ(::symlink(file.c_str(), link.c_str()), 0);
  EXPECT_FALSE(program_at(link, mtime_of(link)));
  ASSERT_EQ(::chmod(file.c_str(), 0775), 0);
  EXPECT_FALSE(program_at(file, mtime_of(file)));
  std::filesystem::remove_all(name);
}

class Fleet : public testing::Test {
 protected:
  static SequenceProfile profile(const std::string& path, std::vector<Ngram> ngrams) {
    SequenceProfile p;
    p.path = path;
    p.mtime_ns = 5;
    p.settled = true;
    p.ngrams = std::move(ngrams);
    return p;
  }
  static SequenceProfile known(uint64_t inode, std::vector<Ngram> ngrams) {
    SequenceProfile p = profile("", std::move(ngrams));
    p.id.inode = inode;
    p.settled = false;
    p.learn_left_ns = 9;
    return p;
  }
  // /1 is inode 1, and so on; nothing else is here.
  static std::optional<ProgramId> find(const std::string& path, uint64_t mtime_ns) {
    if (mtime_ns != 5 || path.size() != 2) return std::nullopt;
    ProgramId id;
    id.inode = static_cast<uint64_t>(path[1] - '0');
    return id;
  }
  static constexpr uint64_t now_ns = 1000;
};

TEST_F(Fleet, TeachesWhatIsHereAndNothingElse) {
  std::vector<SequenceProfile> mine = {known(1, {{1, 1}})};
  const std::vector<SequenceProfile> fleet = {profile("/1", {{1, 1}, {2, 2}}), profile("/2", {{3, 3}}),
                                              profile("/usr/bin/else", {{4, 4}})};
  const auto taken = take_fleet(mine, fleet, find, {}, now_ns);
  EXPECT_EQ(taken.programs, 2u);
  EXPECT_EQ(taken.ngrams, 2u);
  ASSERT_EQ(mine.size(), 2u);
  EXPECT_THAT(mine[0].ngrams, ElementsAre(Ngram{1, 1}, Ngram{2, 2}));
  EXPECT_TRUE(mine[0].settled);
  EXPECT_EQ(mine[0].learn_left_ns, 0u);
  // Never executed here, and known all the same from its first call on.
  EXPECT_EQ(mine[1].id.inode, 2u);
  EXPECT_EQ(mine[1].path, "/2");
  EXPECT_EQ(mine[1].seen_ns, now_ns);
  EXPECT_TRUE(mine[1].settled);
}

TEST_F(Fleet, SaysNothingOfProgramsThatRootDoesNotOwnOrOfAnotherBuild) {
  std::vector<SequenceProfile> fleet = {profile("/1", {{1, 1}}), profile("/2", {{1, 1}}), profile("", {{1, 1}})};
  fleet[0].uid = 1000;
  fleet[1].mtime_ns = 6;
  std::vector<SequenceProfile> mine;
  EXPECT_EQ(take_fleet(mine, fleet, find, {}, now_ns).programs, 0u);
  EXPECT_TRUE(mine.empty());
}

TEST_F(Fleet, LeavesRoomForProgramsNotSeenYet) {
  const SequenceLimits limits = {.programs = 4, .ngrams_each = 10, .ngrams = 8};
  std::vector<SequenceProfile> fleet;
  for (char c = '1'; c <= '9'; ++c) fleet.push_back(profile({'/', c}, {{1, 1}}));
  std::vector<SequenceProfile> mine;
  const auto taken = take_fleet(mine, fleet, find, limits, now_ns);
  EXPECT_EQ(mine.size(), 3u);
  EXPECT_EQ(taken.no_room, 6u);
  mine = {known(1, {})};
  fleet = {profile("/1", {{1, 1}, {2, 2}, {3, 3}, {4, 4}, {5, 5}, {6, 6}, {7, 7}})};
  EXPECT_EQ(take_fleet(mine, fleet, find, limits, now_ns).no_room, 1u);
  EXPECT_TRUE(mine[0].ngrams.empty());
}

}  // namespace
}  // namespace shrike::sequence
