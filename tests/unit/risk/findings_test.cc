#include "scoring/risk/findings.h"

#include <gmock/gmock.h>

#include <optional>
#include <set>

namespace shrike::scoring {
namespace {

constexpr uint64_t second = 1'000'000'000;

struct Who {
  uint64_t program = 7;
  uint64_t parent = 8;
  uint32_t user = 0;
  std::string container = {};
  uint32_t pid = 10;
};

class FindingsTest : public ::testing::Test {
 protected:
  /// What came of it: nothing when it was counted.
  std::optional<Alert> comes(uint64_t at, const Who& who = {}, const std::string& rule = "r",
                             Severity severity = Severity::medium) {
    Container container;
    container.id = who.container;
    Process parent, process;
    parent.task.exe_inode = who.parent;
    process.parent = &parent;
    process.container = who.container.empty() ? nullptr : &container;
    Event event;
    event.kind = EventKind::open;
    event.process = &process;
    event.task.pid = who.pid;
    event.task.uid = who.user;
    event.task.exe_inode = who.program;
    Alert alert;
    alert.rule = rule;
    alert.node = "n";
    alert.severity = severity;
    alert.time_ns = 1000 * second + at;
    alert.message = std::to_string(at);
    if (!findings.admit(event, alert, at, told)) return std::nullopt;
    return alert;
  }
  std::vector<Alert> expire(uint64_t at) {
    std::vector<Alert> out;
    findings.expire(at, out);
    return out;
  }
  Findings findings;
  std::vector<Alert> told;
};

TEST_F(FindingsTest, TheFirstComesAtOnceAndTheSameCauseIsCountedIntoAnUpdate) {
  const auto first = comes(5 * second);
  ASSERT_TRUE(first);
  EXPECT_EQ(first->activity, Activity::create);
  EXPECT_EQ(first->count, 1u);
  EXPECT_EQ(first->uid.size(), 32u);
  EXPECT_FALSE(comes(5 * second + 1, {.pid = 11}));
  EXPECT_FALSE(comes(5 * second + 2, {.pid = 12}));
  EXPECT_EQ(findings.suppressed(), 2u);
  EXPECT_TRUE(expire(6 * second - 1).empty());
  const auto update = expire(6 * second);
  ASSERT_EQ(update.size(), 1u);
  EXPECT_EQ(update[0].uid, first->uid);
  EXPECT_EQ(update[0].activity, Activity::update);
  EXPECT_EQ(update[0].count, 3u);
  EXPECT_EQ(update[0].first_time_ns, first->time_ns);
  EXPECT_EQ(update[0].time_ns, first->time_ns + 2);
  EXPECT_EQ(update[0].message, std::to_string(5 * second + 2));
}

TEST_F(FindingsTest, AnotherRuleProgramParentUserOrContainerIsAnotherFinding) {
  std::set<std::string> uids;
  for (const Who& who :
       {Who{}, Who{.program = 9}, Who{.parent = 9}, Who{.user = 1}, Who{.container = "a"}, Who{.container = "b"}}) {
    const auto alert = comes(second, who);
    ASSERT_TRUE(alert);
    uids.insert(alert->uid);
  }
  uids.insert(comes(second, {}, "other")->uid);
  EXPECT_EQ(uids.size(), 7u);
  EXPECT_EQ(findings.suppressed(), 0u);
}

TEST_F(FindingsTest, UpdatesGrowRarerAndEveryEventIsInACount) {
  ASSERT_TRUE(comes(0));
  std::vector<uint64_t> when;
  uint64_t last_count = 1;
  for (uint64_t at = second / 10; at < 600 * second; at += second / 10) {
    if (const auto alert = comes(at)) {
      when.push_back(at);
      last_count = alert->count;
    }
    for (const Alert& alert : expire(at)) {
      when.push_back(at);
      EXPECT_GT(alert.count, last_count);
      last_count = alert.count;
    }
  }
  EXPECT_LE(when.size(), 16u);
  EXPECT_EQ(when.front(), second);
  for (size_t i = 1; i < when.size(); ++i) EXPECT_LE(when[i] - when[i - 1], 61 * second);
  findings.flush(told);
  ASSERT_EQ(told.size(), 1u);
  EXPECT_EQ(told[0].count, 6000u);
  EXPECT_EQ(told[0].activity, Activity::close);
}

TEST_F(FindingsTest, WhatComesBackAfterAWhileIsToldAtOnce) {
  const auto first = comes(0);
  for (int i = 1; i < 50; ++i) comes(static_cast<uint64_t>(i));
  EXPECT_EQ(expire(second).size(), 1u);
  const auto back = comes(100 * second);
  ASSERT_TRUE(back);
  EXPECT_EQ(back->uid, first->uid);
  EXPECT_EQ(back->activity, Activity::update);
  EXPECT_EQ(back->count, 51u);
  // And its next repeat waits a second again, not a minute.
  EXPECT_FALSE(comes(100 * second + 1));
  EXPECT_EQ(expire(101 * second).size(), 1u);
}

TEST_F(FindingsTest, ARiseOfSeverityIsToldAtOnceAndStays) {
  const auto first = comes(0, {}, "r", Severity::low);
  EXPECT_FALSE(comes(1, {}, "r", Severity::low));
  const auto risen = comes(2, {}, "r", Severity::critical);
  ASSERT_TRUE(risen);
  EXPECT_EQ(risen->uid, first->uid);
  EXPECT_EQ(risen->severity, Severity::critical);
  EXPECT_EQ(risen->count, 3u);
  EXPECT_FALSE(comes(3, {}, "r", Severity::low));
  const auto update = expire(10 * second);
  ASSERT_EQ(update.size(), 1u);
  EXPECT_EQ(update[0].severity, Severity::critical);
}

TEST_F(FindingsTest, QuietForTenMinutesIsTheEndAndTheNextIsANewFinding) {
  const auto first = comes(0);
  comes(1);
  EXPECT_EQ(expire(second).size(), 1u);
  EXPECT_TRUE(expire(600 * second).empty());
  const auto end = expire(601 * second);
  ASSERT_EQ(end.size(), 1u);
  EXPECT_EQ(end[0].activity, Activity::close);
  EXPECT_EQ(end[0].count, 2u);
  EXPECT_EQ(findings.open(), 0u);
  EXPECT_EQ(findings.bytes(), 0u);
  const auto again = comes(700 * second);
  EXPECT_NE(again->uid, first->uid);
  EXPECT_EQ(again->activity, Activity::create);
}

TEST_F(FindingsTest, WhatHappenedOnceIsToldOnce) {
  EXPECT_TRUE(comes(0));
  EXPECT_TRUE(expire(601 * second).empty());
  EXPECT_TRUE(comes(700 * second));
  findings.flush(told);
  EXPECT_TRUE(told.empty());
}

TEST_F(FindingsTest, WithoutAQuietTimeEachAlertIsAFinding) {
  findings = Findings({.quiet_ns = 0});
  std::set<std::string> uids;
  for (uint64_t i = 0; i < 100; ++i) uids.insert(comes(i)->uid);
  EXPECT_EQ(uids.size(), 100u);
  EXPECT_EQ(findings.open(), 0u);
}

TEST_F(FindingsTest, WithoutRoomTheOldestAreToldEarlyAndNothingIsLost) {
  findings = Findings({.findings = 4});
  uint64_t passed = 0;
  for (uint64_t i = 0; i < 100; ++i) {
    for (int j = 0; j < 3; ++j) passed += comes(i, {.program = 100 + i}).has_value() ? 1 : 0;
    EXPECT_LE(findings.open(), 4u);
  }
  findings.flush(told);
  EXPECT_EQ(passed, 100u);
  ASSERT_EQ(told.size(), 100u);
  for (const Alert& alert : told) EXPECT_EQ(alert.count, 3u);
}

TEST_F(FindingsTest, HugeAlertsDoNotGrowIt) {
  findings = Findings({.bytes = 1u << 20});
  for (uint64_t i = 0; i < 1000; ++i) {
    for (int j = 0; j < 2; ++j) {
      Event event;
      event.kind = EventKind::open;
      event.task.exe_inode = i + 1;
      Alert alert;
      alert.message.assign(8192, 'x');
      alert.process.cmdline.assign(8192, 'x');
      findings.admit(event, alert, i, told);
      ASSERT_LE(findings.bytes(), 1u << 20);
    }
  }
}

TEST_F(FindingsTest, SentencesThatNoProcessCausedAreMergedOnlyWhenTheyAreTheSame) {
  Event none;
  const auto raise = [&](const std::string& message) {
    Alert alert;
    alert.source = AlertSource::integrity;
    alert.rule = "Events lost";
    alert.message = message;
    return findings.admit(none, alert, 5, told);
  };
  EXPECT_TRUE(raise("5 of class file"));
  EXPECT_TRUE(raise("5 of class network"));
  EXPECT_FALSE(raise("5 of class file"));
}

TEST_F(FindingsTest, GivesTheSameUidWhenReplayed) {
  const auto once = comes(5 * second);
  findings = Findings();
  EXPECT_EQ(comes(5 * second)->uid, once->uid);
  findings = Findings();
  EXPECT_NE(comes(6 * second)->uid, once->uid);
}

TEST_F(FindingsTest, AClockThatRunsBackLosesNothing) {
  ASSERT_TRUE(comes(100 * second));
  EXPECT_FALSE(comes(50 * second));
  EXPECT_FALSE(comes(0));
  findings.flush(told);
  ASSERT_EQ(told.size(), 1u);
  EXPECT_EQ(told[0].count, 3u);
}

}  // namespace
}  // namespace shrike::scoring
