// Files, pipes, sockets and identity through the calls.

#include <fcntl.h>
#include <linux/capability.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/utsname.h>
#include <sys/wait.h>

#include "tests/unit/vm_kernel/guest.h"

namespace shrike::sandbox::microvm::testing {
namespace {
constexpr uint64_t data = Guest::data;

TEST(FileCalls, AFileIsMadeWrittenReadAndRemoved) {
  Guest guest;
  guest.run({
      then([&](int64_t) { guest.text(data, "/tmp/new"); },
           sys(SYS_openat, AT_FDCWD, data, O_RDWR | O_CREAT | O_EXCL, 0666)),
      got(3, sys(SYS_write, 3, data, 8)),
      got(8, sys(SYS_lseek, 3, 1, SEEK_SET)),
      got(1, sys(SYS_read, 3, data + 64, 100)),
      then(
          [&](int64_t result) {
            EXPECT_EQ(result, 7);
            EXPECT_EQ(guest.text(data + 64), "tmp/new");
          },
          sys(SYS_fstat, 3, data + 256)),
      then(
          [&](int64_t) {
            const auto status = guest.get<struct ::stat>(data + 256);
            EXPECT_EQ(status.st_size, 8);
            EXPECT_EQ(status.st_mode & 0777u, 0644u);
          },
          sys(SYS_unlink, data)),
      got(0, sys(SYS_access, data, F_OK)),
      got(-ENOENT, leave()),
  });
  EXPECT_EQ(guest.report.status, Status::ok);
}

TEST(FileCalls, OutputGoesToWhoRunsTheJob) {
  Guest guest;
  guest.run({
      then([&](int64_t) { guest.text(data, "out"); }, sys(SYS_write, 1, data, 3)),
      got(3, then(
                 [&](int64_t) {
                   guest.put(data + 64, std::array<uint64_t, 4>{data, 1, data + 1, 2});
                 },
                 sys(SYS_writev, 2, data + 64, 2))),
      got(3, sys(SYS_write, 0, data, 1)),
      got(-EBADF, sys(SYS_read, 0, data, 10)),
      got(0, leave()),
  });
  EXPECT_EQ(guest.out, "out");
  EXPECT_EQ(guest.err, "out");
}

TEST(FileCalls, AReaderWaitsForAWriterAndSeesTheEnd) {
  Guest guest;
  guest.run({
      sys(SYS_pipe2, data, 0),
      sys(SYS_fork),
      [&](Registers& registers) {
        return registers.rax == 0 ? sys(SYS_write, 4, data, 4)(registers) : sys(SYS_close, 4)(registers);
      },
      [&](Registers& registers) {
        return guest.system->current->process->pid == 3 ? leave()(registers)
                                                        : sys(SYS_read, 3, data + 64, 9)(registers);
      },
      got(4, sys(SYS_read, 3, data + 64, 9)),
      got(0, leave()),
  });
  EXPECT_EQ(guest.report.status, Status::ok);
}

TEST(FileCalls, AWriteBiggerThanThePipeEndsWhenAllIsIn) {
  Guest guest;
  guest.run({
      sys(SYS_pipe2, data, 0),
      sys(SYS_fork),
      [&](Registers& registers) {
        return registers.rax == 0 ? sys(SYS_mmap, 0, 300'000, 3, 0x22, -1, 0)(registers) : sys(SYS_close, 4)(registers);
      },
      [&](Registers& registers) {
        if (guest.system->current->process->pid == 3) return sys(SYS_write, 4, registers.rax, 300'000)(registers);
        return sys(SYS_read, 3, data + 64, 50'000)(registers);
      },
      [&](Registers& registers) {
        if (guest.system->current->process->pid == 3) {
          EXPECT_EQ(registers.rax, 300'000u);
          return leave()(registers);
        }
        if (registers.rax == 0) return leave()(registers);
        registers.rip -= 2;
        return sys(SYS_read, 3, data + 64, 50'000)(registers);
      },
  });
  EXPECT_EQ(guest.report.status, Status::ok);
  uint64_t read = 0;
  for (const Call& call : guest.calls(SYS_read)) read += static_cast<uint64_t>(call.result);
  EXPECT_EQ(read, 300'000u);
}

TEST(FileCalls, ADescriptorBombEndsInEmfile) {
  Guest guest;
  std::vector<Step> steps;
  for (int i = 0; i < 1100; ++i) steps.push_back(sys(SYS_dup, 0));
  steps.push_back(got(-EMFILE, sys(SYS_dup2, 0, 1023)));
  steps.push_back(got(1023, sys(SYS_dup2, 0, 1024)));
  steps.push_back(got(-EBADF, leave()));
  guest.run(steps);
  EXPECT_EQ(guest.report.status, Status::ok);
}

TEST(FileCalls, TwoPathsAreToldForRename) {
  Guest guest;
  guest.run({
      then(
          [&](int64_t) {
            guest.text(data, "/etc/motd");
            guest.text(data + 64, "moved");
          },
          sys(SYS_rename, data, data + 64)),
      got(0, leave()),
  });
  const auto told = guest.calls(SYS_rename);
  ASSERT_EQ(told[0].texts.size(), 4u);
  EXPECT_EQ(told[0].texts[3], (CallText{TextKind::full_path2, "/tmp/moved"}));
}

TEST(FileCalls, ALongWriteIsCutAndAWrongOneIsAFault) {
  Guest guest;
  guest.run({
      sys(SYS_write, 1, data, 0xffff'ffff'ffffu),
      got(0x10000, sys(SYS_write, 1, 0, 5)),
      got(-EFAULT, sys(SYS_write, 1, 0, 0)),
      got(0, sys(SYS_writev, 1, data, 1025)),
      got(-EINVAL, sys(SYS_pread64, 1, data, 5, UINT64_MAX)),
      got(-EINVAL, leave()),
  });
  EXPECT_EQ(guest.out.size(), 0x10000u);
}

TEST(FileCalls, SocketsOfTheSinkAnswerAndAreTold) {
  Guest guest;
  guest.run({
      sys(SYS_socket, AF_INET, SOCK_STREAM, 0),
      then(
          [&](int64_t fd) {
            EXPECT_EQ(fd, 3);
            // 203.0.113.9:80
            guest.put(data, std::array<uint8_t, 16>{2, 0, 0, 80, 203, 0, 113, 9});
            guest.text(data + 64, "GET / HTTP/1.0\r\n\r\n");
          },
          sys(SYS_connect, 3, data, 16)),
      got(0, sys(SYS_sendto, 3, data + 64, 18, 0, 0, 0)),
      got(18, sys(SYS_recvfrom, 3, data + 128, 12, 0, 0, 0)),
      then([&](int64_t) { EXPECT_EQ(guest.text(data + 128).substr(0, 5), "HTTP/"); },
           sys(SYS_socket, AF_INET, SOCK_RAW, 1)),
      got(-EPERM, leave()),
  });
  ASSERT_EQ(guest.report.connections.size(), 1u);
  EXPECT_EQ(guest.report.connections[0].address, "203.0.113.9:80");
  EXPECT_EQ(guest.calls(SYS_connect)[0].texts[0].kind, TextKind::address);
  EXPECT_EQ(guest.calls(SYS_sendto)[0].texts[0], (CallText{TextKind::data, "GET / HTTP/1.0\r\n\r\n"}));
  EXPECT_EQ(guest.report.calls_denied, 1u);
}

TEST(FileCalls, DescriptorsTravelThroughASocket) {
  Guest guest;
  struct Control {
    uint64_t length;
    int32_t level, type, fd, padding;
  };
  const auto header = [&](uint64_t at, uint64_t room) {
    guest.put(at + 256, std::array<uint64_t, 2>{data + 4096, 1});
    guest.put(at, std::array<uint64_t, 7>{0, 0, at + 256, 1, at + 512, room, 0});
  };
  guest.run({
      sys(SYS_socketpair, AF_UNIX, SOCK_STREAM, 0, data),
      then(
          [&](int64_t) {
            header(data, sizeof(Control));
            guest.put(data + 512, Control{20, SOL_SOCKET, SCM_RIGHTS, 1, 0});
          },
          sys(SYS_sendmsg, 3, data, 0)),
      got(1, then([&](int64_t) { header(data + 1024, 24); }, sys(SYS_recvmsg, 4, data + 1024, 0))),
      then(
          [&](int64_t result) {
            EXPECT_EQ(result, 1);
            EXPECT_EQ(guest.get<Control>(data + 1024 + 512).fd, 5);
          },
          sys(SYS_write, 5, data + 4096, 1)),
      got(1, then(
                 [&](int64_t) {
                   guest.put(data + 512, Control{4, SOL_SOCKET, SCM_RIGHTS, 1, 0});
                 },
                 sys(SYS_sendmsg, 3, data, 0))),
      got(-EINVAL, leave()),
  });
  EXPECT_EQ(guest.out.size(), 1u);
}

TEST(Identity, RootGivesUpWhatItHasAndDoesNotGetItBack) {
  Guest guest;
  guest.run({
      sys(SYS_getuid),
      got(0, sys(SYS_setresuid, 1000, 1000, 1000)),
      got(0, sys(SYS_setuid, 0)),
      got(-EPERM, sys(SYS_chroot, data)),
      got(-ENOENT, sys(SYS_setgroups, 0, 0)),
      got(-EPERM, sys(SYS_geteuid)),
      got(1000, leave()),
  });
  EXPECT_EQ(guest.report.status, Status::ok);
}

TEST(Identity, CapabilitiesAreRootsAndShrinkOnly) {
  Guest guest;
  guest.run({
      then(
          [&](int64_t) {
            guest.put(data, std::array<uint32_t, 2>{_LINUX_CAPABILITY_VERSION_3, 0});
          },
          sys(SYS_capget, data, data + 16)),
      then(
          [&](int64_t) {
            EXPECT_EQ(guest.get<uint32_t>(data + 16), UINT32_MAX);
            guest.put(data + 16, std::array<uint32_t, 6>{});
          },
          sys(SYS_capset, data, data + 16)),
      got(0, then([&](int64_t) { guest.put(data + 16, uint32_t{1}); }, sys(SYS_capset, data, data + 16))),
      got(-EPERM, sys(SYS_capget, 0, 0)),
      got(-EFAULT, leave()),
  });
  EXPECT_EQ(guest.report.status, Status::ok);
}

TEST(Identity, NamesOfMachineAndThread) {
  Guest guest;
  guest.run({
      then([&](int64_t) { guest.text(data, "a name that is too long"); }, sys(SYS_prctl, PR_SET_NAME, data)),
      sys(SYS_prctl, PR_GET_NAME, data + 64),
      then([&](int64_t) { EXPECT_EQ(guest.text(data + 64), "a name that is "); }, sys(SYS_uname, data + 128)),
      then(
          [&](int64_t) {
            EXPECT_EQ(guest.text(data + 128), "Linux");
            EXPECT_EQ(guest.text(data + 128 + 65), "host");
          },
          sys(SYS_sethostname, data, UINT64_MAX)),
      got(-EINVAL, leave()),
  });
}

TEST(Identity, TheSameSeedGivesTheSameChance) {
  std::array<uint64_t, 2> seen{};
  for (uint64_t& value : seen) {
    Guest guest;
    guest.run({sys(SYS_getrandom, data, 8, 0), then([&](int64_t) { value = guest.get<uint64_t>(data); }, leave())});
  }
  EXPECT_EQ(seen[0], seen[1]);
  EXPECT_NE(seen[0], 0u);
}

TEST(Identity, LimitsOfTheSandboxAreNotRaised) {
  Guest guest;
  guest.run({
      then(
          [&](int64_t) {
            guest.put(data, std::array<uint64_t, 2>{1u << 20, 1u << 20});
          },
          sys(SYS_prlimit64, 0, RLIMIT_NOFILE, data, 0)),
      got(-EPERM, sys(SYS_prlimit64, 0, 99, 0, 0)),
      got(-EINVAL, sys(SYS_prlimit64, 99, RLIMIT_NOFILE, 0, data)),
      got(-ESRCH, leave()),
  });
}

}  // namespace
}  // namespace shrike::sandbox::microvm::testing
