// The hard bound: whatever comes, the table stays inside it and no pointer dangles (run under ASan to see the latter).

#include <malloc.h>

#include <atomic>
#include <cstdlib>
#include <new>
#include <random>

#include "tests/unit/enrich/table_fixture.h"

namespace {
// Counts what the heap gives out in this binary, as malloc takes it.
std::atomic<size_t> heap_in_use{0};
void* counted(size_t size) {
  void* block = std::malloc(size);
  if (block == nullptr) std::abort();
  heap_in_use += malloc_usable_size(block) + 8;
  return block;
}
void uncounted(void* block) {
  if (block != nullptr) heap_in_use -= malloc_usable_size(block) + 8;
  std::free(block);
}
}  // namespace
void* operator new(size_t size) { return counted(size); }
void* operator new[](size_t size) { return counted(size); }
// Whoever asks without exceptions (std::stable_sort's buffer) gives back to the same delete.
void* operator new(size_t size, const std::nothrow_t&) noexcept { return counted(size); }
void* operator new[](size_t size, const std::nothrow_t&) noexcept { return counted(size); }
void operator delete(void* block) noexcept { uncounted(block); }
void operator delete[](void* block) noexcept { uncounted(block); }
void operator delete(void* block, size_t) noexcept { uncounted(block); }
void operator delete[](void* block, size_t) noexcept { uncounted(block); }

namespace shrike::enrich::test {
namespace {

using namespace std::string_view_literals;

// Every pointer a rule may follow leads to a process that is in the table.
void expect_sound(const ProcessTable& table) {
  table.for_each([&](const Process& process) {
    size_t steps = 0;
    for (const Process* at = process.parent; at != nullptr; at = at->parent) {
      ASSERT_EQ(table.find(at->pid, at->start_ns), at);
      ASSERT_LT(++steps, table.size() + 1) << "a circle";
    }
  });
}

TEST(ProcessTableBound, AStormOfRandomEventsStaysInsideIt) {
  std::mt19937_64 random(1);
  const std::string path(4000, 'p');
  std::string argv;
  for (int i = 0; i < 1500; ++i) argv += std::string("a\0", 2);
  FakeLookup lookup;
  const size_t before = heap_in_use;
  ProcessTable table({.processes = 256}, lookup);
  const uint64_t step = 1'000'000;
  for (uint64_t i = 1; i < 200'000; ++i) {
    const uint64_t now = i * step;
    const auto pid = static_cast<uint32_t>(2 + random() % 600);
    Task by = task(pid, random() % 4 * step, static_cast<uint32_t>(2 + random() % 600), random() % 4 * step);
    by.uid = static_cast<uint32_t>(random() % 3);
    switch (random() % 5) {
      case 0: {
        Event fork = forked(by, static_cast<uint32_t>(2 + random() % 600), now);
        if (random() % 2 == 0) fork.arg[3] = random() % 4 * step;
        table.apply(fork);
        break;
      }
      case 1: {
        Event exec = executed(by, now, std::string_view(path).substr(0, random() % 4000),
                              std::string_view(argv).substr(0, random() % 3000));
        table.apply(exec);
        break;
      }
      case 2: {
        Event exit = event(EventKind::exit, by, now);
        table.apply(exit);
        break;
      }
      default: {
        Event open = event(EventKind::open, by, now);
        table.apply(open);
        ASSERT_NE(open.process, nullptr);
        ASSERT_EQ(open.process->pid, pid);
      }
    }
    ASSERT_LE(table.size(), 256u);
    ASSERT_LE(table.text_bytes(), size_t{256} * 512);
    ASSERT_LE(heap_in_use - before, table.bound_bytes());
    if (i % 5000 == 0) expect_sound(table);
  }
}

TEST(ProcessTableBound, TheDefaultTableIsBelowTwentyMebibytes) {
  FakeLookup lookup;
  ProcessTable table({}, lookup);
  EXPECT_LT(table.bound_bytes(), size_t{20} << 20);
}

TEST(ProcessTableBound, FiveThousandLiveProcessesTakeAboutFiveMebibytes) {
  FakeLookup lookup;
  const size_t before = heap_in_use;
  ProcessTable table({}, lookup);
  for (uint32_t pid = 2; pid < 5002; ++pid) {
    Event exec = executed(task(pid, pid, 1, 1, "postgres"), pid * 1000, "/usr/lib/postgresql/15/bin/postgres",
                          "postgres\0-D\0/var/lib/postgresql/15/main\0-c\0config_file=/etc/pg.conf\0"sv);
    table.apply(exec);
  }
  EXPECT_EQ(table.live(), 5000u);
  EXPECT_LT(heap_in_use - before, size_t{6} << 20);
}

TEST(ProcessTableBound, AForkStormLeavesLiveProcessesAndTheirAncestorsInPlace) {
  FakeLookup lookup;
  ProcessTable table({.processes = 256}, lookup);
  for (uint32_t pid = 10; pid < 60; ++pid) {
    Event seen = event(EventKind::open, task(pid, pid), 1000 + pid);
    table.apply(seen);
  }
  for (uint64_t i = 0; i < 100'000; ++i) {
    const auto child = static_cast<uint32_t>(1000 + i % 30000);
    Event fork = forked(task(10, 10), child, 10'000 + i);
    table.apply(fork);
    Event exit = event(EventKind::exit, task(child, 10'000 + i, 10, 10), 10'000 + i);
    table.apply(exit);
  }
  for (uint32_t pid = 10; pid < 60; ++pid) EXPECT_NE(table.find(pid, pid), nullptr);
  EXPECT_EQ(table.evicted_live(), 0u);
}

TEST(ProcessTableBound, TextOfTheSilentAndTheFatIsCutFirst) {
  FakeLookup lookup;
  ProcessTable table({.processes = 64}, lookup);
  const std::string fat(4000, 'x');
  Event small = executed(task(500, 1), 1, "/bin/small", "small");
  table.apply(small);
  for (uint32_t pid = 10; pid < 60; ++pid) {
    Event exec = executed(task(pid, pid), pid, fat, fat);
    table.apply(exec);
  }
  EXPECT_EQ(table.find(500, 1)->exe, "/bin/small");
  EXPECT_LT(table.find(10, 10)->exe.size(), 200u);
  EXPECT_TRUE(table.find(10, 10)->argv_truncated);
  EXPECT_EQ(table.find(59, 59)->exe.size(), 4000u);
}

}  // namespace
}  // namespace shrike::enrich::test
