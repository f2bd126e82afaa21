#include "agent/flood_guard.h"

#include <gtest/gtest.h>

#include <set>

namespace shrike::agent {
namespace {

constexpr uint64_t second = 1'000'000'000;

class Flood : public ::testing::Test {
 protected:
  bool admit(uint32_t pid, std::string_view path, uint64_t at, std::string* uid = nullptr) {
    Event event;
    event.kind = EventKind::open;
    event.task.pid = pid;
    event.full_path = path;
    Alert alert;
    alert.rule = "r";
    alert.time_ns = at;
    const bool admitted = guard.admit(event, alert, due);
    if (uid != nullptr) *uid = alert.uid;
    return admitted;
  }
  FloodGuard guard;
  std::vector<Alert> due;
};

TEST_F(Flood, TheFirstPassesAtOnceAndTheSameWithinASecondIsCounted) {
  std::string first;
  EXPECT_TRUE(admit(1, "/a", 5 * second, &first));
  EXPECT_FALSE(admit(1, "/a", 5 * second + 1));
  EXPECT_FALSE(admit(1, "/a", 5 * second + 2));
  guard.expire(6 * second - 1, due);
  EXPECT_TRUE(due.empty());
  guard.expire(6 * second, due);
  ASSERT_EQ(due.size(), 1u);
  EXPECT_EQ(due[0].count, 3u);
  EXPECT_EQ(due[0].uid, first);
  EXPECT_EQ(due[0].time_ns, 5 * second + 2);
  EXPECT_EQ(guard.suppressed(), 2u);
}

TEST_F(Flood, WhatHappenedOnceIsToldOnce) {
  EXPECT_TRUE(admit(1, "/a", 5 * second));
  guard.flush(due);
  EXPECT_TRUE(due.empty());
}

TEST_F(Flood, AnotherProcessPathOrSecondIsAnotherFinding) {
  std::set<std::string> uids;
  std::string uid;
  for (const auto& [pid, path, at] :
       {std::tuple{1u, "/a", 5 * second}, {2u, "/a", 5 * second}, {1u, "/b", 5 * second}}) {
    EXPECT_TRUE(admit(pid, path, at, &uid));
    uids.insert(uid);
  }
  guard.expire(7 * second, due);
  EXPECT_TRUE(admit(1, "/a", 7 * second, &uid));
  uids.insert(uid);
  EXPECT_EQ(uids.size(), 4u);
  EXPECT_EQ(uid.size(), 32u);
}

TEST_F(Flood, GivesTheSameUidWhenReplayed) {
  std::string once, again;
  admit(1, "/a", 5 * second, &once);
  guard = {};
  admit(1, "/a", 5 * second, &again);
  EXPECT_EQ(once, again);
}

TEST_F(Flood, HoldsABoundedNumberOfFindings) {
  for (uint32_t pid = 0; pid < 5000; ++pid) {
    EXPECT_TRUE(admit(pid, "/a", 5 * second));
    EXPECT_FALSE(admit(pid, "/a", 5 * second));
  }
  EXPECT_EQ(due.size(), 5000 - FloodGuard::max_findings);
  guard.flush(due);
  EXPECT_EQ(due.size(), 5000u);
}

}  // namespace
}  // namespace shrike::agent
