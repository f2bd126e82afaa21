// Loading, attaching, reading, reloading: what does not belong to one BPF file.

#include "agent/probe/kernel_source.h"

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <climits>
#include <cstring>
#include <future>
#include <map>
#include <set>
#include <string>
#include <thread>
#include <type_traits>
#include <vector>

#include "agent/probe/record.h"
#include "bpf/shrike_calls.h"
#include "bpf/shrike_counters.h"
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wconversion"
#pragma GCC diagnostic ignored "-Wshadow"
#include "bpf/shrike.skel.h"
#pragma GCC diagnostic pop
#include "common/base/fd.h"
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

// filter.seed as the loaded programs have it, one for each generation that is there; from their read-only data.
std::vector<uint64_t> seeds_of(const probe::KernelSource& source) {
  std::vector<uint64_t> seeds;
  for (const uint32_t id : source.ids().maps) {
    const Fd map(::bpf_map_get_fd_by_id(id));
    bpf_map_info info{};
    uint32_t size = sizeof info;
    if (!map.valid() || ::bpf_obj_get_info_by_fd(map.get(), &info, &size) != 0) continue;
    if (!std::string_view(info.name).ends_with(".rodata")) continue;
    std::vector<std::byte> value(info.value_size);
    const uint32_t zero = 0;
    using Constants = std::remove_pointer_t<decltype(shrike_bpf::rodata)>;
    Constants constants{};
    if (::bpf_map_lookup_elem(map.get(), &zero, value.data()) != 0) continue;
    std::memcpy(&constants, value.data(), std::min(value.size(), sizeof constants));
    seeds.push_back(constants.filter.seed);
  }
  return seeds;
}

// Two processes name themselves by number all the time, into a ring that holds them all; while the programs are
// replaced, no number is missing, and those that come twice are at most one for each core and reload.
TEST(KernelSource, ReloadsUnderLoadLoseNothing) {
  SHRIKE_NEED("bpf", Watch::possible());
  Watch watch({EventKind::prctl}, Watch::all_paths(), {.reserved_ring_bytes = 64u << 20});
  ASSERT_TRUE(watch.open());
  std::vector<pid_t> makers;
  for (int i = 0; i < 2; ++i) {
    makers.push_back(::fork());
    if (makers.back() != 0) continue;
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    for (unsigned n = 0;; ++n) {
      ::prctl(PR_SET_NAME, std::to_string(n).c_str());
      ::usleep(1000);
    }
  }
  std::map<std::pair<uint32_t, std::string>, size_t> seen;
  const auto collect = [&](std::span<const std::byte> record) {
    const test::Seen event(record);
    if (event->kind == EventKind::prctl && event->arg[0] == PR_SET_NAME)
      ++seen[{event->task.pid, std::string(event->path.text)}];
  };
  const auto enough = [&] {
    return std::all_of(makers.begin(), makers.end(), [&](pid_t maker) {
      return std::count_if(seen.begin(), seen.end(),
                           [&](const auto& one) { return one.first.first == static_cast<uint32_t>(maker); }) > 500;
    });
  };
  size_t reloads = 0;
  for (; reloads < 4 || (reloads < 100 && !enough()); ++reloads) {
    FilterSpec spec = Watch::all_paths();
    spec.kinds.set(static_cast<size_t>(EventKind::prctl));
    auto loading = std::async(std::launch::async, [&] { return watch.source().reload(spec).ok(); });
    while (loading.wait_for(std::chrono::seconds(0)) != std::future_status::ready)
      ASSERT_TRUE(watch.source().poll(std::chrono::milliseconds(1), collect).ok());
    EXPECT_TRUE(loading.get());
  }
  for (const pid_t maker : makers) {
    ::kill(maker, SIGKILL);
    ::waitpid(maker, nullptr, 0);
  }
  while (*watch.source().poll(std::chrono::milliseconds(10), collect) > 0) {
  }
  size_t twice = 0;
  for (const pid_t maker : makers) {
    unsigned first = UINT_MAX, last = 0, count = 0;
    for (const auto& [key, times] : seen) {
      if (key.first != static_cast<uint32_t>(maker)) continue;
      const auto number = static_cast<unsigned>(std::stoul(key.second));
      first = std::min(first, number);
      last = std::max(last, number);
      ++count;
      twice += times - 1;
    }
    EXPECT_GT(count, 500u) << "too little to show anything";
    EXPECT_EQ(count, last - first + 1) << "numbers are missing";
  }
  EXPECT_LE(twice, reloads * 2 * std::thread::hardware_concurrency());
}

TEST(KernelSource, EveryStartHasASeedOfItsOwnAndAReloadKeepsIt) {
  SHRIKE_NEED("bpf", Watch::possible());
  Watch one({EventKind::fork});
  Watch other({EventKind::fork});
  ASSERT_TRUE(one.open() && other.open());
  const auto seeds = seeds_of(one.source());
  ASSERT_THAT(seeds, ::testing::Not(::testing::IsEmpty()));
  EXPECT_THAT(seeds, ::testing::Each(seeds[0])) << "of LSM hooks, where there are any";
  EXPECT_NE(seeds[0], 0u);
  EXPECT_NE(seeds, seeds_of(other.source()));
  ASSERT_TRUE(one.source().reload({}).ok());
  EXPECT_EQ(seeds_of(one.source()), seeds);
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

TEST(KernelSource, ForkComesBeforeWhatTheChildDoesAndExitAfterIt) {
  SHRIKE_NEED("bpf", Watch::possible());
  Watch watch({EventKind::fork, EventKind::exit, EventKind::socket});
  ASSERT_TRUE(watch.open());
  // Two processes make children at the same time, so that records of both cores meet in all rings.
  constexpr size_t children = 300;
  std::map<uint32_t, std::string> steps;  // of each process, in the order in which they came out
  std::set<uint64_t> made;                // by our makers: on a watched host, others make threads and end too
  std::vector<pid_t> makers;
  const auto collect = [&](std::span<const std::byte> record) {
    const test::Seen seen(record);
    if (seen->kind == EventKind::fork && (seen->flags & flag_thread) == 0) {
      steps[static_cast<uint32_t>(seen->arg[1])] += 'f';
      if (std::find(makers.begin(), makers.end(), static_cast<pid_t>(seen->task.pid)) != makers.end())
        made.insert(seen->arg[1]);
    }
    if (seen->kind == EventKind::socket) steps[seen->task.pid] += 's';
    if (seen->kind == EventKind::exit && (seen->flags & flag_thread) == 0) steps[seen->task.pid] += 'x';
  };
  for (int i = 0; i < 2; ++i) {
    makers.push_back(::fork());
    if (makers.back() != 0) continue;
    for (size_t n = 0; n < children; ++n) {
      const pid_t child = ::fork();
      if (child == 0) ::_exit(::socket(AF_INET, SOCK_DGRAM, 0) < 0 ? 1 : 0);
      ::waitpid(child, nullptr, 0);
    }
    ::_exit(0);
  }
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(60);
  const auto ended = [&](pid_t maker) { return steps[static_cast<uint32_t>(maker)].ends_with('x'); };
  while ((!ended(makers[0]) || !ended(makers[1])) && std::chrono::steady_clock::now() < deadline)
    ASSERT_TRUE(watch.source().poll(std::chrono::milliseconds(20), collect).ok());
  for (const pid_t maker : makers) ::waitpid(maker, nullptr, 0);
  EXPECT_EQ(made.size(), 2 * children);
  for (const uint64_t pid : made) EXPECT_EQ(steps[static_cast<uint32_t>(pid)], "fsx") << pid;
}

TEST(KernelSource, PrimingShowsEveryProcessThatIsThere) {
  SHRIKE_NEED("bpf", Watch::possible());
  Watch watch({EventKind::task});
  ASSERT_TRUE(watch.open());
  SHRIKE_NEED("task_iterator", watch.source().features().task_iterator);
  bool self = false;
  bool parent = false;
  const auto count = watch.source().prime([&](std::span<const std::byte> record) {
    const test::Seen seen(record);
    ASSERT_TRUE(seen.valid());
    EXPECT_EQ(seen->kind, EventKind::task);
    parent |= seen->task.pid == static_cast<uint32_t>(::getppid());
    if (seen->task.pid != static_cast<uint32_t>(::getpid())) return;
    self = true;
    EXPECT_EQ(seen->task.ppid, static_cast<uint32_t>(::getppid()));
    EXPECT_THAT(std::string(seen->real_path), ::testing::HasSubstr("kernel_tests"));
    EXPECT_FALSE(seen->cwd.empty());
  });
  ASSERT_TRUE(count.ok()) << count.error().message;
  EXPECT_GE(*count, 2u);
  EXPECT_TRUE(self);
  EXPECT_TRUE(parent);
}

TEST(KernelSource, WhatDoesNotFitIsCountedExactly) {
  SHRIKE_NEED("bpf", Watch::possible());
  // The smallest rings there are, and nobody who reads them until all is over.
  Watch watch({EventKind::sendto}, Watch::all_paths(), {.reserved_ring_bytes = 1, .shard_ring_bytes = 1, .shards = 1});
  ASSERT_TRUE(watch.open());
  const Fd fd(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(9);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  constexpr size_t calls = 500;
  const pid_t self = ::getpid();
  for (size_t i = 0; i < calls; ++i)
    ::sendto(fd.get(), "x", 1, 0, reinterpret_cast<const sockaddr*>(&address), sizeof address);
  const size_t delivered = watch.count(
      [&](const Event& e) { return e.kind == EventKind::sendto && e.task.pid == static_cast<uint32_t>(self); });
  const probe::Counters counters = watch.source().counters();
  const auto network = static_cast<size_t>(probe::EventClass::network);
  const uint64_t lost = counters.lost[network][static_cast<size_t>(probe::Loss::ring_full)];
  EXPECT_GT(delivered, 0u);
  EXPECT_GT(lost, 0u);
  // Others on this host send datagrams as well; all of them are either in a ring or counted.
  EXPECT_GE(delivered + lost, calls);
  EXPECT_LE(counters.events[network], watch.count([](const Event&) { return true; }));
}

// A tenant that does nothing but privileged calls, and nobody who reads: what others start and end still has room.
TEST(KernelSource, AFloodOfPrivilegeEventsLeavesRoomForLifecycle) {
  SHRIKE_NEED("bpf", Watch::possible());
  Watch watch({EventKind::prctl, EventKind::fork, EventKind::exit}, Watch::all_paths(),
              {.reserved_ring_bytes = 1u << 20});
  ASSERT_TRUE(watch.open());
  constexpr size_t calls = 20000;
  for (size_t i = 0; i < calls; ++i) ::prctl(PR_SET_NAME, "flood");
  constexpr size_t children = 100;
  std::vector<pid_t> made;
  for (size_t i = 0; i < children; ++i) made.push_back(brief_child());
  ::prctl(PR_SET_NAME, "kernel_tests");
  const size_t delivered = watch.count_own([](const Event& e) { return e.kind == EventKind::prctl; });
  for (const pid_t child : made) {
    EXPECT_EQ(watch.count([&](const Event& e) { return is_fork_of(e, child); }), 1u);
    EXPECT_EQ(watch.count([&](const Event& e) {
      return e.kind == EventKind::exit && e.task.pid == static_cast<uint32_t>(child);
    }),
              1u);
  }
  const probe::Counters counters = watch.source().counters();
  const auto lost = [&](probe::EventClass of) {
    return counters.lost[static_cast<size_t>(of)][static_cast<size_t>(probe::Loss::ring_full)];
  };
  EXPECT_EQ(lost(probe::EventClass::lifecycle), 0u);
  EXPECT_GT(delivered, 0u);
  EXPECT_GT(lost(probe::EventClass::privilege), 0u);
  EXPECT_GE(delivered + lost(probe::EventClass::privilege), calls + 1);
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

TEST(KernelSource, OneThatFoundNothingIsWokenByTheNextRecord) {
  SHRIKE_NEED("bpf", Watch::possible());
  Watch watch({EventKind::memfd});
  ASSERT_TRUE(watch.open());
  const auto mine = [](const Event& e) { return e.kind == EventKind::memfd && e.path.text == "wakes"; };
  for (int round = 0; round < 20; ++round) {
    for (bool idle = false; !idle;) {
      const auto polled = watch.source().poll(std::chrono::milliseconds(0), [](auto) {});
      ASSERT_TRUE(polled.ok());
      idle = *polled == 0;
    }
    watch.forget();
    const Fd memory(static_cast<int>(::syscall(SYS_memfd_create, "wakes", MFD_CLOEXEC)));
    ASSERT_TRUE(memory.valid());
    pollfd readable{.fd = watch.source().epoll_fd(), .events = POLLIN, .revents = 0};
    ASSERT_EQ(::poll(&readable, 1, 10'000), 1);
    ASSERT_NE(watch.expect_own(EventKind::memfd, mine), nullptr);
  }
}

}  // namespace
}  // namespace shrike
