#include "agent/sequence_keeper.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>

#include "common/base/file.h"
#include "common/wire/fleet_profiles.h"

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
                                seal_profiles(std::vector{program(1, true)}, PrivateKey::generate(), ProfileSeal::node))
                  .ok());
  const auto options = SequenceKeeper(config_, key_).begin(now_ns, warnings_);
  EXPECT_EQ(options.mode, probe::SequenceMode::detect);
  EXPECT_THAT(options.known, IsEmpty());
  EXPECT_THAT(warnings_, ElementsAre(HasSubstr("learning starts afresh")));
}

class FleetKeeper : public Keeper {
 protected:
  FleetKeeper() {
    config_.collector.public_key_file = config_.state_dir + "/collector.pub";
    config_.sequence.import = {config_.state_dir + "/fleet"};
    EXPECT_TRUE(write_file_atomic(config_.collector.public_key_file, collector_.public_key().to_hex() + "\n").ok());
  }
  void put(const std::string& bytes) const { ASSERT_TRUE(write_file_atomic(config_.sequence.import[0], bytes).ok()); }
  static std::vector<SequenceProfile> true_program() {
    SequenceProfile p = program(0, true, 3);
    p.path = std::filesystem::canonical("/bin/true");
    struct stat st {};
    EXPECT_EQ(::stat(p.path.c_str(), &st), 0);
    p.mtime_ns = static_cast<uint64_t>(st.st_mtim.tv_sec) * 1'000'000'000 + static_cast<uint64_t>(st.st_mtim.tv_nsec);
    return {p};
  }
  PrivateKey collector_ = PrivateKey::generate();
};

TEST_F(FleetKeeper, BeginsWithWhatTheCollectorSigned) {
  put(seal_profiles(true_program(), collector_, ProfileSeal::fleet));
  SequenceKeeper keeper(config_, key_);
  const auto options = keeper.begin(now_ns, warnings_);
  EXPECT_THAT(warnings_, IsEmpty());
  ASSERT_EQ(options.known.size(), 1u);
  EXPECT_TRUE(options.known[0].settled);
  EXPECT_EQ(options.known[0].ngrams.size(), 3u);
  EXPECT_FALSE(keeper.fleet_changed(config_));
  put(seal_profiles(std::vector<SequenceProfile>(), collector_, ProfileSeal::fleet));
  EXPECT_TRUE(keeper.fleet_changed(config_));
}

TEST_F(FleetKeeper, SaysWhatItDoesNotTakeInAndGoesOn) {
  const auto refused = [&](const std::string& bytes, const std::string& why) {
    put(bytes);
    warnings_.clear();
    const auto options = SequenceKeeper(config_, key_).begin(now_ns, warnings_);
    EXPECT_EQ(options.mode, probe::SequenceMode::detect);
    EXPECT_THAT(options.known, IsEmpty());
    EXPECT_THAT(warnings_, ElementsAre(HasSubstr(why)));
  };
  const std::string good = seal_profiles(true_program(), collector_, ProfileSeal::fleet);
  refused(good.substr(0, good.size() / 2), "cut, damaged, or not signed by this collector");
  refused(good.substr(0, 10), "cut: 10 bytes");
  refused(seal_profiles(true_program(), PrivateKey::generate(), ProfileSeal::fleet), "not signed by this collector");
  refused(seal_profiles(true_program(), key_, ProfileSeal::node), "not signed by this collector");
  std::filesystem::remove(config_.collector.public_key_file);
  refused(good, "the collector's key is needed");
}

TEST_F(Keeper, BeginsWithWhatWasSaved) {
  ASSERT_TRUE(write_file_atomic(config_.state_dir + "/sequence",
                                seal_profiles(std::vector{program(1, true)}, key_, ProfileSeal::node))
                  .ok());
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
