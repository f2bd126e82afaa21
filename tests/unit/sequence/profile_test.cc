#include "scoring/sequence/profile.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>

#include "common/wire/sha256.h"
#include "scoring/sequence/scorer.h"
#include "tests/unit/sequence/traces.h"

namespace shrike::scoring::sequence {
namespace {

using testing::HasSubstr;

Profile small(unsigned seed = 0, size_t traces = 12) {
  Profile profile;
  for (unsigned i = 0; i < traces; ++i) profile.learn(program_trace(seed + i, 10));
  profile.set_past({0.1f, 0.3f, 0.2f});
  return profile;
}

// The profile with a changed body and a checksum that matches it, as a forger would make it.
std::string forged(std::string bytes, size_t at, char value) {
  bytes[at] = value;
  const size_t body = bytes.size() - Digest().size();
  const Digest digest = Sha256().add(std::string_view(bytes).substr(0, body)).finish();
  std::memcpy(bytes.data() + body, digest.data(), digest.size());
  return bytes;
}

TEST(Profile, KnowsWhatItLearnt) {
  Profile profile;
  profile.learn(std::vector<Call>{1, 2, 3, 4, 5, 6, 7});
  EXPECT_TRUE(profile.knows(std::vector<Call>{2, 3, 4, 5, 6, 7}));
  EXPECT_FALSE(profile.knows(std::vector<Call>{2, 3, 4, 5, 6, 8}));
  profile.learn({});
  EXPECT_EQ(profile.traces(), 1u);
}

TEST(Profile, LeavingOneOutScoresATraceAsIfNeverLearnt) {
  Profile profile;
  std::vector<Trace> traces;
  for (unsigned i = 0; i < 8; ++i) {
    traces.push_back({"t", program_trace(i, 5 + i, static_cast<Call>(i == 7 ? 400 : 0))});
    profile.learn(traces.back().calls);
  }
  const std::string before = profile.save();
  const auto scores = profile.leave_one_out(traces);
  EXPECT_EQ(profile.save(), before);
  ASSERT_EQ(scores.size(), traces.size());
  // The one that is foreign to all others.
  EXPECT_EQ(std::max_element(scores.begin(), scores.end()) - scores.begin(), 7);
  EXPECT_GT(scores[7], 1);
}

TEST(Profile, IsTheSameAfterSavingAndLoading) {
  Profile profile = small();
  profile.next_epoch();
  profile.learn(program_trace(77));
  const std::string bytes = profile.save();
  const auto loaded = Profile::load(bytes);
  ASSERT_TRUE(loaded.ok()) << loaded.error().message;
  EXPECT_EQ(loaded->save(), bytes);
  EXPECT_EQ(loaded->past(), profile.past());
  EXPECT_EQ(loaded->traces(), profile.traces());
  EXPECT_EQ(loaded->epoch(), 1);
  Scorer a(profile), b(*loaded);
  for (const auto& trace : random_traces(10, 60, 210, 1)) EXPECT_EQ(a.score(trace).combined, b.score(trace).combined);
  EXPECT_TRUE(Profile::load(Profile().save()).ok());
}

TEST(Profile, RefusesAFileThatIsCutAnywhere) {
  const std::string bytes = small(0, 3).save();
  for (size_t length = 0; length < bytes.size(); ++length) {
    EXPECT_FALSE(Profile::load(std::string_view(bytes).substr(0, length)).ok()) << length;
  }
  EXPECT_FALSE(Profile::load(bytes + "x").ok());
}

TEST(Profile, RefusesAFileWithAnyByteChanged) {
  const std::string bytes = small(0, 3).save();
  for (size_t at = 0; at < bytes.size(); ++at) {
    std::string damaged = bytes;
    damaged[at] = static_cast<char>(damaged[at] ^ 0x10);
    EXPECT_FALSE(Profile::load(damaged).ok()) << at;
  }
}

TEST(Profile, SaysWhyAFileIsRefused) {
  const std::string bytes = small().save();
  EXPECT_EQ(Profile::load("").error().message, "not a profile");
  EXPECT_EQ(Profile::load(bytes.substr(1)).error().message, "not a profile");
  EXPECT_EQ(Profile::load(forged(bytes, 7, 9)).error().message, "a profile of version 9, this program reads version 1");
  EXPECT_THAT(Profile::load(bytes.substr(0, 30)).error().message, HasSubstr("cut"));
  std::string damaged = bytes;
  damaged[40] = static_cast<char>(damaged[40] ^ 1);
  EXPECT_THAT(Profile::load(damaged).error().message, HasSubstr("checksum"));
  EXPECT_THAT(Profile::load(bytes, {.ngrams = 10, .sets = 100}).error().message, HasSubstr("too many"));
  EXPECT_THAT(Profile::load(bytes, {.ngrams = 1000, .sets = 1}).error().message, HasSubstr("number of sets"));
}

TEST(Profile, ForgedOnesAreRefusedOrHarmless) {
  const std::string bytes = small(0, 2).save();
  size_t refused = 0;
  for (size_t at = 8; at < bytes.size() - Digest().size(); ++at) {
    for (const int value : {0x00, 0x01, 0x7f, 0x80, 0xff}) {
      const auto loaded = Profile::load(forged(bytes, at, static_cast<char>(value)));
      refused += !loaded.ok();
      if (!loaded.ok()) continue;
      Scorer scorer(*loaded);
      const double score = scorer.score(program_trace(5, 5)).combined;
      EXPECT_GE(score, 0);
      EXPECT_LT(score, 100);
    }
  }
  EXPECT_GT(refused, bytes.size());
}

TEST(Profile, MergingKnowsWhatEitherKnew) {
  Profile a = small(0), both = small(0);
  const Profile b = small(100);
  a.merge(b);
  for (unsigned i = 0; i < 12; ++i) both.learn(program_trace(100 + i, 10));
  EXPECT_EQ(a.traces(), both.traces());
  EXPECT_EQ(a.past().size(), 6u);
  Scorer merged(a), learnt(both);
  for (unsigned i = 0; i < 5; ++i) {
    const auto trace = program_trace(500 + i);
    EXPECT_DOUBLE_EQ(merged.score(trace).combined, learnt.score(trace).combined);
  }
}

TEST(Profile, MergingKeepsAShareOfBothPasts) {
  Profile a, b;
  a.set_past(std::vector<float>(Profile::max_past, 1));
  b.set_past(std::vector<float>(Profile::max_past, 2));
  a.merge(b);
  EXPECT_LE(a.past().size(), Profile::max_past);
  EXPECT_EQ(std::count(a.past().begin(), a.past().end(), 1.f), std::count(a.past().begin(), a.past().end(), 2.f));
}

TEST(Profile, ForgetsWhatIsLongGone) {
  Profile profile;
  profile.learn(std::vector<Call>{1, 2, 3});
  profile.next_epoch();
  profile.learn(std::vector<Call>{4, 5, 6});
  profile.next_epoch();
  profile.learn(std::vector<Call>{7, 8, 9});
  profile.forget(2);
  EXPECT_FALSE(profile.knows(std::vector<Call>{1, 2}));
  EXPECT_TRUE(profile.knows(std::vector<Call>{4, 5}));
  EXPECT_TRUE(profile.knows(std::vector<Call>{7, 8, 9}));
  EXPECT_EQ(profile.traces(), 2u);
  // Another node's profile, forgotten there in the same way, keeps its age here.
  Profile other;
  other.next_epoch();
  other.merge(profile);
  EXPECT_TRUE(other.knows(std::vector<Call>{7, 8}));
  other.forget(1);
  EXPECT_FALSE(other.knows(std::vector<Call>{4, 5}));
}

TEST(Profile, StaysWithinItsLimits) {
  Profile profile(Profile::Limits{.ngrams = 500, .sets = 10});
  for (const auto& trace : random_traces(200, 300, 1000, 2)) profile.learn(trace);
  EXPECT_LE(profile.ngrams().size(), 501u);
  EXPECT_LE(profile.sets().sets().size(), 10u);
  EXPECT_GT(profile.refused(), 0u);
  const auto loaded = Profile::load(profile.save(), {.ngrams = 500, .sets = 10});
  EXPECT_TRUE(loaded.ok()) << loaded.error().message;
}

TEST(Profile, KeepsOnlyScoresThatAreOnes) {
  Profile profile;
  profile.set_past({1, -1, NAN, INFINITY, 2});
  EXPECT_EQ(profile.past(), (std::vector<float>{1, 2}));
}

}  // namespace
}  // namespace shrike::scoring::sequence
