#include "agent/sequence_keeper.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "common/base/file.h"

namespace shrike::agent {
namespace {
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr uint64_t now_ns = 1'800'000'000'000'000'000;

class Keeper : public ::testing::Test {
 protected:
  Keeper() {
    char name[] = "/tmp/shrike-keeper-XXXXXX";
    if (::mkdtemp(name) != nullptr) config_.state_dir = name;
    config_.sequence.mode = "detect";
    config_.sequence.limits = {.programs = 8, .ngrams_each = 4, .ngrams = 16};
  }
  ~Keeper() override { std::filesystem::remove_all(config_.state_dir); }
  static SequenceProfile program(uint64_t inode, bool settled, size_t ngrams = 1) {
    SequenceProfile p;
    p.id.inode = inode;
    p.settled = settled;
    p.seen_ns = now_ns - 1000 + inode;
    for (size_t i = 0; i < ngrams; ++i) p.ngrams.push_back({.last = i, .first = 0});
    return p;
  }
  Config config_;
  PrivateKey key_ = PrivateKey::generate();
  std::vector<std::string> warnings_;
};

TEST_F(Keeper, SwitchedOffReadsNothing) {
  config_.sequence.mode = "off";
  ASSERT_TRUE(write_file_atomic(config_.state_dir + "/sequence", "rubbish").ok());
  EXPECT_EQ(SequenceKeeper(config_, key_).begin(now_ns, warnings_).mode, probe::SequenceMode::off);
  EXPECT_THAT(warnings_, IsEmpty());
}

TEST_F(Keeper, BeginsAfreshAndSaysSoWhereTheFileIsNotItsOwn) {
  ASSERT_TRUE(write_file_atomic(config_.state_dir + "/sequence",
                                sequence::seal_profiles({program(1, true)}, PrivateKey::generate()))
                  .ok());
  const auto options = SequenceKeeper(config_, key_).begin(now_ns, warnings_);
  EXPECT_EQ(options.mode, probe::SequenceMode::detect);
  EXPECT_THAT(options.known, IsEmpty());
  EXPECT_THAT(warnings_, ElementsAre(HasSubstr("learning starts afresh")));
}

TEST_F(Keeper, BeginsWithWhatWasSaved) {
  ASSERT_TRUE(
      write_file_atomic(config_.state_dir + "/sequence", sequence::seal_profiles({program(1, true)}, key_)).ok());
  const auto options = SequenceKeeper(config_, key_).begin(now_ns, warnings_);
  ASSERT_EQ(options.known.size(), 1u);
  EXPECT_EQ(options.known[0].ngrams.size(), 1u);
  EXPECT_THAT(warnings_, IsEmpty());
}

TEST_F(Keeper, SaysWhichCgroupIsNotThere) {
  config_.sequence.exclude_cgroups = {"/no-such-cgroup"};
  const auto options = SequenceKeeper(config_, key_).begin(now_ns, warnings_);
  EXPECT_THAT(options.excluded_cgroups, IsEmpty());
  ASSERT_EQ(warnings_.size(), 1u);
  EXPECT_THAT(warnings_[0], HasSubstr("not left out"));
}

TEST_F(Keeper, MakesRoomByForgettingWhatIsNotLearnedFirst) {
  SequenceKeeper keeper(config_, key_);
  std::vector<SequenceProfile> known;
  // The learned one was executed longest ago: many new programs do not push it out.
  for (uint64_t inode = 1; inode <= 8; ++inode) known.push_back(program(inode, inode == 1));
  const auto options = keeper.renewal(config_, known, now_ns, warnings_);
  ASSERT_EQ(options.known.size(), 6u);
  EXPECT_EQ(options.known[0].id.inode, 1u);
  EXPECT_EQ(options.known[1].id.inode, 8u);

  known.clear();
  for (uint64_t inode = 1; inode <= 4; ++inode) known.push_back(program(inode, true, 4));
  EXPECT_EQ(keeper.renewal(config_, known, now_ns, warnings_).known.size(), 3u) << "room for n-grams, too";
}

}  // namespace
}  // namespace shrike::agent
