#include "agent/enrich/process_table.h"

#include "tests/unit/enrich/table_fixture.h"

namespace shrike::enrich::test {
namespace {

constexpr uint64_t second = 1'000'000'000;
using namespace std::string_view_literals;

TEST_F(Table, AnUnknownProcessIsMadeFromTheEventsTask) {
  const Process& process = apply(event(EventKind::open, task(10, 5, 1, 1, "cat"), 100));
  EXPECT_EQ(process.pid, 10u);
  EXPECT_EQ(process.name, "cat");
  EXPECT_EQ(process.user, "u0");
  EXPECT_EQ(process.parent, nullptr);
  EXPECT_EQ(table.size(), 1u);
}

TEST_F(Table, AForkedChildHasWhatItsParentHadUntilItExecutes) {
  apply(executed(task(10, 5, 1, 1, "bash"), 100, "/bin/bash", "bash\0-l\0"sv));
  Event fork = forked(task(10, 5, 1, 1, "bash"), 11, 200);
  table.apply(fork);
  ASSERT_NE(fork.target, nullptr);
  EXPECT_EQ(fork.target->exe, "/bin/bash");
  EXPECT_EQ(fork.target->argv, (std::vector<std::string>{"bash", "-l"}));
  EXPECT_EQ(fork.target->parent, fork.process);
  EXPECT_EQ(fork.target->ppid, 10u);
  const Process& child = apply(executed(task(11, 200, 10, 5, "cat"), 300, "/bin/cat", "cat\0/etc/shadow\0"sv));
  EXPECT_EQ(&child, fork.target);
  EXPECT_EQ(child.exe, "/bin/cat");
  EXPECT_EQ(child.argv, (std::vector<std::string>{"cat", "/etc/shadow"}));
  EXPECT_EQ(child.parent->exe, "/bin/bash");
  EXPECT_EQ(child.cwd, "/home");
}

TEST_F(Table, AnExecutableThatChangesWithoutAnExecIsNoticedOnce) {
  Task at = task(10, 5);
  at.exe_dev = 8;
  at.exe_inode = 100;
  Event ran = executed(at, 10, "/bin/one", "one");
  table.apply(ran);
  EXPECT_EQ(ran.process->run_inode, 100u);
  at.exe_inode = 200;
  for (const uint64_t when : {20, 30}) {
    Event open = event(EventKind::open, at, when);
    table.apply(open);
    EXPECT_EQ(open.process->poses_since_ns, 20u);
    EXPECT_EQ(open.process->run_inode, 100u) << "what it was run from";
    EXPECT_EQ(open.process->exe, "/bin/one");
  }
  Event again = executed(at, 40, "/bin/two", "two");
  table.apply(again);
  EXPECT_EQ(again.process->poses_since_ns, 0u);
  EXPECT_EQ(again.process->run_inode, 200u);
}

TEST_F(Table, ThreadsNeverBecomeProcesses) {
  Event thread = forked(task(10, 5), 12, 200);
  thread.flags = flag_thread;
  table.apply(thread);
  EXPECT_EQ(table.size(), 1u);
  Event end = event(EventKind::exit, task(10, 5), 300);
  end.flags = flag_thread;
  end.task.tid = 12;
  EXPECT_EQ(apply(end).exit_time_ns, 0u);
}

TEST_F(Table, AThreadsOwnNameIsNotItsProcesss) {
  apply(event(EventKind::open, task(10, 5, 0, 0, "server"), 100));
  Task worker = task(10, 5, 0, 0, "worker-1");
  worker.tid = 15;
  EXPECT_EQ(apply(event(EventKind::open, worker, 200)).name, "server");
}

TEST_F(Table, APidInUseAgainIsAnotherProcess) {
  apply(event(EventKind::open, task(10, 5, 0, 0, "old"), 100));
  const Process& now = apply(event(EventKind::open, task(10, 500, 0, 0, "new"), 600));
  EXPECT_EQ(now.name, "new");
  EXPECT_EQ(table.size(), 2u);
  EXPECT_EQ(table.find_pid(10), &now);
  EXPECT_EQ(table.find(10, 5)->name, "old");
  EXPECT_NE(table.find(10, 5)->exit_time_ns, 0u);
  EXPECT_EQ(table.live(), 1u);
}

TEST_F(Table, AProcessIsKeptAWhileAfterItsExit) {
  apply(event(EventKind::exit, task(10, 5), 100));
  EXPECT_NE(table.find(10, 5), nullptr);
  apply(event(EventKind::open, task(20, 6), 4 * second));
  EXPECT_NE(table.find(10, 5), nullptr);
  apply(event(EventKind::open, task(20, 6), 6 * second));
  EXPECT_EQ(table.find(10, 5), nullptr);
}

TEST_F(Table, AncestryOutlivesTheParentAndPpidFollowsTheReaper) {
  apply(executed(task(10, 5, 1, 1, "dropper"), 100, "/tmp/dropper", "dropper"sv));
  apply(forked(task(10, 5, 1, 1, "dropper"), 11, 200));
  apply(event(EventKind::exit, task(10, 5, 1, 1, "dropper"), 300));
  const Process& child = apply(event(EventKind::open, task(11, 200, 1, 1), 60 * second));
  EXPECT_EQ(child.ppid, 1u);
  ASSERT_NE(child.parent, nullptr);
  EXPECT_EQ(child.parent->exe, "/tmp/dropper");
  // With its last child the ancestor goes too.
  apply(event(EventKind::exit, task(11, 200, 1, 1), 61 * second));
  apply(event(EventKind::open, task(1, 1), 70 * second));
  EXPECT_EQ(table.size(), 1u);
}

TEST_F(Table, AParentSeenLaterIsLinkedThen) {
  apply(event(EventKind::open, task(11, 200, 10, 5), 300));
  apply(event(EventKind::open, task(10, 5), 400));
  EXPECT_EQ(apply(event(EventKind::open, task(11, 200, 10, 5), 500)).parent->pid, 10u);
}

TEST_F(Table, UsersAndContainersFollowTheTask) {
  EXPECT_EQ(apply(event(EventKind::open, task(10, 5), 100)).container, nullptr);
  Task moved = task(10, 5);
  moved.cgroup_id = 7;
  moved.uid = 33;
  const Process& process = apply(event(EventKind::setid, moved, 200));
  EXPECT_EQ(process.container, &lookup.seven);
  EXPECT_EQ(process.user, "u33");
  const int asked = lookup.asked;
  apply(event(EventKind::open, moved, 300));
  EXPECT_EQ(lookup.asked, asked);
}

TEST_F(Table, ManyArgumentsAreJoinedIntoTheLast) {
  std::string argv = "prog";
  argv += '\0';
  for (int i = 0; i < 1000; ++i) argv += std::string("x\0", 2);
  const Process& process = apply(executed(task(10, 5), 100, "/bin/prog", argv));
  EXPECT_EQ(process.argv.size(), argv_max_count);
  EXPECT_EQ(process.argv.back().substr(0, 3), "x x");
  EXPECT_FALSE(process.argv_truncated);
}

TEST_F(Table, EmptyArgumentsStay) {
  EXPECT_EQ(apply(executed(task(10, 5), 100, "/bin/p", "p\0\0a\0"sv)).argv, (std::vector<std::string>{"p", "", "a"}));
  EXPECT_TRUE(apply(executed(task(11, 5), 100, "/bin/p", ""sv)).argv.empty());
}

TEST_F(Table, TargetsOfSignalsAndPtraceAreFound) {
  apply(event(EventKind::open, task(20, 6, 0, 0, "victim"), 100));
  Event signal = event(EventKind::signal, task(10, 5), 200);
  signal.arg = {9, 20, 20, 0, 6};
  table.apply(signal);
  ASSERT_NE(signal.target, nullptr);
  EXPECT_EQ(signal.target->name, "victim");
  Event trace = event(EventKind::ptrace, task(10, 5), 300);
  trace.arg = {16, 20};
  table.apply(trace);
  EXPECT_EQ(trace.target, signal.target);
  // In another pid namespace the number means something else.
  trace = event(EventKind::ptrace, task(10, 5), 400);
  trace.arg = {16, 20};
  trace.task.vpid = 3;
  table.apply(trace);
  EXPECT_EQ(trace.target, nullptr);
}

TEST_F(Table, TheKernelsOwnAnswerNamesTheTargetInAnyPidNamespace) {
  apply(event(EventKind::open, task(7, 5, 0, 0, "other"), 100));
  apply(event(EventKind::open, task(20, 6, 0, 0, "victim"), 100));
  Task caller = task(10, 5);
  caller.vpid = 3;
  Event trace = event(EventKind::ptrace, caller, 200);
  trace.arg = {16, 7, 0, 0, 20, 6};  // 7 is the victim's number where the caller lives
  table.apply(trace);
  ASSERT_NE(trace.target, nullptr);
  EXPECT_EQ(trace.target->name, "victim");
  Event access = event(EventKind::vm_access, caller, 300);
  access.arg = {7, 1, 0, 0, 20, 6};
  table.apply(access);
  EXPECT_EQ(access.target, trace.target);
  // The number now belongs to another process: the one we know is not named in its place.
  access = event(EventKind::vm_access, task(10, 5), 400);
  access.arg = {20, 1, 0, 0, 20, 7};
  table.apply(access);
  EXPECT_EQ(access.target, nullptr);
}

TEST_F(Table, ASocketOnStandardInputIsRemembered) {
  Event dup = event(EventKind::dup, task(10, 5), 100);
  dup.socket.family = 2;
  dup.arg = {5, 0};
  EXPECT_TRUE(apply(dup).has_stdio_socket);
  EXPECT_TRUE(apply(executed(task(10, 5), 200, "/bin/sh", "sh"sv)).has_stdio_socket);
}

TEST_F(Table, AConnectionThatTookAFreeStandardDescriptorIsRememberedToo) {
  const auto after = [&](uint32_t pid, EventKind kind, uint64_t fd, int64_t result, uint16_t family = 2) {
    Event one = event(kind, task(pid, 5), 100);
    one.socket.family = family;
    one.arg[0] = fd;
    one.result = result;
    return apply(one).has_stdio_socket;
  };
  EXPECT_TRUE(after(10, EventKind::connect, 0, 0));
  EXPECT_TRUE(after(11, EventKind::connect, 2, -EINPROGRESS, 10));
  EXPECT_TRUE(after(12, EventKind::accept, 9, 1));
  EXPECT_FALSE(after(13, EventKind::connect, 3, 0));
  EXPECT_FALSE(after(14, EventKind::connect, 0, -ECONNREFUSED));
  EXPECT_FALSE(after(15, EventKind::connect, 0, 0, 1)) << "AF_UNIX";
  EXPECT_FALSE(after(16, EventKind::connect, static_cast<uint64_t>(-1), 0));
  EXPECT_FALSE(after(17, EventKind::accept, 0, 4));
}

}  // namespace
}  // namespace shrike::enrich::test
