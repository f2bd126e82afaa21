#include "common/wire/sequence.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/wire/keys.h"

namespace shrike {
namespace {
using testing::ElementsAre;
using testing::HasSubstr;

SequenceProfile profile(std::string path, std::vector<Ngram> ngrams) {
  SequenceProfile p;
  p.id = {.inode = 42 + path.size(), .ctime_ns = 1, .image = 0, .device = 8 << 20 | 1};
  p.path = std::move(path);
  p.mtime_ns = 1'700'000'000'000'000'000;
  p.learn_left_ns = 5;
  p.calls = 1000;
  p.quiet_calls = 900;
  p.seen_ns = 7;
  p.settled = true;
  p.ngrams = std::move(ngrams);
  return p;
}

TEST(SequenceProfiles, AreReadAsTheyWereWritten) {
  std::vector<SequenceProfile> profiles = {profile("/usr/bin/a", {{1, 2}, {1, 3}, {9, 0}}), profile("", {})};
  profiles[1].settled = false;
  profiles[1].full = true;
  profiles[1].uid = 1000;
  const auto read = decode_profiles(encode_profiles(profiles));
  ASSERT_TRUE(read.ok()) << read.error().message;
  EXPECT_EQ(*read, profiles);
}

TEST(SequenceProfiles, CutAnywhereAreRefused) {
  const std::string bytes = encode_profiles(std::vector{profile("/usr/bin/a", {{1, 2}, {1, 3}})});
  for (size_t length = 0; length < bytes.size(); ++length)
    EXPECT_FALSE(decode_profiles(std::string_view(bytes).substr(0, length)).ok()) << length;
  EXPECT_FALSE(decode_profiles(bytes + "x").ok());
}

TEST(SequenceProfiles, WithAnyBitChangedAreRefused) {
  const std::string bytes = encode_profiles(std::vector{profile("/usr/bin/a", {{1, 2}, {1, 3}})});
  for (size_t bit = 0; bit < 8 * bytes.size(); ++bit) {
    std::string other = bytes;
    other[bit / 8] = static_cast<char>(other[bit / 8] ^ (1 << (bit % 8)));
    EXPECT_FALSE(decode_profiles(other).ok()) << bit;
  }
}

// What somebody can write who can make a checksum.
std::string with_checksum(std::string body) { return body + std::string(as_bytes(sha256(body))); }

TEST(SequenceProfiles, WithoutTheirCountAreRefused) {
  for (size_t bytes = 0; bytes < sizeof(uint32_t); ++bytes)
    EXPECT_THAT(decode_profiles(with_checksum("SHRKSEQ1" + std::string(bytes, '\0'))).error().message,
                HasSubstr("cut"));
}

TEST(SequenceProfiles, AreBoundedWhateverTheBytesSay) {
  std::string many = "SHRKSEQ1";
  many += std::string("\xff\xff\xff\xff", 4);
  EXPECT_THAT(decode_profiles(with_checksum(many)).error().message, HasSubstr("too many"));

  std::string bytes = encode_profiles(std::vector{profile("/usr/bin/a", {{1, 2}, {1, 3}})});
  bytes.resize(bytes.size() - 32);
  std::string count = bytes;
  count.replace(count.size() - 2 * 12 - 4, 4, std::string("\xff\xff\xff\x7f", 4));
  EXPECT_THAT(decode_profiles(with_checksum(count)).error().message, HasSubstr("cut"));
  EXPECT_THAT(decode_profiles(with_checksum(bytes), {.programs = 9, .ngrams_each = 1, .ngrams = 9}).error().message,
              HasSubstr("more n-grams than allowed"));
  EXPECT_THAT(decode_profiles(with_checksum(bytes), {.programs = 9, .ngrams_each = 9, .ngrams = 1}).error().message,
              HasSubstr("more n-grams than allowed"));

  std::string twice = bytes;
  twice.replace(twice.size() - 12, 12, twice.substr(twice.size() - 24, 12));
  EXPECT_THAT(decode_profiles(with_checksum(twice)).error().message, HasSubstr("not in order"));
}

TEST(SequenceProfiles, OfTwoNodesBecomeOne) {
  std::vector<SequenceProfile> mine = {profile("/usr/bin/a", {{1, 1}, {3, 3}}), profile("/usr/bin/bb", {{1, 1}})};
  mine[0].settled = false;
  std::vector<SequenceProfile> theirs = {profile("/usr/bin/a", {{2, 2}, {3, 3}}), profile("/usr/bin/ccc", {{5, 5}})};
  theirs[0].id.inode = 7;  // another node, another inode
  EXPECT_EQ(merge_profiles(mine, theirs), 1u);
  ASSERT_EQ(mine.size(), 2u);
  EXPECT_THAT(mine[0].ngrams, ElementsAre(Ngram{1, 1}, Ngram{2, 2}, Ngram{3, 3}));
  EXPECT_TRUE(mine[0].settled);
  EXPECT_NE(mine[0].id.inode, 7u);
  EXPECT_THAT(mine[1].ngrams, ElementsAre(Ngram{1, 1}));
}

TEST(SequenceProfiles, OfExecutablesThatAnybodyCanMakeAreNotMerged) {
  std::vector<SequenceProfile> mine = {profile("/usr/sbin/sshd", {{1, 1}})};
  std::vector<SequenceProfile> theirs = {profile("/usr/sbin/sshd", {{2, 2}})};
  theirs[0].uid = 1000;  // made in a user's own mount namespace, under a name of ours
  EXPECT_EQ(merge_profiles(mine, theirs), 0u);
  theirs[0].uid = 0;
  theirs[0].mtime_ns = 5;
  EXPECT_EQ(merge_profiles(mine, theirs), 0u);
  EXPECT_THAT(mine[0].ngrams, ElementsAre(Ngram{1, 1}));
}

TEST(SequenceProfiles, MergedBeyondTheLimitKeepTheirOwn) {
  SequenceProfile mine = profile("/usr/bin/a", {{5, 0}, {6, 0}});
  merge_profile(mine, profile("/usr/bin/a", {{1, 0}, {2, 0}, {3, 0}}), {.programs = 1, .ngrams_each = 3, .ngrams = 9});
  EXPECT_THAT(mine.ngrams, ElementsAre(Ngram{1, 0}, Ngram{5, 0}, Ngram{6, 0}));
  EXPECT_TRUE(mine.full);
}

TEST(SequenceProfiles, NameTheCallsOfEachAbiApart) {
  EXPECT_THAT(calls_of({.last = 0x0001'1001'2001'300d, .first = 0xffff'003b}),
              ElementsAre(0xffff, 59, 1, 0x1001, 0x2001, 0x300d));
  EXPECT_EQ(sequence_call_text(0xffff), "start");
  EXPECT_EQ(sequence_call_text(1), "x86_64:1");
  EXPECT_EQ(sequence_call_text(0x1001), "i386:1");
  EXPECT_EQ(sequence_call_text(0x2001), "x32:1");
  EXPECT_EQ(sequence_call_text(0x300d), "io_uring:13");
}

}  // namespace
}  // namespace shrike
