#include "agent/outbox.h"

#include <gtest/gtest.h>
#include <poll.h>

#include <thread>

namespace shrike::agent {
namespace {

constexpr uint64_t second_ns = 1'000'000'000;

bool readable(int fd) {
  pollfd one{fd, POLLIN, 0};
  return ::poll(&one, 1, 0) == 1;
}

TEST(Outbox, GivesWhatIsUrgentFirst) {
  auto box = *Outbox::make(1000);
  box->put_event("one", 1);
  box->put_event("two", 2);
  Alert alert;
  alert.rule = "r";
  box->put({"", 3, alert, false});
  EXPECT_TRUE(readable(box->fd()));
  EXPECT_EQ(box->take(second_ns)->alert->rule, "r");
  EXPECT_EQ(box->take(second_ns)->event, "one");
  EXPECT_EQ(box->take(second_ns)->event, "two");
  EXPECT_FALSE(box->take(second_ns));
  EXPECT_FALSE(readable(box->fd()));
}

TEST(Outbox, LetsEventsOfJobsGoAtTheirPaceOnly) {
  auto box = *Outbox::make(1000);
  for (int i = 0; i < 5000; ++i) box->put_event("e", 1);
  const auto taken = [&](uint64_t now) {
    size_t count = 0;
    while (box->take(now)) ++count;
    return count;
  };
  const size_t first = taken(10 * second_ns);
  EXPECT_LE(first, 101u);
  EXPECT_EQ(taken(10 * second_ns), 0u);
  size_t later = 0;
  for (uint64_t ms = 100; ms <= 1000; ms += 100) later += taken(10 * second_ns + ms * 1'000'000);
  EXPECT_NEAR(static_cast<double>(later), 1000, 20);
  EXPECT_LE(taken(1000 * second_ns), 101u) << "a rest saves no more than a tenth of a second's worth";
}

TEST(Outbox, WhatIsFullMakesJobsWaitAndLosesNothingOfThem) {
  auto box = *Outbox::make(1'000'000);
  const std::string large(1u << 20, 'x');
  std::atomic<int> put{0};
  std::thread job([&] {
    for (int i = 0; i < 20; ++i)
      if (box->put_event(large, 1)) ++put;
  });
  size_t taken = 0;
  for (uint64_t now = second_ns; taken < 20; now += second_ns)
    while (box->take(now)) ++taken;
  job.join();
  EXPECT_EQ(put, 20);
  EXPECT_EQ(box->lost(), 0u);
}

TEST(Outbox, UrgentThingsNeverWaitAndAreCountedWhereThereIsNoRoom) {
  auto box = *Outbox::make(1000);
  const std::string large(1u << 20, 'x');
  for (int i = 0; i < 12; ++i) box->put({large, 1, std::nullopt, false});
  EXPECT_GT(box->lost(), 0u);
  size_t taken = 0;
  while (box->take(second_ns)) ++taken;
  EXPECT_EQ(taken + box->lost(), 12u);
}

TEST(Outbox, ClosedItLetsWaitersGoAndGivesWhatIsThere) {
  auto box = *Outbox::make(1000);
  const std::string large(9u << 20, 'x');
  box->put_event(large, 1);
  std::thread job([&] { EXPECT_FALSE(box->put_event("more", 1)); });
  box->close();
  job.join();
  EXPECT_TRUE(box->take(second_ns));
  EXPECT_FALSE(box->take(second_ns));
}

}  // namespace
}  // namespace shrike::agent
