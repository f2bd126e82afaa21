// Processes: made, given programs, waited for, ended.

#include <linux/sched.h>
#include <sys/wait.h>

#include "tests/unit/vm_kernel/guest.h"

namespace shrike::sandbox::microvm::testing {
namespace {
constexpr uint64_t data = Guest::data;

TEST(Process, EndsWithTheCodeThatItGaveAndEveryCallIsTold) {
  Guest guest;
  guest.run({sys(SYS_getpid), got(2, sys(SYS_getppid)), got(1, sys(SYS_exit_group, 7))});
  EXPECT_EQ(guest.report.status, Status::ok);
  EXPECT_EQ(guest.report.exit_code, 7);
  EXPECT_EQ(guest.report.calls, 3u);
  ASSERT_EQ(guest.told.size(), 6u);  // start, exec, three calls, exit
  for (size_t i = 0; i < guest.told.size(); ++i) EXPECT_EQ(guest.told[i].seq, i);
  EXPECT_EQ(guest.told[1].texts[0].text, "/bin/first");
  EXPECT_EQ(guest.told[4].flags, call_no_return);
  EXPECT_EQ(guest.told[5].kind, CallKind::exit);
  EXPECT_EQ(guest.told[5].args[0], 7u << 8);
}

TEST(Process, ForkGivesTheChildACopyThatIsItsOwn) {
  Guest guest;
  guest.run({
      then([&](int64_t) { guest.put(data, 1); }, sys(SYS_fork)),
      [&](Registers& registers) {
        if (registers.rax == 0) {
          guest.put(data, 2);
          return leave(3)(registers);
        }
        EXPECT_EQ(registers.rax, 3u);
        return sys(SYS_wait4, -1, data + 8, 0, 0)(registers);
      },
      then(
          [&](int64_t pid) {
            EXPECT_EQ(pid, 3);
            EXPECT_EQ(guest.get<int>(data), 1);
            EXPECT_EQ(guest.get<int>(data + 8), 3 << 8);
          },
          sys(SYS_wait4, -1, 0, 0, 0)),
      got(-ECHILD, leave()),
  });
  EXPECT_EQ(guest.report.status, Status::ok);
  ASSERT_EQ(guest.report.processes.size(), 2u);
  EXPECT_EQ(guest.report.processes[1].parent, 2u);
  EXPECT_EQ(guest.report.processes[1].wait_status, 3 << 8);
  EXPECT_EQ(guest.events(CallKind::start).size(), 2u);
  EXPECT_EQ(guest.events(CallKind::exit).size(), 2u);
}

TEST(Process, ExecReplacesProgramHandlersAndMarkedDescriptors) {
  Guest guest;
  guest.cpu.program(Guest::second, {
                                       sys(SYS_fcntl, 3, 1),
                                       got(-EBADF, sys(SYS_fcntl, 4, 1)),
                                       got(0, leave(9)),
                                   });
  guest.run({
      then([&](int64_t) { guest.text(data, "/etc/motd"); }, sys(SYS_open, data, 0x80000)),
      got(3, sys(SYS_open, data, 0)),
      then(
          [&](int64_t fd) {
            EXPECT_EQ(fd, 4);
            guest.text(data, "/bin/second");
            guest.text(data + 64, "word");
            guest.put(data + 128, std::array<uint64_t, 3>{data, data + 64, 0});
          },
          sys(SYS_execve, data, data + 128, 0)),
  });
  EXPECT_EQ(guest.report.exit_code, 9);
  const auto execs = guest.events(CallKind::exec);
  ASSERT_EQ(execs.size(), 2u);
  EXPECT_EQ(execs[1].texts[0].text, "/bin/second");
  EXPECT_EQ(execs[1].texts[1].text, std::string("/bin/second\0word\0", 17));
  EXPECT_EQ(execs[1].texts[2].text, "/tmp");
  ASSERT_EQ(guest.calls(SYS_execve).size(), 1u);
  EXPECT_EQ(guest.calls(SYS_execve)[0].flags, call_no_return);
}

TEST(Process, AScriptRunsItsInterpreterWithItsPath) {
  Guest guest;
  guest.cpu.program(Guest::second, {leave(4)});
  guest.run({then(
      [&](int64_t) {
        guest.text(data, "/bin/script");
        guest.put(data + 128, std::array<uint64_t, 2>{data, 0});
      },
      sys(SYS_execve, data, data + 128, 0))});
  EXPECT_EQ(guest.report.exit_code, 4);
  EXPECT_EQ(guest.events(CallKind::exec).back().texts[1].text, std::string("/bin/second\0-x\0/bin/script\0", 27));
}

TEST(Process, ExecThatFailsLeavesTheProgramAsItWas) {
  Guest guest;
  guest.run({
      then([&](int64_t) { guest.text(data, "/etc/motd"); }, sys(SYS_execve, data, 0, 0)),
      got(-EACCES, sys(SYS_execve, data + 64, 0, 0)),
      got(-ENOENT, sys(SYS_execve, 1, 0, 0)),
      got(-EFAULT, then([&](int64_t) { guest.text(data, "/bin/second"); }, sys(SYS_execve, data, 1, 0))),
      got(-EFAULT, sys(SYS_execve, data, uint64_t{1} << 63, 0)),
      got(-EFAULT, leave(1)),
  });
  EXPECT_EQ(guest.report.exit_code, 1);
  EXPECT_EQ(guest.events(CallKind::exec).size(), 1u);
}

TEST(Process, VforkParentWaitsUntilTheChildHasAnotherProgram) {
  Guest guest;
  std::string order;
  guest.cpu.program(Guest::second, {then([&](int64_t) { order += "exec "; }, leave())});
  guest.run({
      then(
          [&](int64_t) {
            guest.text(data, "/bin/second");
            guest.put(data + 128, std::array<uint64_t, 2>{data, 0});
          },
          sys(SYS_vfork)),
      [&](Registers& registers) {
        order += registers.rax == 0 ? "child " : "parent ";
        return registers.rax == 0 ? sys(SYS_execve, data, data + 128, 0)(registers)
                                  : sys(SYS_wait4, -1, 0, 0, 0)(registers);
      },
      leave(),
  });
  EXPECT_TRUE(order.starts_with("child ")) << order;
  EXPECT_NE(order.find("parent"), std::string::npos);
  EXPECT_EQ(guest.report.status, Status::ok);
}

TEST(Process, OrphansGoToTheInitNobodySeesAndLeaveNoZombie) {
  Guest guest;
  guest.run({
      sys(SYS_fork),
      [&](Registers& registers) {
        return registers.rax == 0 ? sys(SYS_fork)(registers) : sys(SYS_wait4, -1, 0, 0, 0)(registers);
      },
      [&](Registers& registers) {
        // The grandchild, whose parent ends at once; the first process after its wait ends as well.
        return registers.rax == 0 ? sys(SYS_sched_yield)(registers) : leave()(registers);
      },
      sys(SYS_sched_yield),
      sys(SYS_sched_yield),
      sys(SYS_getppid),
      got(1, leave(5)),
  });
  EXPECT_EQ(guest.report.status, Status::ok);
  EXPECT_EQ(guest.report.exit_code, 0);
  EXPECT_TRUE(guest.system->table.empty() || guest.system->threads.empty());
  EXPECT_EQ(guest.report.processes.size(), 3u);
}

TEST(Process, AParentThatWaitsHearsOfAChildThatATimerEndedWhileAllWaited) {
  Guest guest;
  guest.run({
      sys(SYS_fork),
      [&](Registers& registers) {
        return registers.rax == 0 ? sys(SYS_alarm, 1)(registers) : sys(SYS_wait4, -1, data, 0, 0)(registers);
      },
      [&](Registers& registers) {
        if (registers.rax == 0) return sys(SYS_pause)(registers);
        EXPECT_EQ(guest.get<int>(data), SIGALRM);
        return leave(6)(registers);
      },
  });
  EXPECT_EQ(guest.report.status, Status::ok) << guest.report.cause;
  EXPECT_EQ(guest.report.exit_code, 6);
}

TEST(Process, AForkBombEndsInEagainAndTheJobGoesOn) {
  Guest guest([](KernelOptions& options) { options.limits.processes = 8; });
  std::vector<Step> steps;
  for (int i = 0; i < 40; ++i) steps.push_back(sys(SYS_fork));
  steps.push_back(leave());
  guest.run(steps);
  EXPECT_EQ(guest.report.status, Status::ok);
  size_t refused = 0;
  for (const Call& call : guest.calls(SYS_fork)) refused += call.result == -EAGAIN;
  EXPECT_GT(refused, 0u);
  // At no time were there more than eight.
  std::ptrdiff_t alive = 0;
  for (const Call& each : guest.told) {
    if (each.kind == CallKind::start) ++alive;
    if (each.kind == CallKind::exit) --alive;
    EXPECT_LE(alive, 8);
  }
}

TEST(Process, CloneRefusesWhatMakesNoSense) {
  Guest guest;
  guest.run({
      sys(SYS_clone, CLONE_THREAD, 0, 0, 0, 0),
      got(-EINVAL, sys(SYS_clone, CLONE_SIGHAND, 0, 0, 0, 0)),
      got(-EINVAL, sys(SYS_clone, CLONE_NEWUSER | SIGCHLD, 0, 0, 0, 0)),
      got(-EPERM, sys(SYS_clone3, 0, 8)),
      got(-EINVAL, sys(SYS_clone3, 0, 88)),
      got(-EFAULT, sys(SYS_clone3, uint64_t{1} << 63, 5000)),
      got(-E2BIG, leave()),
  });
  EXPECT_EQ(guest.report.calls_denied, 1u);
  ASSERT_EQ(guest.report.refusals.size(), 1u);
  EXPECT_EQ(guest.report.refusals[0].call, "clone with a namespace");
}

TEST(Process, ExecFromAThreadEndsTheOthersAndKeepsThePid) {
  Guest guest;
  guest.cpu.program(Guest::second, {sys(SYS_getpid), got(2, sys(SYS_gettid)), got(2, leave(6))});
  guest.run({
      then(
          [&](int64_t) {
            guest.text(data, "/bin/second");
            guest.put(data + 128, std::array<uint64_t, 2>{data, 0});
          },
          sys(SYS_clone, CLONE_VM | CLONE_SIGHAND | CLONE_THREAD, data + 0x8000, 0, 0, 0)),
      [&](Registers& registers) {
        return registers.rax == 0 ? sys(SYS_execve, data, data + 128, 0)(registers) : sys(SYS_pause)(registers);
      },
  });
  EXPECT_EQ(guest.report.exit_code, 6);
  EXPECT_EQ(guest.events(CallKind::exit).size(), 2u);
}

TEST(Process, WaitidTellsWhatHappenedAndLeavesItWithWnowait) {
  Guest guest;
  guest.run({
      sys(SYS_fork),
      [&](Registers& registers) {
        return registers.rax == 0 ? leave(5)(registers)
                                  : sys(SYS_waitid, P_ALL, 0, data, WEXITED | WNOWAIT, 0)(registers);
      },
      got(0, sys(SYS_waitid, P_PID, 3, data + 256, WEXITED, 0)),
      then(
          [&](int64_t result) {
            EXPECT_EQ(result, 0);
            EXPECT_EQ(guest.get<int>(data), SIGCHLD);
            EXPECT_EQ(guest.get<int>(data + 8), CLD_EXITED);
            EXPECT_EQ(guest.get<int>(data + 16), 3);
            EXPECT_EQ(guest.get<int>(data + 24), 5);
            EXPECT_EQ(guest.get<int>(data + 256 + 24), 5);
          },
          sys(SYS_waitid, P_ALL, 0, data, 0, 0)),
      got(-EINVAL, sys(SYS_waitid, P_ALL, 0, data, WEXITED, 0)),
      got(-ECHILD, leave()),
  });
  EXPECT_EQ(guest.report.status, Status::ok);
}

TEST(Process, SessionsAndGroupsHoldAsOnLinux) {
  Guest guest;
  guest.run({
      sys(SYS_setsid),
      got(-EPERM, sys(SYS_fork)),
      [&](Registers& registers) {
        return registers.rax == 0 ? sys(SYS_setsid)(registers) : sys(SYS_wait4, -1, 0, 0, 0)(registers);
      },
      then([&](int64_t result) { EXPECT_EQ(result, 3); },
           [&](Registers& registers) {
             return guest.system->current->process->pid == 3 ? sys(SYS_getsid, 0)(registers) : leave()(registers);
           }),
      got(3, sys(SYS_setpgid, 0, 0)),
      got(-EPERM, sys(SYS_setpgid, 99, 0)),
      got(-ESRCH, leave()),
  });
  EXPECT_EQ(guest.report.status, Status::ok);
}

}  // namespace
}  // namespace shrike::sandbox::microvm::testing
