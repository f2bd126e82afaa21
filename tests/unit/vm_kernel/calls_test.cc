// What is there of Linux's calls, what is refused, and how that is told.

#include <fcntl.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <set>

#include "sandbox/microvm/kernel/call_table.h"
#include "tests/unit/vm_kernel/guest.h"

namespace shrike::sandbox::microvm::testing {
namespace {
constexpr uint64_t data = Guest::data;

Step exit_of(Exit::Kind kind, const char* what = "") {
  return [kind, what](Registers&) {
    Exit exit;
    exit.kind = kind;
    exit.what = what;
    return exit;
  };
}

TEST(Calls, EveryCallOfLinuxIsInTheTableOnce) {
  std::set<int> numbers;
  std::set<std::string> names;
  for (const CallEntry& entry : all_calls()) {
    EXPECT_TRUE(numbers.insert(entry.number).second) << entry.name;
    EXPECT_TRUE(names.insert(entry.name).second) << entry.name;
    EXPECT_EQ(entry.handler != nullptr, entry.support == Support::handled) << entry.name;
    EXPECT_EQ(find_call(entry.number), &entry);
  }
  // x86-64 has 0 to 334 and, with all architectures, from 424 on.
  for (int number = 0; number <= 334; ++number) EXPECT_TRUE(numbers.contains(number)) << number;
  for (int number = 424; number <= 462; ++number) EXPECT_TRUE(numbers.contains(number)) << number;
  for (const int64_t number : {int64_t{335}, int64_t{423}, int64_t{463}, int64_t{-1}, INT64_MAX, INT64_MIN})
    EXPECT_EQ(find_call(number), nullptr);
}

// What is dispatched is what the table says: the same call is made here for each entry.
TEST(Calls, WhatTheTableSaysIsWhatHappens) {
  for (const CallEntry& entry : all_calls()) {
    if (entry.support == Support::handled) continue;
    Guest guest;
    guest.run({sys(entry.number, 0, 0, 0, 0, 0, 0), got(entry.result, leave())});
    const auto told = guest.calls(entry.number);
    ASSERT_EQ(told.size(), 1u) << entry.name;
    EXPECT_EQ((told[0].flags & call_denied) != 0, entry.support == Support::refused) << entry.name;
    EXPECT_EQ((told[0].flags & call_unknown) != 0, entry.support == Support::missing) << entry.name;
    EXPECT_EQ(guest.report.refusals.size(), entry.support == Support::constant ? 0u : 1u) << entry.name;
  }
}

// Each handler takes arguments that are edges, all the same and mixed, and the job goes on.
TEST(Calls, EveryHandlerTakesEdgesOfPointersAndLengths) {
  constexpr uint64_t edges[] = {0,
                                1,
                                page_bytes - 1,
                                0x7fffffff,
                                0xffffffff,
                                user_highest - 1,
                                user_highest,
                                uint64_t{1} << 47,
                                uint64_t{1} << 63,
                                UINT64_MAX,
                                data,
                                data + 0xffff};
  for (const CallEntry& entry : all_calls()) {
    if (entry.support != Support::handled) continue;
    for (size_t i = 0; i < std::size(edges); ++i) {
      Guest guest([](KernelOptions& options) { options.limits.wall = std::chrono::milliseconds(200); });
      const uint64_t a = edges[i], b = edges[(i + 5) % std::size(edges)];
      guest.run({sys(entry.number, a, a, a, a, a, a), sys(entry.number, 0, a, b, a, b, a),
                 sys(entry.number, b, data, a, b, data, a), leave()});
      EXPECT_NE(guest.report.status, Status::internal_error) << entry.name;
      EXPECT_FALSE(guest.calls(entry.number).empty()) << entry.name;
    }
  }
}

TEST(Calls, StrictEndsTheJobAtTheFirstRefusal) {
  Guest guest([](KernelOptions& options) { options.profile = Profile::strict; });
  guest.run({sys(SYS_getpid), sys(SYS_ptrace, 0), sys(SYS_getpid), leave()});
  EXPECT_EQ(guest.report.status, Status::violation);
  EXPECT_EQ(guest.report.cause, "ptrace: never allowed");
  EXPECT_EQ(guest.calls(SYS_getpid).size(), 1u);
  ASSERT_EQ(guest.calls(SYS_ptrace).size(), 1u);
  EXPECT_TRUE(guest.calls(SYS_ptrace)[0].flags & call_denied);
}

TEST(Calls, OtherWaysIntoTheKernelAreRefusedAndTold) {
  Guest guest;
  guest.run({
      sys(0x40000000 | SYS_getpid),
      got(-ENOSYS,
          [](Registers& registers) {
            registers.rax = 20;  // getpid of i386
            registers.rbx = 0x1'2345'6789;
            Exit exit;
            exit.kind = Exit::Kind::foreign_call;
            return exit;
          }),
      got(-ENOSYS, leave(2)),
  });
  EXPECT_EQ(guest.report.exit_code, 2);
  EXPECT_EQ(guest.report.calls_denied, 2u);
  EXPECT_EQ(guest.told[2].abi, CallAbi::x32);
  EXPECT_EQ(guest.told[2].number, SYS_getpid);
  EXPECT_EQ(guest.told[3].abi, CallAbi::i386);
  EXPECT_EQ(guest.told[3].args[0], 0x23456789u);
}

TEST(Calls, WhatNoProgramDoesIsAViolationOrASegv) {
  for (const Profile profile : {Profile::strict, Profile::observe}) {
    Guest guest([&](KernelOptions& options) { options.profile = profile; });
    guest.run({exit_of(Exit::Kind::violation, "wrote to the exit page"), leave()});
    EXPECT_EQ(guest.report.status, profile == Profile::strict ? Status::violation : Status::signalled);
    ASSERT_EQ(guest.report.refusals.size(), 1u);
    EXPECT_EQ(guest.report.refusals[0].call, "wrote to the exit page");
  }
}

TEST(Calls, ABrokenMachineIsOurError) {
  Guest guest;
  guest.run({exit_of(Exit::Kind::broken, "KVM_RUN: nonsense")});
  EXPECT_EQ(guest.report.status, Status::internal_error);
  EXPECT_EQ(guest.report.cause, "KVM_RUN: nonsense");
}

TEST(Calls, WhatIsBeyondTheLimitIsCounted) {
  Guest guest([](KernelOptions& options) { options.limits.calls = 10; });
  std::vector<Step> steps;
  for (int i = 0; i < 50; ++i) steps.push_back(sys(SYS_getpid));
  steps.push_back(leave());
  guest.run(steps);
  EXPECT_EQ(guest.report.calls, 51u);
  EXPECT_EQ(guest.report.events_told + guest.report.events_dropped, 54u);
  EXPECT_EQ(guest.report.events_told, guest.told.size());
  EXPECT_EQ(guest.told.back().kind, CallKind::exit);
  EXPECT_EQ(guest.told.back().seq, 53u);
}

TEST(Calls, AnArgumentIsToldAsItWasWhenItWasChecked) {
  Guest guest;
  guest.run({
      then([&](int64_t) { guest.text(data, "/etc/motd"); }, sys(SYS_open, data, 0)),
      then([&](int64_t) { guest.text(data, "/other"); }, leave()),
  });
  const auto opens = guest.calls(SYS_open);
  ASSERT_EQ(opens.size(), 1u);
  ASSERT_EQ(opens[0].texts.size(), 2u);
  EXPECT_EQ(opens[0].texts[0], (CallText{TextKind::path, "/etc/motd"}));
  EXPECT_EQ(opens[0].texts[1], (CallText{TextKind::full_path, "/etc/motd"}));
  EXPECT_EQ(opens[0].result, 3);
}

TEST(Calls, AnOpenat2IsToldWithItsFlagsAsTheyWereWhenTheyWereChecked) {
  Guest guest;
  const uint64_t how[] = {O_RDONLY, 0, 0};
  const std::string bytes(reinterpret_cast<const char*>(how), sizeof how);
  guest.run({
      then(
          [&](int64_t) {
            guest.text(data, "/etc/motd");
            guest.text(data + 64, bytes);
          },
          sys(SYS_openat2, static_cast<uint64_t>(AT_FDCWD), data, data + 64, sizeof how)),
      then([&](int64_t) { guest.text(data + 64, std::string(24, '\xff')); }, leave()),
  });
  const auto opens = guest.calls(SYS_openat2);
  ASSERT_EQ(opens.size(), 1u);
  ASSERT_FALSE(opens[0].texts.empty());
  EXPECT_EQ(opens[0].texts[0], (CallText{TextKind::open_how, bytes}));
  EXPECT_EQ(opens[0].result, 3);
}

TEST(Calls, APathThatCannotBeReadIsToldAsSuch) {
  Guest guest;
  guest.run({sys(SYS_open, 1, 0), got(-EFAULT, leave())});
  EXPECT_TRUE(guest.calls(SYS_open)[0].flags & call_memory);
  EXPECT_TRUE(guest.calls(SYS_open)[0].texts.empty());
}

TEST(Calls, AHundredThousandOfSeveralThreadsAndProcessesAreAllTold) {
  Guest guest([](KernelOptions& options) { options.limits.cpu = options.limits.wall = std::chrono::hours(1); });
  constexpr int each = 25'000;
  std::map<uint32_t, int> made;
  guest.run({
      sys(SYS_fork),
      sys(SYS_fork),
      [&](Registers& registers) {
        const uint32_t pid = guest.system->current->process->pid;
        if (made[pid]++ == each) return leave()(registers);
        registers.rip -= 2;
        return sys(SYS_getppid, made[pid])(registers);
      },
  });
  ASSERT_EQ(made.size(), 4u);
  std::map<uint32_t, uint64_t> next;
  for (const Call& call : guest.calls(SYS_getppid)) EXPECT_EQ(call.args[0], ++next[call.pid]);
  for (const auto& [pid, count] : next) EXPECT_EQ(count, uint64_t{each}) << pid;
  for (size_t i = 0; i < guest.told.size(); ++i) ASSERT_EQ(guest.told[i].seq, i);
}

}  // namespace
}  // namespace shrike::sandbox::microvm::testing
