// Signals: handlers and their frames, masks, restart, stop and go, what hostile frames can do.

#include <fcntl.h>
#include <linux/sched.h>
#include <sys/signalfd.h>
#include <sys/wait.h>

#include "sandbox/microvm/kernel/signal_frame.h"
#include "tests/unit/vm_kernel/guest.h"

namespace shrike::sandbox::microvm::testing {
namespace {
constexpr uint64_t data = Guest::data;
constexpr uint64_t handler = 0x401000;
constexpr uint64_t restorer_flag = 0x04000000;

SignalAction action(uint64_t flags = 0, uint64_t mask = 0) {
  return {.handler = handler, .flags = flags | restorer_flag, .restorer = 0x401800, .mask = mask};
}
// What a handler ends with: ret to the restorer, which makes the call.
Step give_back() {
  return [](Registers& registers) {
    registers.rsp += 8;
    return sys(SYS_rt_sigreturn)(registers);
  };
}
Step install(Guest& guest, int number, SignalAction what) {
  return then([&guest, what](int64_t) { guest.put(data + 0x1000, what); },
              sys(SYS_rt_sigaction, number, data + 0x1000, 0, 8));
}

TEST(Signal, AHandlerRunsAndEverythingIsAsBefore) {
  Guest guest;
  Registers before;
  guest.cpu.program(handler, {[&](Registers& registers) {
                                EXPECT_EQ(registers.rdi, static_cast<uint64_t>(SIGUSR1));
                                EXPECT_EQ(guest.get<int>(registers.rsi), SIGUSR1);
                                EXPECT_EQ(registers.rsp % 16, 8u);
                                return sys(SYS_getpid)(registers);
                              },
                              give_back()});
  guest.run({
      install(guest, SIGUSR1, action()),
      [&](Registers& registers) {
        registers.rbx = 0xb;
        registers.r15 = 0xf;
        before = registers;
        return sys(SYS_kill, 2, SIGUSR1)(registers);
      },
      [&](Registers& registers) {
        EXPECT_EQ(registers.rax, 0u);
        EXPECT_EQ(registers.rbx, 0xbu);
        EXPECT_EQ(registers.r15, 0xfu);
        EXPECT_EQ(registers.rsp, before.rsp);
        return leave()(registers);
      },
  });
  EXPECT_EQ(guest.report.status, Status::ok);
  const auto events = guest.events(CallKind::signal);
  ASSERT_EQ(events.size(), 1u);
  EXPECT_EQ(events[0].args[0], static_cast<uint64_t>(SIGUSR1));
  EXPECT_EQ(events[0].args[1], 2u);
}

TEST(Signal, ABlockedOneWaitsUntilItIsNot) {
  Guest guest;
  bool ran = false;
  guest.cpu.program(handler, {then([&](int64_t) { ran = true; }, sys(SYS_getpid)), give_back()});
  guest.run({
      install(guest, SIGUSR1, action()),
      then([&](int64_t) { guest.put(data, signal_bit(SIGUSR1)); }, sys(SYS_rt_sigprocmask, SIG_BLOCK, data, 0, 8)),
      sys(SYS_kill, 2, SIGUSR1),
      then([&](int64_t) { EXPECT_FALSE(ran); }, sys(SYS_rt_sigpending, data + 8, 8)),
      then([&](int64_t) { EXPECT_EQ(guest.get<uint64_t>(data + 8), signal_bit(SIGUSR1)); },
           sys(SYS_rt_sigprocmask, SIG_UNBLOCK, data, 0, 8)),
      then([&](int64_t) { EXPECT_TRUE(ran); }, leave()),
  });
  EXPECT_TRUE(ran);
}

TEST(Signal, ASleepIsInterruptedAndSaysWhatIsLeft) {
  Guest guest;
  guest.cpu.program(handler, {sys(SYS_getpid), give_back()});
  guest.run({
      install(guest, SIGALRM, action(SA_RESTART)),
      sys(SYS_alarm, 2),
      then(
          [&](int64_t) {
            guest.put(data, std::array<int64_t, 2>{10, 0});
          },
          sys(SYS_nanosleep, data, data + 32)),
      then(
          [&](int64_t result) {
            EXPECT_EQ(result, -EINTR);
            EXPECT_NEAR(static_cast<double>(guest.get<int64_t>(data + 32)), 8, 1);
          },
          leave()),
  });
  EXPECT_EQ(guest.report.status, Status::ok);
  EXPECT_GT(guest.report.virtual_ns, 1'900'000'000u);
  EXPECT_LT(guest.report.wall_ns, 1'000'000'000u);
}

TEST(Signal, AReadIsMadeAgainWithRestartAndEndsWithout) {
  for (const uint64_t flags : {uint64_t{SA_RESTART}, uint64_t{0}}) {
    Guest guest;
    guest.cpu.program(handler, {sys(SYS_getpid), give_back()});
    guest.run({
        install(guest, SIGALRM, action(flags)),
        sys(SYS_pipe, data),
        sys(SYS_alarm, 1),
        sys(SYS_read, 3, data + 64, 1),
        leave(),
    });
    const auto reads = guest.calls(SYS_read);
    ASSERT_FALSE(reads.empty());
    EXPECT_EQ(reads[0].result, -EINTR);
    // Made again it waits for something that cannot happen.
    EXPECT_EQ(guest.report.status, flags == 0 ? Status::ok : Status::timed_out);
  }
}

TEST(Signal, SuspendPutsTheOldMaskBackAfterTheHandler) {
  Guest guest;
  guest.cpu.program(handler, {sys(SYS_getpid), give_back()});
  guest.run({
      install(guest, SIGUSR1, action()),
      then([&](int64_t) { guest.put(data, signal_bit(SIGUSR1)); }, sys(SYS_rt_sigprocmask, SIG_SETMASK, data, 0, 8)),
      sys(SYS_kill, 2, SIGUSR1),
      then([&](int64_t) { guest.put(data, uint64_t{0}); }, sys(SYS_rt_sigsuspend, data, 8)),
      got(-EINTR, sys(SYS_rt_sigprocmask, SIG_BLOCK, 0, data, 8)),
      then([&](int64_t) { EXPECT_EQ(guest.get<uint64_t>(data), signal_bit(SIGUSR1)); }, leave()),
  });
  EXPECT_EQ(guest.report.status, Status::ok);
}

TEST(Signal, DefaultActionsEndStopAndContinue) {
  Guest guest;
  guest.run({
      sys(SYS_fork),
      [&](Registers& registers) {
        return registers.rax == 0 ? sys(SYS_pause)(registers) : sys(SYS_kill, 3, SIGSTOP)(registers);
      },
      sys(SYS_wait4, 3, data, WUNTRACED, 0),
      then([&](int64_t) { EXPECT_EQ(guest.get<int>(data), (SIGSTOP << 8) | 0x7f); }, sys(SYS_kill, 3, SIGCONT)),
      sys(SYS_wait4, 3, data, WCONTINUED, 0),
      then([&](int64_t) { EXPECT_EQ(guest.get<int>(data), 0xffff); }, sys(SYS_kill, 3, SIGSEGV)),
      sys(SYS_wait4, 3, data, 0, 0),
      then([&](int64_t) { EXPECT_EQ(guest.get<int>(data), SIGSEGV | 0x80); }, leave()),
  });
  EXPECT_EQ(guest.report.status, Status::ok);
}

TEST(Signal, KillEndsAlsoWhoIsStoppedOrBlocksEverything) {
  Guest guest;
  guest.run({
      sys(SYS_fork),
      [&](Registers& registers) {
        if (registers.rax != 0) return sys(SYS_sched_yield)(registers);
        guest.put(data, UINT64_MAX);
        return sys(SYS_rt_sigprocmask, SIG_SETMASK, data, 0, 8)(registers);
      },
      [&](Registers& registers) {
        return guest.system->current->process->pid == 3 ? sys(SYS_kill, 3, SIGSTOP)(registers)
                                                        : sys(SYS_wait4, 3, data, WUNTRACED, 0)(registers);
      },
      sys(SYS_kill, 3, SIGKILL),
      sys(SYS_wait4, 3, data, 0, 0),
      then([&](int64_t) { EXPECT_EQ(guest.get<int>(data), SIGKILL); }, leave()),
  });
  EXPECT_EQ(guest.report.status, Status::ok);
}

TEST(Signal, AFaultIsASegvWithItsAddress) {
  Guest guest;
  guest.cpu.program(handler, {[&](Registers& registers) {
                      EXPECT_EQ(guest.get<int>(registers.rsi + 8), SEGV_MAPERR);
                      EXPECT_EQ(guest.get<uint64_t>(registers.rsi + 16), 0x1234u);
                      return leave(5)(registers);
                    }});
  guest.run({
      install(guest, SIGSEGV, action()),
      [](Registers&) {
        Exit exit;
        exit.kind = Exit::Kind::fault;
        exit.address = 0x1234;
        exit.write = true;
        return exit;
      },
  });
  EXPECT_EQ(guest.report.exit_code, 5);
}

TEST(Signal, ExceptionsBecomeTheSignalsOfLinux) {
  for (const auto& [vector, number] : {std::pair(0, SIGFPE), std::pair(1, SIGTRAP), std::pair(3, SIGTRAP),
                                       std::pair(6, SIGILL), std::pair(13, SIGSEGV), std::pair(17, SIGBUS)}) {
    Guest guest;
    guest.run({[vector = vector](Registers&) {
      Exit exit;
      exit.kind = Exit::Kind::exception;
      exit.vector = static_cast<uint8_t>(vector);
      return exit;
    }});
    EXPECT_EQ(guest.report.status, Status::signalled);
    EXPECT_EQ(guest.report.signal, number);
  }
}

TEST(Signal, ABadStackOrNoRestorerEndsTheProcess) {
  for (const uint64_t rsp : {uint64_t{0}, uint64_t{64}, uint64_t{1} << 63, UINT64_MAX, user_highest}) {
    Guest guest;
    guest.run({
        install(guest, SIGUSR1, action()),
        [rsp](Registers& registers) {
          registers.rsp = rsp;
          return sys(SYS_kill, 2, SIGUSR1)(registers);
        },
        leave(),
    });
    EXPECT_EQ(guest.report.signal, SIGSEGV) << std::hex << rsp;
  }
  Guest guest;
  SignalAction without = action();
  without.flags = 0;
  guest.run({install(guest, SIGUSR1, without), sys(SYS_kill, 2, SIGUSR1), leave()});
  EXPECT_EQ(guest.report.signal, SIGSEGV);
}

TEST(Signal, AHostileFrameGivesOnlyWhatAProgramMayHave) {
  Guest guest;
  guest.run({
      [&](Registers& registers) {
        SignalFrame frame;
        frame.rip = Guest::first + 2;
        frame.rflags = UINT64_MAX;
        frame.cs = 0x10;
        frame.mask = UINT64_MAX;
        frame.rsp = data + 0x8000;
        frame.stack_flags = 77;
        guest.put(data, frame);
        registers.rsp = data + 8;
        return sys(SYS_rt_sigreturn)(registers);
      },
      [&](Registers& registers) {
        EXPECT_EQ(registers.rflags & 0x3000u, 0u) << "IOPL";
        EXPECT_EQ(registers.rflags & 0x20000u, 0u) << "VM";
        EXPECT_NE(registers.rflags & 0x200u, 0u) << "IF";
        EXPECT_EQ(guest.system->current->mask & unblockable, 0u);
        return leave(4)(registers);
      },
  });
  EXPECT_EQ(guest.report.exit_code, 4);
}

TEST(Signal, AFrameThatIsNotThereIsASegv) {
  for (const uint64_t rsp : {uint64_t{0}, uint64_t{8}, uint64_t{1} << 63, UINT64_MAX}) {
    Guest guest;
    guest.run({[rsp](Registers& registers) {
      registers.rsp = rsp;
      return sys(SYS_rt_sigreturn)(registers);
    }});
    EXPECT_EQ(guest.report.signal, SIGSEGV);
  }
}

TEST(Signal, AnFpuImageIsCleaned) {
  std::vector<std::byte> own(832), hostile(832, std::byte{0xff});
  own[512] = std::byte{7};
  own[28] = std::byte{0xff}, own[29] = std::byte{0xff};
  const auto clean = clean_fpu(hostile, own, 3);
  ASSERT_EQ(clean.size(), own.size());
  EXPECT_EQ(fpu_state(clean), 3u);
  for (size_t i = 520; i < 576; ++i) EXPECT_EQ(clean[i], std::byte{0});
  EXPECT_EQ(clean[26], std::byte{0}) << "MXCSR bits that do not exist";
  EXPECT_TRUE(clean_fpu(std::vector<std::byte>(100), own, 3).empty());
}

TEST(Signal, TheAlternateStackIsUsedAndTold) {
  Guest guest;
  struct Stack {
    uint64_t base;
    uint64_t flags;
    uint64_t size;
  };
  guest.cpu.program(handler,
                    {[&](Registers& registers) {
                       EXPECT_GT(registers.rsp, data + 0x4000);
                       EXPECT_LT(registers.rsp, data + 0x8000);
                       return sys(SYS_sigaltstack, 0, data)(registers);
                     },
                     then([&](int64_t) { EXPECT_EQ(guest.get<Stack>(data).flags, 1u); }, sys(SYS_sigaltstack, data, 0)),
                     got(-EPERM, give_back())});
  guest.run({
      then(
          [&](int64_t) {
            guest.put(data, Stack{data + 0x4000, 0, 0x4000});
          },
          sys(SYS_sigaltstack, data, 0)),
      install(guest, SIGUSR1, action(SA_ONSTACK)),
      sys(SYS_kill, 2, SIGUSR1),
      then(
          [&](int64_t) {
            guest.put(data, Stack{data, 0, 100});
          },
          sys(SYS_sigaltstack, data, 0)),
      got(-ENOMEM, leave()),
  });
  EXPECT_EQ(guest.report.status, Status::ok);
}

TEST(Signal, RealTimeOnesQueueInOrderAndNotWithoutEnd) {
  Guest guest;
  std::vector<Step> steps{
      then([&](int64_t) { guest.put(data, signal_bit(40)); }, sys(SYS_rt_sigprocmask, SIG_BLOCK, data, 0, 8))};
  for (size_t i = 0; i < signals_pending_most + 1; ++i) steps.push_back(sys(SYS_kill, 2, 40));
  steps.push_back(got(-EAGAIN, sys(SYS_rt_sigtimedwait, data, data + 64, 0, 8)));
  steps.push_back(got(40, leave()));
  guest.run(steps);
  EXPECT_EQ(guest.report.status, Status::ok);
}

TEST(Signal, WaitsForOneUpToATime) {
  Guest guest;
  guest.run({
      then(
          [&](int64_t) {
            guest.put(data, signal_bit(SIGUSR1));
            guest.put(data + 16, std::array<int64_t, 2>{3, 0});
          },
          sys(SYS_rt_sigtimedwait, data, 0, data + 16, 8)),
      got(-EAGAIN, sys(SYS_rt_sigtimedwait, data, 0, 1, 8)),
      got(-EFAULT, leave()),
  });
  EXPECT_GE(guest.report.virtual_ns, 3'000'000'000u);
}

TEST(Signal, ASignalfdReadsThem) {
  Guest guest;
  guest.run({
      then([&](int64_t) { guest.put(data, signal_bit(SIGUSR1)); }, sys(SYS_rt_sigprocmask, SIG_BLOCK, data, 0, 8)),
      sys(SYS_signalfd4, -1, data, 8, SFD_NONBLOCK),
      got(3, sys(SYS_read, 3, data + 64, 128)),
      got(-EAGAIN, sys(SYS_kill, 2, SIGUSR1)),
      sys(SYS_read, 3, data + 64, 128),
      then(
          [&](int64_t result) {
            EXPECT_EQ(result, 128);
            EXPECT_EQ(guest.get<uint32_t>(data + 64), static_cast<uint32_t>(SIGUSR1));
          },
          leave()),
  });
  EXPECT_EQ(guest.report.status, Status::ok);
}

TEST(Signal, WritingToAPipeThatNobodyReadsIsSigpipe) {
  Guest guest;
  guest.run({sys(SYS_pipe, data), sys(SYS_close, 3), sys(SYS_write, 4, data, 1), leave()});
  EXPECT_EQ(guest.report.status, Status::signalled);
  EXPECT_EQ(guest.report.signal, SIGPIPE);
}

TEST(Signal, NobodyMakesUpAnInfoOfTheKernels) {
  Guest guest;
  guest.run({
      sys(SYS_fork),
      [&](Registers& registers) {
        if (registers.rax == 0) return sys(SYS_pause)(registers);
        guest.put(data + 8, int32_t{SI_USER});
        return sys(SYS_rt_sigqueueinfo, 3, SIGUSR1, data)(registers);
      },
      got(-EPERM,
          then([&](int64_t) { guest.put(data + 8, int32_t{SI_QUEUE}); }, sys(SYS_rt_sigqueueinfo, 3, SIGUSR1, data))),
      got(0, sys(SYS_wait4, 3, 0, 0, 0)),
      leave(),
  });
  EXPECT_EQ(guest.report.status, Status::ok);
}

}  // namespace
}  // namespace shrike::sandbox::microvm::testing
