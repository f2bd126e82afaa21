// Every call is told, in order, or counted as lost.

#include <fcntl.h>
#include <sys/syscall.h>

#include <filesystem>
#include <set>
#include <thread>

#include "common/base/file.h"
#include "tests/kernel/sandbox_rig.h"

namespace shrike::sandbox::test {
namespace {

using Trace = Sandboxed;

const CallText* text_of(const Call& call, TextKind kind) {
  for (const auto& text : call.texts)
    if (text.kind == kind) return &text;
  return nullptr;
}

TEST_P(Trace, AHundredThousandKnownCallsAreAllToldInOrder) {
  constexpr uint64_t processes = 4, threads = 4, calls = 6250;
  Asked asked =
      ask(own_program("sandbox_counted"), {std::to_string(processes), std::to_string(threads), std::to_string(calls)});
  const Ran ran = run_here(std::move(asked));
  ASSERT_EQ(ran.report.status, Status::ok) << ran.report.cause;
  std::map<uint64_t, uint64_t> next;  // of each thread
  std::map<uint64_t, std::set<std::pair<uint32_t, uint32_t>>> who;
  uint64_t seen = 0, out_of_order = 0, last_seq = 0;
  for (const Call& call : ran.calls) {
    if (seen > 0 && call.seq <= last_seq) ++out_of_order;
    last_seq = call.seq;
    if (call.kind != CallKind::call || call.number != SYS_getpriority || call.args[0] < 1000) continue;
    ++seen;
    who[call.args[0]].insert({call.pid, call.tid});
    if (call.args[1] != next[call.args[0]]) ++out_of_order;
    next[call.args[0]] = call.args[1] + 1;
  }
  EXPECT_EQ(seen + ran.report.events_dropped, processes * threads * calls) << "told, or counted as lost";
  EXPECT_EQ(ran.report.events_told, ran.calls.size());
  EXPECT_EQ(next.size(), processes * threads);
  for (const auto& [thread, ids] : who) EXPECT_EQ(ids.size(), 1u) << "calls of thread " << thread << " have two names";
  if (ran.report.events_dropped == 0) {
    EXPECT_EQ(out_of_order, 0u);
    EXPECT_EQ(ran.report.calls + 0,
              static_cast<uint64_t>(std::count_if(ran.calls.begin(), ran.calls.end(),
                                                  [](const Call& call) { return call.kind == CallKind::call; })));
  }
  // Each process once, and its threads.
  EXPECT_EQ(ran.report.processes.size(), processes + 1);
}

// The kernel emulates three calls there, all of them for the time or the processor's number, without what tracing
// hooks.
TEST_P(Trace, OldCallsThatTheKernelEmulatesWorkAndOnlyTellTheTime) {
  const Ran ran = run_here(ask(own_program("sandbox_vsyscall")));
  ASSERT_EQ(ran.report.status, Status::ok) << ran.report.cause;
  if (ran.report.exit_code == 3) GTEST_SKIP() << "this kernel has no such page";
  EXPECT_EQ(ran.out, "time\n");
  EXPECT_EQ(ran.report.calls_denied, 0u);
}

TEST_P(Trace, CallsBeyondTheLimitAreCounted) {
  Asked asked = ask(own_program("sandbox_counted"), {"1", "1", "5000"});
  asked.job.limits.calls = 1000;
  const Ran ran = run_here(std::move(asked));
  EXPECT_EQ(ran.calls.size(), 1000u);
  EXPECT_EQ(ran.report.events_told, 1000u);
  EXPECT_GE(ran.report.events_dropped, 4000u);
  EXPECT_GE(ran.report.calls, 5000u);
}

TEST_P(Trace, ACallHasItsArgumentsTextsAndResult) {
  Asked asked = ask("/bin/busybox", {"sh", "-c", "cd /tmp; cat ./in ../tmp/none; exec busybox true"});
  asked.job.environment = {"PATH=/tmp"};
  asked.files["/tmp/in"] = "input";
  asked.notify = GetParam();
  const Ran ran = run_here(std::move(asked));
  const auto opened = [&](const std::string& path) {
    return std::find_if(ran.calls.begin(), ran.calls.end(), [&](const Call& call) {
      const auto* text = text_of(call, TextKind::path);
      return call.kind == CallKind::call && (call.number == SYS_open || call.number == SYS_openat) && text != nullptr &&
             text->text == path;
    });
  };
  const auto in = opened("./in");
  ASSERT_NE(in, ran.calls.end());
  ASSERT_NE(text_of(*in, TextKind::full_path), nullptr);
  EXPECT_EQ(text_of(*in, TextKind::full_path)->text, "/tmp/in");
  EXPECT_EQ(in->pid, in->tid);
  const auto none = opened("../tmp/none");
  ASSERT_NE(none, ran.calls.end());
  EXPECT_EQ(text_of(*none, TextKind::full_path)->text, "/tmp/none");
  if (!GetParam()) {
    EXPECT_GE(in->result, 3);
    EXPECT_EQ(none->result, -ENOENT);
  } else {
    EXPECT_NE(in->flags & call_no_result, 0);
  }
}

TEST_P(Trace, AnOpenat2HasTheFlagsOfItsMemory) {
  const Ran ran = run_here(ask(own_program("open_file"), {"+", "/tmp/made"}));
  EXPECT_EQ(ran.report.exit_code, 0);
  const auto made = std::find_if(ran.calls.begin(), ran.calls.end(), [](const Call& call) {
    return call.kind == CallKind::call && call.number == SYS_openat2;
  });
  ASSERT_NE(made, ran.calls.end());
  EXPECT_EQ(text_of(*made, TextKind::path)->text, "/tmp/made");
  const auto* told = text_of(*made, TextKind::open_how);
  ASSERT_NE(told, nullptr);
  const uint64_t how[] = {O_WRONLY | O_CREAT | O_CLOEXEC, 0600, 0};
  EXPECT_EQ(told->text, std::string(reinterpret_cast<const char*>(how), sizeof how));
}

TEST_P(Trace, ProcessesHaveABeginningAProgramAndAnEnd) {
  Asked asked = ask("/bin/busybox", {"sh", "-c", "/usr/bin/env true one; kill -9 $$"});
  const Ran ran = run_here(std::move(asked));
  ASSERT_GE(ran.report.processes.size(), 2u);
  const auto& shell = ran.report.processes[0];
  EXPECT_EQ(shell.parent, 0u);
  EXPECT_EQ(shell.exe, "/tmp/busybox");
  EXPECT_EQ(shell.argv.size(), 4u);
  const auto& child = ran.report.processes[1];
  EXPECT_EQ(child.parent, shell.pid);
  EXPECT_EQ(child.argv, (std::vector<std::string>{"true", "one"}));
  EXPECT_EQ(ran.report.status, Status::signalled);
  EXPECT_EQ(ran.report.signal, SIGKILL);
  if (GetParam()) return;  // what only the kernel sees
  EXPECT_EQ(shell.wait_status, SIGKILL);
  EXPECT_EQ(child.wait_status, 0);
  const auto killed = std::find_if(ran.calls.begin(), ran.calls.end(), [&](const Call& call) {
    return call.kind == CallKind::signal && call.args[0] == SIGKILL;
  });
  ASSERT_NE(killed, ran.calls.end());
}

TEST_P(Trace, WhatDoesNotReturnIsToldToo) {
  const Ran ran = run_here(ask("/bin/busybox", {"true"}));
  ASSERT_GE(ran.calls.size(), 3u);
  const auto exit =
      std::find_if(ran.calls.begin(), ran.calls.end(), [](const Call& call) { return call.number == SYS_exit_group; });
  ASSERT_NE(exit, ran.calls.end());
  EXPECT_NE(exit->flags & call_no_return, 0);
  EXPECT_EQ(ran.calls.front().kind, CallKind::start);
  EXPECT_EQ(ran.calls.back().kind, CallKind::exit);
}

/// Whether the job of one of our own processes is stopped.
bool somebody_waits() {
  for (const auto* place : {"/sys/fs/cgroup/unified/shrike-sandbox", "/sys/fs/cgroup/shrike-sandbox"}) {
    std::error_code none;
    for (const auto& group : std::filesystem::directory_iterator(place, none)) {
      const auto events = read_file(group.path().string() + "/cgroup.events", 4096);
      if (events && events->find("frozen 1") != std::string::npos) return true;
    }
  }
  return false;
}

TEST(SlowClient, MakesTheProgramWaitAndLosesNothing) {
  SHRIKE_NEED("root", ::geteuid() == 0);
  constexpr uint64_t calls = 800'000;
  Asked asked = ask(own_program("sandbox_counted"), {"1", "1", std::to_string(calls)});
  JobFiles files;
  files.program = std::move(*sealed_file(asked.job.arguments[0]));
  asked.job.limits.wall = std::chrono::seconds(100);
  asked.job.limits.calls = 10 * calls;
  ClientOptions options{"", SHRIKE_BIN_DIR "/shrike-sandbox", {}};
  auto client = JobClient::start(options, asked.job, files);
  ASSERT_TRUE(client.ok()) << client.error().message;
  uint64_t seen = 0;
  bool waited = false;
  JobEvents events;
  // Reads its first calls, and nothing more until the program is held back for it.
  const auto wait = [&] {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(60);
    while (!somebody_waits() && std::chrono::steady_clock::now() < deadline)
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    return somebody_waits();
  };
  events.call = [&](const Call& call) {
    waited = waited || wait();
    seen += call.number == SYS_getpriority && call.args[0] >= 1000 ? 1 : 0;
  };
  const auto report = client->finish(events);
  ASSERT_TRUE(report.ok()) << report.error().message;
  EXPECT_EQ(report->status, Status::ok) << report->cause;
  EXPECT_TRUE(waited) << "it was not made to wait";
  EXPECT_EQ(report->events_dropped, 0u);
  EXPECT_EQ(seen, calls);
}

INSTANTIATE_TEST_SUITE_P(Tracer, Trace, ::testing::Values(false, true), tracer_name);

}  // namespace
}  // namespace shrike::sandbox::test
