// Loading, attaching, reading, reloading: what does not belong to one BPF file.

#include "agent/probe/kernel_source.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>

#include "tests/kernel/watch.h"

namespace shrike {
namespace {

using test::Watch;

// A child that ends at once; its pid.
pid_t brief_child() {
  const pid_t child = ::fork();
  if (child == 0) ::_exit(0);
  ::waitpid(child, nullptr, 0);
  return child;
}
bool is_fork_of(const Event& event, pid_t child) {
  return event.kind == EventKind::fork && event.arg[1] == static_cast<uint64_t>(child);
}

TEST(KernelSource, ReportsAForkAndCountsIt) {
  SHRIKE_NEED("bpf", Watch::possible());
  Watch watch({EventKind::fork});
  ASSERT_TRUE(watch.open());
  const pid_t child = brief_child();
  const auto* seen = watch.expect("fork of our child", [&](const Event& e) { return is_fork_of(e, child); });
  ASSERT_NE(seen, nullptr);
  EXPECT_EQ((*seen)->task.pid, static_cast<uint32_t>(::getpid()));
  const probe::Counters counters = watch.source().counters();
  EXPECT_GE(counters.events[static_cast<size_t>(probe::EventClass::lifecycle)], 1u);
  EXPECT_EQ(counters.ring_damage, 0u);
  EXPECT_GE(counters.rings.size(), 2u);
  bool ran = false;
  for (const auto& program : counters.programs) ran |= program.name == "on_fork" && program.id != 0 && program.runs > 0;
  EXPECT_TRUE(ran) << "the fork program has no heartbeat";
}

TEST(KernelSource, ReloadKeepsRingsAndChangesWhatIsSeen) {
  SHRIKE_NEED("bpf", Watch::possible());
  Watch watch({EventKind::fork});
  ASSERT_TRUE(watch.open());
  const pid_t before = brief_child();
  const auto ids = watch.source().ids();
  ASSERT_TRUE(watch.source().reload({}).ok());
  EXPECT_NE(watch.source().ids().programs, ids.programs);
  const pid_t hidden = brief_child();
  FilterSpec forks;
  forks.kinds.set(static_cast<size_t>(EventKind::fork));
  ASSERT_TRUE(watch.source().reload(forks).ok());
  const pid_t after = brief_child();
  watch.expect("fork before", [&](const Event& e) { return is_fork_of(e, before); });
  watch.expect("fork after", [&](const Event& e) { return is_fork_of(e, after); });
  EXPECT_EQ(watch.count([&](const Event& e) { return is_fork_of(e, hidden); }), 0u);
}

TEST(KernelSource, KnowsTheIdsOfItsObjects) {
  SHRIKE_NEED("bpf", Watch::possible());
  Watch watch({EventKind::fork});
  ASSERT_TRUE(watch.open());
  const auto ids = watch.source().ids();
  EXPECT_FALSE(ids.programs.empty());
  EXPECT_GE(ids.maps.size(), 8u);
  EXPECT_FALSE(ids.links.empty());
}

TEST(KernelSource, AnIdleSourceWaitsForItsTimeout) {
  SHRIKE_NEED("bpf", Watch::possible());
  Watch watch({});
  ASSERT_TRUE(watch.open());
  const auto polled =
      watch.source().poll(std::chrono::milliseconds(1), [](auto) { FAIL() << "nothing was asked for"; });
  ASSERT_TRUE(polled.ok());
  EXPECT_EQ(*polled, 0u);
}

}  // namespace
}  // namespace shrike
