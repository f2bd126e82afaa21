#include "agent/detonate/converter.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/socket.h>

#include <csignal>

#include "tests/unit/detonate/made_calls.h"

namespace shrike::detonate {
namespace {
using test::Call;
using test::CallKind;
using test::TextKind;

class ConverterTest : public testing::Test {
 protected:
  ConverterTest() { convert(tell.exec("/bin/sh", std::string("sh\0-c\0x", 7))); }

  /// The event's views point into the call: both are kept here.
  const Event& convert(Call call) {
    last = std::move(call);
    made = converter.convert(last, event);
    return event;
  }
  const Event& one(long number, std::array<uint64_t, 6> args, int64_t result = 0, test::Texts texts = {}) {
    return convert(tell.call(number, args, result, texts));
  }

  test::Teller tell;
  Converter converter{{.job = "job-1", .wall_offset_ns = 1'000, .uid = 0, .gid = 0}};
  Call last;
  Event event;
  bool made = false;
};

TEST_F(ConverterTest, EveryEventIsMarkedTimedAndOfItsProcess) {
  const Event& e = one(SYS_getppid, {});
  EXPECT_EQ(e.kind, EventKind::call);
  EXPECT_EQ(e.syscall, SYS_getppid);
  EXPECT_EQ(e.flags, flag_sandbox);
  EXPECT_EQ(e.time_ns, last.time_ns + 1'000);
  EXPECT_EQ(e.boot_ns, last.time_ns);
  EXPECT_EQ(e.task.pid, 1u);
  EXPECT_EQ(e.task.name(), "sh");
}

TEST_F(ConverterTest, AnExecHasItsProgramArgumentsAndFolder) {
  const Event& e = convert(tell.exec("/usr/bin/very-long-program-name", std::string("a\0b", 3), "/home"));
  EXPECT_EQ(e.kind, EventKind::exec);
  EXPECT_EQ(e.real_path, "/usr/bin/very-long-program-name");
  EXPECT_EQ(e.path2.text, std::string_view("a\0b", 3));
  EXPECT_EQ(e.cwd, "/home");
  EXPECT_EQ(e.task.name(), "very-long-progr");
  EXPECT_EQ(e.arg[2], 2u);
}

TEST_F(ConverterTest, AnExecThatFailedIsOneOfItsOwnKindAndOneThatWorkedIsToldOnce) {
  const test::Texts texts = {{TextKind::path, "/nowhere"}, {TextKind::argv, std::string("x\0y", 3)}};
  EXPECT_EQ(one(SYS_execve, {}, -ENOENT, texts).kind, EventKind::exec_failed);
  EXPECT_EQ(event.full_path, "/nowhere");
  EXPECT_EQ(event.path2.text, std::string_view("x\0y", 3));
  EXPECT_EQ(one(SYS_execve, {}, 0, texts).kind, EventKind::call);
}

TEST_F(ConverterTest, AForkNamesItsChildWhichInheritsItsParent) {
  const Event& e = convert(tell.start(2, 1, SIGCHLD));
  EXPECT_TRUE(made);
  EXPECT_EQ(e.kind, EventKind::fork);
  EXPECT_EQ(e.task.pid, 1u);
  EXPECT_EQ(e.arg[0], static_cast<uint64_t>(SIGCHLD));
  EXPECT_EQ(e.arg[1], 2u);
  EXPECT_GT(e.arg[3], e.task.start_ns);
  tell.pid = 2;
  one(SYS_getppid, {});
  EXPECT_EQ(event.task.ppid, 1u);
  EXPECT_EQ(event.task.name(), "sh");
  EXPECT_LT(event.task.parent_start_ns, event.task.start_ns);
}

TEST_F(ConverterTest, TheFirstProcessIsForkedByNobodyAndAThreadIsNoProcess) {
  convert(tell.start(1, 0));
  EXPECT_FALSE(made);
  Call thread = tell.start(1, 1, CLONE_THREAD | CLONE_VM);
  thread.tid = 9;
  EXPECT_EQ(convert(thread).kind, EventKind::fork);
  EXPECT_EQ(event.flags & flag_thread, flag_thread);
  EXPECT_EQ(event.arg[2], 9u);
}

TEST_F(ConverterTest, AnExitHasCodeSignalAndLifetime) {
  const Event& e = convert(tell.exit(1, 3 << 8));
  EXPECT_EQ(e.kind, EventKind::exit);
  EXPECT_EQ(e.arg[1], 3u);
  EXPECT_EQ(e.arg[2], 0u);
  EXPECT_GT(e.arg[0], 0u);
  Call thread = tell.thing(CallKind::exit, 1, {9, 0});
  EXPECT_EQ(convert(thread).flags & flag_thread, flag_thread);
  EXPECT_EQ(event.arg[2], 9u);
}

TEST_F(ConverterTest, ASignalIsItsSendersAndTheKernelsAreNone) {
  convert(tell.start(2, 1));
  const Event& e = convert(tell.thing(CallKind::signal, 2, {SIGKILL, 1, 0}));
  EXPECT_TRUE(made);
  EXPECT_EQ(e.kind, EventKind::signal);
  EXPECT_EQ(e.task.pid, 1u);
  EXPECT_EQ(e.arg[0], static_cast<uint64_t>(SIGKILL));
  EXPECT_EQ(e.arg[1], 2u);
  EXPECT_NE(e.arg[4], 0u);
  convert(tell.thing(CallKind::signal, 2, {SIGSEGV, 0, 1}));
  EXPECT_FALSE(made);
}

TEST_F(ConverterTest, AnOpenHasFlagsModeDescriptorAndPaths) {
  const Event& e = one(SYS_openat, {static_cast<uint64_t>(-100), 0, O_WRONLY | O_CREAT, 0600}, 5,
                       {{TextKind::path, "/tmp/../tmp/x"}, {TextKind::full_path, "/private/x"}});
  EXPECT_EQ(e.kind, EventKind::open);
  EXPECT_EQ(e.arg[0], static_cast<uint64_t>(O_WRONLY | O_CREAT));
  EXPECT_EQ(e.arg[1], 0600u);
  EXPECT_EQ(e.arg[4], 5u);
  EXPECT_EQ(e.path.text, "/tmp/../tmp/x");
  EXPECT_EQ(e.full_path, "/tmp/x") << "as text";
  EXPECT_EQ(e.real_path, "/private/x") << "links followed";
}

TEST_F(ConverterTest, AnOpenat2IsJudgedByTheFlagsInItsMemory) {
  const uint64_t how[] = {O_WRONLY | O_CREAT, 0600, 8};
  const std::string bytes(reinterpret_cast<const char*>(how), sizeof how);
  const Event& e = one(SYS_openat2, {static_cast<uint64_t>(-100), 0, 0x7ffe0000, sizeof how}, 5,
                       {{TextKind::path, "/tmp/x"}, {TextKind::full_path, "/tmp/x"}, {TextKind::open_how, bytes}});
  EXPECT_EQ(e.kind, EventKind::open);
  EXPECT_EQ(e.arg[0], static_cast<uint64_t>(O_WRONLY | O_CREAT));
  EXPECT_EQ(e.arg[1], 0600u);
  EXPECT_EQ(e.arg[3], 8u);
  EXPECT_EQ(convert(tell.exec("/tmp/x", "x")).flags & flag_upper, flag_upper) << "the job has written it";
}

TEST_F(ConverterTest, AnOpenat2WithoutItsMemoryIsStillAnOpen) {
  for (const std::string& bytes : {std::string(), std::string(7, '\xff'), std::string(23, '\xff')}) {
    const Event& e = one(SYS_openat2, {static_cast<uint64_t>(-100), 0, 1, 24}, -EFAULT,
                         {{TextKind::path, "/tmp/x"}, {TextKind::open_how, bytes}});
    EXPECT_EQ(e.kind, EventKind::open);
    EXPECT_EQ(e.arg[0], 0u);
  }
}

TEST_F(ConverterTest, ARelativePathIsTheResolvedOneAndAFailedOpenHasNoObject) {
  const Event& e = one(SYS_open, {0, O_RDONLY}, -ENOENT, {{TextKind::path, "x"}, {TextKind::full_path, "/tmp/x"}});
  EXPECT_EQ(e.kind, EventKind::open);
  EXPECT_EQ(e.full_path, "/tmp/x");
  EXPECT_EQ(e.real_path, "");
  EXPECT_EQ(e.result, -ENOENT);
}

TEST_F(ConverterTest, CallsWithTwoPathsHaveBoth) {
  const test::Texts texts = {
      {TextKind::path, "/a"}, {TextKind::full_path, "/a"}, {TextKind::path2, "b"}, {TextKind::full_path2, "/tmp/b"}};
  for (const auto& [number, kind] : {std::pair<long, EventKind>(SYS_rename, EventKind::rename),
                                     {SYS_renameat2, EventKind::rename},
                                     {SYS_linkat, EventKind::link},
                                     {SYS_symlinkat, EventKind::symlink},
                                     {SYS_mount, EventKind::mount}}) {
    const Event& e = one(number, {0, 0, 0, 8, 4}, 0, texts);
    EXPECT_EQ(e.kind, kind) << number;
    EXPECT_EQ(e.full_path, "/a");
    EXPECT_EQ(e.path2.text, "b");
    EXPECT_EQ(e.full_path2, "/tmp/b");
  }
  EXPECT_EQ(event.arg[0], 8u) << "mount's flags";
}

TEST_F(ConverterTest, ChangesHaveTheArgumentsOfTheirKind) {
  const test::Texts path = {{TextKind::path, "/x"}, {TextKind::full_path, "/x"}};
  EXPECT_EQ(one(SYS_fchmodat, {0, 0, 04755}, 0, path).kind, EventKind::chmod);
  EXPECT_EQ(event.arg[0], 04755u);
  EXPECT_EQ(one(SYS_chown, {0, 0, 7}, 0, path).kind, EventKind::chown);
  EXPECT_EQ(event.arg[0], 0u);
  EXPECT_EQ(event.arg[1], 7u);
  EXPECT_EQ(one(SYS_mkdirat, {0, 0, 0755}, 0, path).kind, EventKind::mkdir);
  EXPECT_EQ(event.arg[0], 0755u);
  EXPECT_EQ(one(SYS_unlinkat, {0, 0, 0x200}, 0, path).kind, EventKind::rmdir);
  EXPECT_EQ(one(SYS_unlinkat, {0, 0, 0}, 0, path).kind, EventKind::unlink);
  EXPECT_EQ(one(SYS_truncate, {0, 99}, 0, path).kind, EventKind::truncate);
  EXPECT_EQ(event.arg[0], 99u);
  one(SYS_setxattr, {0, 0, 0, 0, 2}, 0, {{TextKind::path, "/x"}, {TextKind::name, "user.a"}});
  EXPECT_EQ(event.kind, EventKind::setxattr);
  EXPECT_EQ(event.path2.text, "user.a");
}

TEST_F(ConverterTest, ACallOnADescriptorIsAboutTheFileItWasOpenedAs) {
  convert(tell.open("/tmp/x", O_RDWR, 7));
  const Event& e = one(SYS_fchmod, {7, 0777});
  EXPECT_EQ(e.kind, EventKind::chmod);
  EXPECT_EQ(e.real_path, "/tmp/x");
  EXPECT_EQ(e.arg[0], 0777u);
  one(SYS_close, {7});
  EXPECT_EQ(one(SYS_fchmod, {7, 0777}).real_path, "");
}

TEST_F(ConverterTest, ASocketIsFollowedFromItsMakingToItsConnection) {
  one(SYS_socket, {AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0}, 4);
  EXPECT_EQ(event.kind, EventKind::socket);
  EXPECT_EQ(event.arg[3], 4u);
  EXPECT_EQ(event.socket.type, SOCK_STREAM);
  const Event& e = one(SYS_connect, {4, 0, 16}, -EINPROGRESS, {{TextKind::address, test::inet("203.0.113.7", 443)}});
  EXPECT_EQ(e.kind, EventKind::connect);
  EXPECT_EQ(e.socket.family, AF_INET);
  EXPECT_EQ(e.socket.type, SOCK_STREAM);
  EXPECT_EQ(e.socket.remote_port, 443);
  EXPECT_EQ(e.socket.remote[0], 203);
  EXPECT_EQ(e.arg[0], 4u);
  // Half of a reverse shell, as on a host: onto a standard descriptor only.
  EXPECT_EQ(one(SYS_dup2, {4, 9}, 9).kind, EventKind::call);
  EXPECT_EQ(one(SYS_dup2, {9, 0}, 0).kind, EventKind::dup);
  EXPECT_EQ(event.arg[0], 9u);
  EXPECT_EQ(event.arg[1], 0u);
  EXPECT_EQ(event.socket.remote_port, 443);
}

TEST_F(ConverterTest, AChildHasItsParentsSocketsAndAnExecKeepsThem) {
  one(SYS_socket, {AF_INET, SOCK_STREAM, 0}, 4);
  convert(tell.start(2, 1));
  tell.pid = 2;
  convert(tell.exec("/bin/cat", "cat"));
  EXPECT_EQ(one(SYS_dup2, {4, 1}, 1).kind, EventKind::dup);
}

TEST_F(ConverterTest, DatagramsAreToldWithAnAddressOnly) {
  one(SYS_socket, {AF_INET6, SOCK_DGRAM, 0}, 4);
  EXPECT_EQ(one(SYS_sendto, {4, 0, 5}, 5).kind, EventKind::call);
  const Event& e = one(SYS_sendto, {4, 0, 5}, 5, {{TextKind::address, test::inet6("::ffff:10.0.0.1", 53)}});
  EXPECT_EQ(e.kind, EventKind::sendto);
  EXPECT_EQ(e.socket.family, AF_INET) << "an IPv4 address in an IPv6 one";
  EXPECT_EQ(e.socket.remote[0], 10);
  EXPECT_EQ(e.socket.type, SOCK_DGRAM);
}

TEST_F(ConverterTest, AnAddressThatIsCutOrStrangeHarmsNothing) {
  one(SYS_socket, {AF_INET, SOCK_STREAM, 0}, 4);
  for (const std::string& bytes : {std::string(), std::string("\x02"), std::string("\x02\0\x01", 3),
                                   std::string("\x0a\0\x01\x02", 4), std::string(128, '\xff')}) {
    const Event& e = one(SYS_connect, {4}, 0, {{TextKind::address, bytes}});
    EXPECT_EQ(e.kind, EventKind::connect);
    EXPECT_EQ(e.socket.remote_port, 0);
  }
  one(SYS_connect, {4}, 0, {{TextKind::address, std::string("\x01\0\0hidden", 9)}});
  EXPECT_EQ(event.socket_path, "@hidden");
}

TEST_F(ConverterTest, PrivilegeCallsThatAreRoutineMakeNoEventOfTheirOwn) {
  EXPECT_EQ(one(SYS_mmap, {0, 4096, PROT_READ | PROT_WRITE}).kind, EventKind::call);
  EXPECT_EQ(one(SYS_mmap, {0, 4096, PROT_WRITE | PROT_EXEC, 0x22, UINT32_MAX}, 0x7000).kind, EventKind::map_wx);
  EXPECT_EQ(event.arg[0], 0x7000u);
  EXPECT_EQ(event.arg[4], ~uint64_t{0});
  EXPECT_EQ(one(SYS_mprotect, {1, 4096, PROT_WRITE | PROT_EXEC}).kind, EventKind::map_wx);
  EXPECT_EQ(one(SYS_prctl, {4}).kind, EventKind::call);
  EXPECT_EQ(one(SYS_prctl, {15}, 0, {{TextKind::name, "kworker"}}).kind, EventKind::prctl);
  EXPECT_EQ(event.path.text, "kworker");
  EXPECT_EQ(one(SYS_getpid, {}).task.name(), "kworker");
  EXPECT_EQ(one(SYS_seccomp, {1, 0}).kind, EventKind::prctl);
  EXPECT_EQ(event.arg[0], 22u);
  EXPECT_EQ(event.arg[1], 2u);
  EXPECT_EQ(one(SYS_ptrace, {PTRACE_PEEKTEXT, 1}).kind, EventKind::call);
  EXPECT_EQ(one(SYS_ptrace, {PTRACE_ATTACH, 1}, -EPERM).kind, EventKind::ptrace);
  EXPECT_EQ(event.arg[4], 1u);
  EXPECT_EQ(one(SYS_process_vm_writev, {1}, -EPERM).kind, EventKind::vm_access);
  EXPECT_EQ(event.arg[1], 1u);
  const Event& memory = one(SYS_memfd_create, {0x7ffe0000, 1}, 5, {{TextKind::name, "x"}});
  EXPECT_EQ(memory.kind, EventKind::memfd);
  EXPECT_EQ(memory.arg[1], 1u) << "flags, where the kernel's programs have them";
}

TEST_F(ConverterTest, OtherInterfacesAreMarkedAndMeanTheSame) {
  Call call = tell.call(5, {0, O_RDONLY}, 3, {{TextKind::path, "/x"}});
  call.abi = sandbox::CallAbi::i386;
  EXPECT_EQ(convert(call).kind, EventKind::open);
  EXPECT_EQ(event.flags & flag_compat32, flag_compat32);
  call = tell.call(520, {}, -ENOENT, {{TextKind::path, "/x"}});
  call.abi = sandbox::CallAbi::x32;
  EXPECT_EQ(convert(call).kind, EventKind::exec_failed);
  EXPECT_EQ(event.flags & flag_x32, flag_x32);
  call = tell.call(SYS_ptrace, {}, -EPERM);
  call.flags = sandbox::call_denied;
  EXPECT_EQ(convert(call).flags & flag_denied, flag_denied);
}

TEST_F(ConverterTest, IdsFollowTheCallsThatChangeThem) {
  one(SYS_setuid, {1000});
  one(SYS_getpid, {});
  EXPECT_EQ(event.task.uid, 1000u);
  EXPECT_EQ(event.task.euid, 1000u);
  one(SYS_setresuid, {UINT32_MAX, 5, UINT32_MAX});
  one(SYS_getpid, {});
  EXPECT_EQ(event.task.uid, 1000u);
  EXPECT_EQ(event.task.euid, 5u);
}

TEST_F(ConverterTest, AFileThatTheJobMadeIsMarkedWhenItRuns) {
  convert(tell.open("/tmp/stage", O_WRONLY | O_CREAT));
  one(SYS_rename, {}, 0,
      {{TextKind::path, "/tmp/stage"},
       {TextKind::full_path, "/tmp/stage"},
       {TextKind::path2, "/tmp/run"},
       {TextKind::full_path2, "/tmp/run"}});
  EXPECT_EQ(convert(tell.exec("/tmp/run", "run")).flags & flag_upper, flag_upper);
  EXPECT_EQ(convert(tell.exec("/bin/true", "true")).flags & flag_upper, 0);
  EXPECT_EQ(convert(tell.exec("/memfd:x (deleted)", "x")).flags & flag_memfd, flag_memfd);
}

TEST_F(ConverterTest, EveryNumberOfEveryInterfaceIsSomeEvent) {
  for (const auto abi : {sandbox::CallAbi::x86_64, sandbox::CallAbi::i386, sandbox::CallAbi::x32})
    for (const int32_t number : {-1, 0, 334, 511, 512, 545, 575, 576, 1000, 0x40000000, INT32_MAX}) {
      Call call =
          tell.call(number, {~uint64_t{0}, ~uint64_t{0}, ~uint64_t{0}, ~uint64_t{0}, ~uint64_t{0}, ~uint64_t{0}}, -1);
      call.abi = abi;
      convert(call);
      EXPECT_TRUE(made);
      EXPECT_NE(event.kind, EventKind::none);
    }
}

TEST_F(ConverterTest, WhatAJobMakesItRememberIsBounded) {
  for (uint32_t pid = 2; pid < 3 * JobProcesses::most; ++pid) convert(tell.start(pid, pid - 1));
  for (int i = 0; i < 20'000; ++i) {
    one(SYS_socket, {AF_INET, SOCK_STREAM, 0}, i);
    convert(tell.open("/tmp/" + std::to_string(i), O_WRONLY | O_CREAT));
  }
  EXPECT_FALSE(converter.processes().has_written("/tmp/19999"));
  EXPECT_TRUE(converter.processes().has_written("/tmp/0"));
}

}  // namespace
}  // namespace shrike::detonate
