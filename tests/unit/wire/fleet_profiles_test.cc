#include "common/wire/fleet_profiles.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace shrike {
namespace {
using testing::ElementsAre;
using testing::HasSubstr;

SequenceProfile profile(std::vector<Ngram> ngrams) {
  SequenceProfile p;
  p.id.inode = 7;
  p.path = "/usr/bin/a";
  p.mtime_ns = 5;
  p.calls = 100;
  p.settled = true;
  p.ngrams = std::move(ngrams);
  return p;
}

class Sealed : public testing::Test {
 protected:
  PrivateKey key_ = PrivateKey::generate();
  std::vector<SequenceProfile> profiles_ = {profile({{1, 1}, {2, 2}})};
  std::string bytes_ = seal_profiles(profiles_, key_, ProfileSeal::fleet);
  [[nodiscard]] Result<std::vector<SequenceProfile>> open(std::string_view bytes) const {
    return open_profiles(bytes, key_.public_key(), fleet_limits, ProfileSeal::fleet);
  }
};

TEST_F(Sealed, AreReadAsTheyWereWritten) { EXPECT_EQ(open(bytes_).value(), profiles_); }

TEST_F(Sealed, CutAnywhereAreRefused) {
  for (size_t length = 0; length < bytes_.size(); ++length)
    EXPECT_THAT(open(bytes_.substr(0, length)).error().message, HasSubstr("cut")) << length;
}

TEST_F(Sealed, WithAnyBitChangedAreRefused) {
  for (size_t bit = 0; bit < 8 * bytes_.size(); ++bit) {
    std::string other = bytes_;
    other[bit / 8] = static_cast<char>(other[bit / 8] ^ (1 << (bit % 8)));
    EXPECT_FALSE(open(other).ok()) << bit;
  }
}

TEST_F(Sealed, ByAnotherKeyOrForAnotherPurposeAreRefused) {
  EXPECT_THAT(open(seal_profiles(profiles_, PrivateKey::generate(), ProfileSeal::fleet)).error().message,
              HasSubstr("not signed by this collector"));
  // What a node signed for itself is no fleet's, even with the right key; nor the other way round.
  EXPECT_FALSE(open(seal_profiles(profiles_, key_, ProfileSeal::node)).ok());
  EXPECT_THAT(open_profiles(bytes_, key_.public_key(), {}, ProfileSeal::node).error().message,
              HasSubstr("not signed by this node"));
}

TEST(FleetProfile, HasWhatEnoughNodesHave) {
  const std::vector<SequenceProfile> nodes = {profile({{1, 1}, {2, 2}, {3, 3}}), profile({{1, 1}, {3, 3}}),
                                              profile({{1, 1}, {4, 4}})};
  const auto two = merge_of_nodes(nodes, 2, {});
  EXPECT_THAT(two.profile.ngrams, ElementsAre(Ngram{1, 1}, Ngram{3, 3}));
  EXPECT_EQ(two.nodes, 3u);
  EXPECT_EQ(two.left_out, 2u);
  EXPECT_EQ(two.profile.calls, 300u);
  EXPECT_TRUE(two.profile.settled);
  EXPECT_TRUE(two.profile.shareable());
  EXPECT_EQ(two.profile.id, ProgramId());
  EXPECT_EQ(merge_of_nodes(nodes, 1, {}).profile.ngrams.size(), 4u);
}

// One node that was made to learn an attack teaches it to no other, as long as fewer than `min_nodes` were.
TEST(FleetProfile, LeavesOutWhatOnePoisonedNodeLearned) {
  std::vector<SequenceProfile> nodes(3, profile({{1, 1}}));
  nodes[1].ngrams = {{1, 1}, {66, 6}};
  EXPECT_THAT(merge_of_nodes(nodes, 2, {}).profile.ngrams, ElementsAre(Ngram{1, 1}));
  nodes[2].ngrams = {{1, 1}, {66, 6}};
  EXPECT_THAT(merge_of_nodes(nodes, 2, {}).profile.ngrams, ElementsAre(Ngram{1, 1}, Ngram{66, 6}));
}

TEST(FleetProfile, KeepsWhatMostHaveWhereThereIsNoRoomForAll) {
  const std::vector<SequenceProfile> nodes = {profile({{1, 1}, {2, 2}, {3, 3}}), profile({{2, 2}, {3, 3}}),
                                              profile({{3, 3}})};
  const auto merged = merge_of_nodes(nodes, 1, {.programs = 1, .ngrams_each = 2, .ngrams = 2});
  EXPECT_THAT(merged.profile.ngrams, ElementsAre(Ngram{2, 2}, Ngram{3, 3}));
  EXPECT_TRUE(merged.profile.full);
}

}  // namespace
}  // namespace shrike
