// Of a program in a machine every call is told, in order, with the arguments that were served.

#include <sys/syscall.h>

#include <algorithm>

#include "tests/kernel/vm_rig.h"

namespace shrike::sandbox::test {
namespace {

using VmTrace = InMachine;

void expect_no_hole(const Ran& ran) {
  for (size_t i = 0; i < ran.calls.size(); ++i) ASSERT_EQ(ran.calls[i].seq, i);
  EXPECT_EQ(ran.report.events_told, ran.calls.size());
  EXPECT_EQ(ran.report.events_dropped, 0u);
}

TEST_F(VmTrace, AHundredThousandKnownCallsAreAllToldInOrder) {
  constexpr uint64_t processes = 4, threads = 4, calls = 6250;
  const Ran ran = run_here(
      ask(own_program("sandbox_counted"), {std::to_string(processes), std::to_string(threads), std::to_string(calls)}));
  ASSERT_EQ(ran.report.status, Status::ok) << ran.report.cause;
  std::map<uint64_t, uint64_t> next;  // of each thread
  std::map<uint64_t, std::pair<uint32_t, uint32_t>> who;
  uint64_t seen = 0, others = 0;
  for (const Call& call : ran.calls) {
    if (call.kind != CallKind::call) continue;
    if (call.number != SYS_getpriority || call.args[0] < 1000) {
      ++others;
      continue;
    }
    ++seen;
    ASSERT_EQ(call.args[1], next[call.args[0]]++) << "thread " << call.args[0];
    EXPECT_EQ(call.result, -EINVAL);
    ASSERT_EQ(who.emplace(call.args[0], std::pair(call.pid, call.tid)).first->second, std::pair(call.pid, call.tid));
  }
  EXPECT_EQ(seen, processes * threads * calls);
  EXPECT_EQ(ran.report.calls, seen + others);
  EXPECT_EQ(next.size(), processes * threads);
  EXPECT_EQ(ran.report.processes.size(), processes + 1);
  expect_no_hole(ran);
}

TEST_F(VmTrace, CallsBeyondTheLimitAreCounted) {
  Asked asked = ask(own_program("sandbox_counted"), {"1", "1", "5000"});
  asked.job.limits.calls = 1000;
  const Ran ran = run_here(std::move(asked));
  const auto told = static_cast<uint64_t>(
      std::ranges::count_if(ran.calls, [](const Call& call) { return call.kind == CallKind::call; }));
  EXPECT_LE(told, 1000u);
  EXPECT_EQ(ran.report.events_told, ran.calls.size());
  EXPECT_GE(ran.report.calls, 5000u);
  // Each call and each beginning and end is told or counted: a number each.
  const auto others = ran.report.events_told + ran.report.events_dropped - ran.report.calls;
  // A beginning and an end of the process, of its child and of the child's thread; one program.
  EXPECT_EQ(others, 3u + 3u + 1u);
}

TEST_F(VmTrace, WhatIsToldOfAPathThatAnotherThreadChangesIsWhatWasOpened) {
  const std::string first = "/tmp/aaaaaaaaaaaaaaaa", second = "/tmp/bbbbbbbbbbbbbbbb";
  const Ran ran = run_here(ask(own_program("flip_open"), {first, second, "800"}));
  ASSERT_EQ(ran.report.status, Status::ok) << ran.report.cause << ran.err;
  ASSERT_EQ(ran.report.exit_code, 0);
  std::map<std::string, uint64_t> opened;
  std::string path;
  for (const Call& call : ran.calls) {
    if (call.kind != CallKind::call) continue;
    if (call.number == SYS_openat) {
      const auto text =
          std::ranges::find_if(call.texts, [](const CallText& each) { return each.kind == TextKind::path; });
      ASSERT_NE(text, call.texts.end());
      path = text->text;
    } else if (call.number == SYS_getpriority && call.args[0] == 2000) {
      // What it read out of the file tells which it was.
      EXPECT_EQ(path == first ? 0u : path == second ? 1u : 2u, call.args[1]) << path;
      ++opened[path];
    }
  }
  EXPECT_GT(opened[first] + opened[second], 100u);
  EXPECT_GT(opened.size(), 1u) << "it did not change";
  expect_no_hole(ran);
}

}  // namespace
}  // namespace shrike::sandbox::test
