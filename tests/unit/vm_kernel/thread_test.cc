// Threads, futexes, time.

#include <linux/futex.h>
#include <linux/sched.h>
#include <sys/eventfd.h>

#include "sandbox/microvm/kernel/times.h"
#include "tests/unit/vm_kernel/guest.h"

namespace shrike::sandbox::microvm::testing {
namespace {
constexpr uint64_t data = Guest::data;
constexpr uint64_t thread_flags = CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD;

Step new_thread(uint64_t more = 0, uint64_t child_tid = 0) {
  return sys(SYS_clone, thread_flags | more, data + 0x8000, 0, child_tid, 0);
}

TEST(Thread, WaitsForAWordUntilAnotherChangesItAndWakes) {
  Guest guest;
  guest.run({
      new_thread(),
      [&](Registers& registers) {
        if (registers.rax != 0) return sys(SYS_futex, data, FUTEX_WAIT | FUTEX_PRIVATE_FLAG, 0, 0)(registers);
        guest.put(data, 1);
        return sys(SYS_futex, data, FUTEX_WAKE | FUTEX_PRIVATE_FLAG, 1)(registers);
      },
      [&](Registers& registers) {
        if (guest.system->current->tid != 2) {
          EXPECT_EQ(registers.rax, 1u);
          return sys(SYS_exit, 0)(registers);
        }
        EXPECT_EQ(registers.rax, 0u);
        return sys(SYS_futex, data, FUTEX_WAIT, 0, 0)(registers);
      },
      got(-EAGAIN, leave()),
  });
  EXPECT_EQ(guest.report.status, Status::ok);
}

TEST(Thread, JoinSeesTheWordThatExitClears) {
  Guest guest;
  guest.run({
      then([&](int64_t) { guest.put(data, 99); }, new_thread(CLONE_CHILD_CLEARTID, data)),
      [&](Registers& registers) {
        return registers.rax == 0 ? sys(SYS_exit, 0)(registers) : sys(SYS_futex, data, FUTEX_WAIT, 99, 0)(registers);
      },
      then([&](int64_t) { EXPECT_EQ(guest.get<int>(data), 0); }, leave()),
  });
  EXPECT_EQ(guest.report.status, Status::ok);
}

TEST(Thread, AWaitEndsAtItsTimeAndTheClockJumps) {
  Guest guest;
  guest.run({
      then(
          [&](int64_t) {
            guest.put(data + 16, std::array<int64_t, 2>{3600, 0});
          },
          sys(SYS_futex, data, FUTEX_WAIT, 0, data + 16)),
      got(-ETIMEDOUT, leave()),
  });
  EXPECT_GE(guest.report.virtual_ns, 3600 * second_ns);
  EXPECT_LT(guest.report.wall_ns, second_ns);
}

TEST(Thread, SleepingForEverEndsTheJobAtOnceAndSaysSo) {
  for (const bool infinite : {true, false}) {
    Guest guest;
    guest.run({then(
        [&](int64_t) {
          guest.put(data, std::array<int64_t, 2>{INT64_MAX, 0});
        },
        infinite ? sys(SYS_pause) : sys(SYS_nanosleep, data, 0))});
    EXPECT_EQ(guest.report.status, Status::timed_out);
    EXPECT_FALSE(guest.report.cause.empty());
    EXPECT_LT(guest.report.wall_ns, second_ns);
  }
}

TEST(Thread, AMutexOfOneThatDiedIsMarked) {
  Guest guest;
  guest.run({
      new_thread(),
      [&](Registers& registers) {
        if (registers.rax != 0) return sys(SYS_sched_yield)(registers);
        // One entry, whose word is 32 bytes behind it, held by thread 3.
        guest.put(data, std::array<uint64_t, 3>{data + 32, 32, 0});
        guest.put(data + 32, uint64_t{data});
        guest.put(data + 64, uint32_t{3 | FUTEX_WAITERS});
        return sys(SYS_set_robust_list, data, 24)(registers);
      },
      [&](Registers& registers) {
        if (guest.system->current->tid == 3) return sys(SYS_exit, 0)(registers);
        return sys(SYS_futex, data + 64, FUTEX_WAIT, 3 | FUTEX_WAITERS, 0)(registers);
      },
      then([&](int64_t) { EXPECT_EQ(guest.get<uint32_t>(data + 64), FUTEX_OWNER_DIED | FUTEX_WAITERS); }, leave()),
  });
  EXPECT_EQ(guest.report.status, Status::ok);
}

TEST(Thread, ARobustListWithoutEndEnds) {
  Guest guest;
  guest.run({
      then(
          [&](int64_t) {
            guest.put(data, std::array<uint64_t, 3>{data + 32, UINT64_MAX - 3, 0});
            guest.put(data + 32, data + 32);
          },
          sys(SYS_set_robust_list, data, 24)),
      sys(SYS_exit, 3),
  });
  EXPECT_EQ(guest.report.exit_code, 3);
}

TEST(Thread, RequeueMovesAndWakeOpChangesAndCompares) {
  Guest guest;
  guest.run({
      new_thread(),
      [&](Registers& registers) {
        return registers.rax == 0 ? sys(SYS_futex, data, FUTEX_WAIT, 0, 0)(registers) : sys(SYS_sched_yield)(registers);
      },
      [&](Registers& registers) {
        if (guest.system->current->tid != 2) return sys(SYS_exit, 0)(registers);
        return sys(SYS_futex, data, FUTEX_CMP_REQUEUE, 0, 5, data + 8, 1)(registers);
      },
      got(-EAGAIN, sys(SYS_futex, data, FUTEX_CMP_REQUEUE, 0, 5, data + 8, 0)),
      got(1, sys(SYS_futex, data, FUTEX_WAKE, 5)),
      got(0, sys(SYS_futex, data, FUTEX_WAKE_OP, 1, 1, data + 8, FUTEX_OP(FUTEX_OP_ADD, 7, FUTEX_OP_CMP_EQ, 0))),
      then(
          [&](int64_t woken) {
            EXPECT_EQ(woken, 1);
            EXPECT_EQ(guest.get<int>(data + 8), 7);
          },
          sys(SYS_sched_yield)),
      leave(),
  });
  EXPECT_EQ(guest.report.status, Status::ok);
}

TEST(Thread, FutexSaysWhatIsWrong) {
  Guest guest;
  guest.run({
      sys(SYS_futex, 0, FUTEX_WAIT, 0, 0),
      got(-EFAULT, sys(SYS_futex, data + 1, FUTEX_WAIT, 0, 0)),
      got(-EINVAL, sys(SYS_futex, uint64_t{1} << 63, FUTEX_WAKE, 1)),
      got(-EFAULT, sys(SYS_futex, data, FUTEX_WAIT_BITSET, 0, 0, 0, 0)),
      got(-EINVAL, sys(SYS_futex, data, FUTEX_LOCK_PI, 0, 0)),
      got(-ENOSYS, leave()),
  });
  EXPECT_EQ(guest.report.calls_unknown, 1u);
}

TEST(Thread, ExitGroupEndsAllAndTheLastSaysSo) {
  Guest guest;
  guest.run({
      new_thread(),
      [&](Registers& registers) { return registers.rax == 0 ? leave(8)(registers) : sys(SYS_pause)(registers); },
  });
  EXPECT_EQ(guest.report.exit_code, 8);
  const auto exits = guest.events(CallKind::exit);
  ASSERT_EQ(exits.size(), 2u);
  EXPECT_EQ(exits[0].args[1], 0u);
  EXPECT_EQ(exits[1].args[1], 1u);
  ASSERT_EQ(guest.calls(SYS_pause).size(), 1u);
  EXPECT_EQ(guest.calls(SYS_pause)[0].flags, call_no_return);
}

TEST(Time, ClocksAgreeAndTimersFire) {
  Guest guest;
  guest.run({
      sys(SYS_clock_gettime, 0, data),
      sys(SYS_clock_gettime, 1, data + 16),
      got(0, sys(SYS_clock_gettime, 77, data)),
      got(-EINVAL, sys(SYS_clock_gettime, 1, 0)),
      then(
          [&](int64_t result) {
            EXPECT_EQ(result, -EFAULT);
            EXPECT_EQ(guest.get<int64_t>(data), 1'700'000'000);
            guest.put(data + 32, std::array<int64_t, 4>{0, 0, 5, 0});
          },
          sys(SYS_timerfd_create, 1, 0)),
      got(3, sys(SYS_timerfd_settime, 3, 0, data + 32, 0)),
      got(0, sys(SYS_read, 3, data + 64, 8)),
      then(
          [&](int64_t result) {
            EXPECT_EQ(result, 8);
            EXPECT_EQ(guest.get<uint64_t>(data + 64), 1u);
          },
          leave()),
  });
  EXPECT_GE(guest.report.virtual_ns, 5 * second_ns);
}

TEST(Time, APosixTimerCountsItsOverruns) {
  Guest guest;
  guest.run({
      then(
          [&](int64_t) {
            guest.put(data, signal_bit(SIGALRM));
            guest.put(data + 32, std::array<int64_t, 4>{1, 0, 1, 0});
          },
          sys(SYS_rt_sigprocmask, SIG_BLOCK, data, 0, 8)),
      sys(SYS_timer_create, 1, 0, data + 8),
      got(0, sys(SYS_timer_settime, 0, 0, data + 32, 0)),
      got(0, sys(SYS_rt_sigtimedwait, data, data + 128, 0, 8)),
      then(
          [&](int64_t result) {
            EXPECT_EQ(result, SIGALRM);
            EXPECT_EQ(guest.get<int>(data + 128 + 8), SI_TIMER);
          },
          sys(SYS_timer_delete, 0)),
      got(0, sys(SYS_timer_delete, 0)),
      got(-EINVAL, leave()),
  });
}

TEST(Time, PollAndSelectEndAtTheirTime) {
  Guest guest;
  guest.run({
      sys(SYS_eventfd2, 0, 0),
      then(
          [&](int64_t fd) {
            guest.put(data, std::array<int32_t, 2>{static_cast<int32_t>(fd), 1});
          },
          sys(SYS_poll, data, 1, 2000)),
      got(0,
          then([&](int64_t) { guest.put(data + 64, uint64_t{8}); }, sys(SYS_select, 4, data + 64, 0, 0, data + 128))),
      got(0, then([&](int64_t) { guest.put(data + 256, uint64_t{1}); }, sys(SYS_write, 3, data + 256, 8))),
      got(8, sys(SYS_poll, data, 1, -1)),
      got(1, sys(SYS_poll, data, UINT64_MAX, -1)),
      got(-EINVAL, sys(SYS_poll, 1, 1, -1)),
      got(-EFAULT, leave()),
  });
  EXPECT_EQ(guest.report.status, Status::ok);
  EXPECT_GE(guest.report.virtual_ns, 2 * second_ns);
}

}  // namespace
}  // namespace shrike::sandbox::microvm::testing
