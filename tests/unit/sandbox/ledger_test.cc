#include "sandbox/ledger.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/resource.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

namespace shrike::sandbox {
namespace {

constexpr uint64_t second = 1'000'000'000, hour = 3600 * second;

class LedgerTest : public ::testing::Test {
 protected:
  void SetUp() override {
    char name[] = "/tmp/shrike-ledger-XXXXXX";
    folder_ = ::mkdtemp(name);
    path_ = folder_ + "/ledger";
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }
  Ledger open(uint64_t now = hour) {
    auto ledger = Ledger::open(path_, quota_, now);
    EXPECT_TRUE(ledger.ok()) << ledger.error().message;
    return std::move(*ledger);
  }
  static Ledger::Answer begin(Ledger& ledger, const std::string& id, const Usage& most = {second, 100},
                              uint64_t now = hour) {
    const auto verdict = ledger.begin("me", id, most, now);
    EXPECT_TRUE(verdict.ok());
    return verdict->answer;
  }
  std::string text() const {
    std::ifstream file(path_);
    return {std::istreambuf_iterator<char>(file), {}};
  }
  void write(const std::string& text) const { std::ofstream(path_, std::ios::trunc) << text; }

  std::string folder_, path_;
  Quota quota_{2, 10 * second, 1000};
};

using Answer = Ledger::Answer;

TEST_F(LedgerTest, JobsAtOnceAreBounded) {
  Ledger ledger = open();
  EXPECT_EQ(begin(ledger, "a"), Answer::begin);
  EXPECT_EQ(begin(ledger, "b"), Answer::begin);
  EXPECT_EQ(begin(ledger, "c"), Answer::refused);
  EXPECT_EQ(ledger.begin("another", "c", {second, 1}, hour)->answer, Answer::begin) << "each caller has his own";
  ASSERT_TRUE(ledger.end("me", "a", {1, 1}, "report", hour).ok());
  EXPECT_EQ(begin(ledger, "c"), Answer::begin);
}

TEST_F(LedgerTest, WhatAJobMightUseIsTakenBeforeAndTheRestGivenBack) {
  Ledger ledger = open();
  EXPECT_EQ(begin(ledger, "a", {8 * second, 10}), Answer::begin);
  EXPECT_EQ(begin(ledger, "b", {3 * second, 10}), Answer::refused) << "8 of 10 s are taken";
  ASSERT_TRUE(ledger.end("me", "a", {second, 5}, "r", hour).ok());
  EXPECT_EQ(begin(ledger, "b", {3 * second, 10}), Answer::begin);
  EXPECT_EQ(ledger.used("me", hour), (Usage{second, 5}));
  EXPECT_EQ(begin(ledger, "c", {1, 2000}), Answer::refused) << "more bytes than an hour has";
  EXPECT_EQ(begin(ledger, "d", {UINT64_MAX, 1}), Answer::refused) << "no sum overflows";
}

TEST_F(LedgerTest, UseCountsForAnHourAndIsNeverMoreThanWasTaken) {
  Ledger ledger = open();
  EXPECT_EQ(begin(ledger, "a", {9 * second, 10}), Answer::begin);
  ASSERT_TRUE(ledger.end("me", "a", {100 * second, 99}, "r", hour).ok());
  EXPECT_EQ(ledger.used("me", hour), (Usage{9 * second, 10}));
  EXPECT_EQ(begin(ledger, "b", {2 * second, 10}), Answer::refused);
  EXPECT_EQ(begin(ledger, "b", {2 * second, 10}, 2 * hour), Answer::begin);
  EXPECT_EQ(ledger.used("me", 2 * hour), (Usage{0, 0}));
}

TEST_F(LedgerTest, ARepeatedRequestRunsOnceAndGetsTheKeptReport) {
  {
    Ledger ledger = open();
    EXPECT_EQ(begin(ledger, "a"), Answer::begin);
    EXPECT_EQ(begin(ledger, "a"), Answer::refused) << "it runs just now";
    ASSERT_TRUE(ledger.end("me", "a", {1, 1}, "the report \xc3\xa9\n", hour).ok());
  }
  Ledger ledger = open();
  const auto again = ledger.begin("me", "a", {1, 1}, hour);
  ASSERT_TRUE(again.ok());
  EXPECT_EQ(again->answer, Answer::repeated);
  EXPECT_EQ(again->text, "the report \xc3\xa9\n");
  EXPECT_EQ(ledger.begin("another", "a", {1, 1}, hour)->answer, Answer::begin) << "another's job of the same name";
}

TEST_F(LedgerTest, WhatRanWhenTheServiceEndedIsSettledAtAllItMightHaveUsed) {
  {
    Ledger ledger = open();
    EXPECT_EQ(begin(ledger, "a", {4 * second, 7}), Answer::begin);
  }
  Ledger ledger = open();
  EXPECT_EQ(ledger.running("me"), 0u);
  EXPECT_EQ(ledger.used("me", hour), (Usage{4 * second, 7}));
  EXPECT_EQ(begin(ledger, "a"), Answer::refused) << "it was begun, and nobody knows how it ended";
}

TEST_F(LedgerTest, ATornTailIsCutOffWhereverItWasTorn) {
  {
    Ledger ledger = open();
    EXPECT_EQ(begin(ledger, "a"), Answer::begin);
    ASSERT_TRUE(ledger.end("me", "a", {second, 1}, "r", hour).ok());
  }
  const std::string whole = text();
  const size_t last = whole.rfind('\n', whole.size() - 2) + 1;
  for (size_t size = last + 1; size < whole.size(); ++size) {
    write(whole.substr(0, size));
    Ledger ledger = open();
    EXPECT_NE(ledger.note().find("torn"), std::string::npos) << size;
    EXPECT_EQ(ledger.used("me", hour), (Usage{second, 100})) << "the end is not known: all it might have used";
  }
}

TEST_F(LedgerTest, DamageInTheMiddleLosesOnlyThatLine) {
  {
    Ledger ledger = open();
    for (const char* id : {"a", "b"}) {
      EXPECT_EQ(begin(ledger, id), Answer::begin);
      ASSERT_TRUE(ledger.end("me", id, {second, 1}, "r", hour).ok());
    }
  }
  std::string damaged = text();
  damaged[20] ^= 1;
  write(damaged);
  Ledger ledger = open();
  EXPECT_NE(ledger.note().find("damaged"), std::string::npos);
  EXPECT_EQ(ledger.begin("me", "b", {1, 1}, hour)->answer, Answer::repeated);
}

TEST_F(LedgerTest, IsOneProcessesAlone) {
  const Ledger first = open();
  const auto second_one = Ledger::open(path_, quota_, hour);
  ASSERT_FALSE(second_one.ok());
  EXPECT_NE(second_one.error().message.find("another shrike-sandbox"), std::string::npos);
}

TEST_F(LedgerTest, WhatCannotBeWrittenMayNotBegin) {
  Ledger ledger = open();
  // A full disk, as far as this process is concerned.
  const rlimit none{0, RLIM_INFINITY}, all{RLIM_INFINITY, RLIM_INFINITY};
  struct sigaction ignore {
  }, before{};
  ignore.sa_handler = SIG_IGN;
  ::sigaction(SIGXFSZ, &ignore, &before);
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &none), 0);
  EXPECT_FALSE(ledger.begin("me", "a", {1, 1}, hour).ok());
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &all), 0);
  ::sigaction(SIGXFSZ, &before, nullptr);
  EXPECT_EQ(ledger.running("me"), 0u);
  EXPECT_EQ(begin(ledger, "a"), Answer::begin);
}

}  // namespace
}  // namespace shrike::sandbox
