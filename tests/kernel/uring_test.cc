// bpf/uring.bpf.c: operations that no system call shows. The rings are used by hand: no library needed.

#include "tests/kernel/uring.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <linux/io_uring.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>

#include <cstring>

#include "common/base/fd.h"
#include "tests/kernel/watch.h"

namespace shrike {
namespace {

using test::Uring;
using test::Watch;

uint64_t address_of(const void* pointer) { return reinterpret_cast<uint64_t>(pointer); }

class UringEvents : public ::testing::Test {
 protected:
  void SetUp() override {
    SHRIKE_NEED("bpf", Watch::possible());
    SHRIKE_NEED("io_uring", Uring().valid());
  }
  static const test::Seen* operation(Watch& watch, uint64_t opcode) {
    return watch.expect_own(EventKind::uring_op, [&](const Event& e) { return e.arg[0] == opcode; });
  }
};

TEST_F(UringEvents, SetUpShowsEntriesFlagsAndDescriptor) {
  Watch watch({EventKind::uring_setup});
  ASSERT_TRUE(watch.open());
  const Uring ring;
  const auto* seen = watch.expect_own(EventKind::uring_setup);
  ASSERT_NE(seen, nullptr);
  EXPECT_EQ((*seen)->arg[0], 8u);
  EXPECT_EQ((*seen)->arg[2], static_cast<uint64_t>(ring.fd()));
  EXPECT_EQ((*seen)->result, ring.fd());
}

TEST_F(UringEvents, AnOpenShowsItsPath) {
  Watch watch({EventKind::uring_op});
  ASSERT_TRUE(watch.open());
  SHRIKE_NEED("io_uring_submit", watch.source().features().io_uring_ops);
  Uring ring;
  ring.submit([](io_uring_sqe& entry) {
    entry.opcode = IORING_OP_OPENAT;
    entry.fd = AT_FDCWD;
    entry.addr = address_of("/etc/../etc/hostname");
    entry.open_flags = O_RDONLY;
    entry.user_data = 4711;
  });
  const auto* seen = operation(watch, IORING_OP_OPENAT);
  ASSERT_NE(seen, nullptr);
  EXPECT_EQ((*seen)->path.text, "/etc/../etc/hostname");
  EXPECT_EQ((*seen)->full_path, "/etc/hostname");
  EXPECT_EQ((*seen)->arg[1], static_cast<uint64_t>(AT_FDCWD));
  EXPECT_EQ((*seen)->arg[3], 4711u);
  EXPECT_NE((*seen)->flags & flag_uring, 0);
  watch.forget();
  const Fd etc(::open("/etc", O_PATH | O_DIRECTORY | O_CLOEXEC));
  ring.submit([&](io_uring_sqe& entry) {
    entry.opcode = IORING_OP_OPENAT;
    entry.fd = etc.get();
    entry.addr = address_of("hostname");
  });
  seen = operation(watch, IORING_OP_OPENAT);
  ASSERT_NE(seen, nullptr);
  EXPECT_EQ((*seen)->full_path, "/etc/hostname");
}

TEST_F(UringEvents, RenameAndUnlinkShowTheirPaths) {
  Watch watch({EventKind::uring_op});
  ASSERT_TRUE(watch.open());
  SHRIKE_NEED("io_uring_submit", watch.source().features().io_uring_ops);
  Uring ring;
  ring.submit([](io_uring_sqe& entry) {
    entry.opcode = IORING_OP_RENAMEAT;
    entry.fd = AT_FDCWD;
    entry.addr = address_of("/nowhere/a");
    entry.len = static_cast<unsigned>(AT_FDCWD);
    entry.addr2 = address_of("/nowhere/b");
  });
  ring.submit([](io_uring_sqe& entry) {
    entry.opcode = IORING_OP_UNLINKAT;
    entry.fd = AT_FDCWD;
    entry.addr = address_of("/nowhere/c");
  });
  const auto* renamed = operation(watch, IORING_OP_RENAMEAT);
  ASSERT_NE(renamed, nullptr);
  EXPECT_EQ((*renamed)->full_path, "/nowhere/a");
  EXPECT_EQ((*renamed)->full_path2, "/nowhere/b");
  const auto* unlinked = operation(watch, IORING_OP_UNLINKAT);
  ASSERT_NE(unlinked, nullptr);
  EXPECT_EQ((*unlinked)->full_path, "/nowhere/c");
}

TEST_F(UringEvents, AConnectShowsWhereTo) {
  Watch watch({EventKind::uring_op});
  ASSERT_TRUE(watch.open());
  SHRIKE_NEED("io_uring_submit", watch.source().features().io_uring_ops);
  Uring ring;
  const Fd socket(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(4545);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  ring.submit([&](io_uring_sqe& entry) {
    entry.opcode = IORING_OP_CONNECT;
    entry.fd = socket.get();
    entry.addr = address_of(&address);
    entry.off = sizeof address;
  });
  const auto* seen = operation(watch, IORING_OP_CONNECT);
  ASSERT_NE(seen, nullptr);
  EXPECT_EQ((*seen)->arg[1], static_cast<uint64_t>(socket.get()));
  EXPECT_EQ((*seen)->socket.family, AF_INET);
  EXPECT_EQ((*seen)->socket.type, SOCK_DGRAM);
  EXPECT_EQ((*seen)->socket.remote_port, 4545);
  EXPECT_EQ((*seen)->socket.remote[0], 127);
  watch.forget();
  const Fd local(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_un path{};
  path.sun_family = AF_UNIX;
  std::strcpy(path.sun_path, "/nowhere/socket");
  ring.submit([&](io_uring_sqe& entry) {
    entry.opcode = IORING_OP_CONNECT;
    entry.fd = local.get();
    entry.addr = address_of(&path);
    entry.off = sizeof path;
  });
  seen = operation(watch, IORING_OP_CONNECT);
  ASSERT_NE(seen, nullptr);
  EXPECT_EQ((*seen)->socket_path, "/nowhere/socket");
}

TEST_F(UringEvents, ASocketMadeByIoUringShowsItsFamily) {
  Watch watch({EventKind::uring_op});
  ASSERT_TRUE(watch.open());
  SHRIKE_NEED("io_uring_submit", watch.source().features().io_uring_ops);
  Uring ring;
  ring.submit([](io_uring_sqe& entry) {
    entry.opcode = IORING_OP_SOCKET;
    entry.fd = AF_INET6;
    entry.off = SOCK_DGRAM;
  });
  const auto* seen = operation(watch, IORING_OP_SOCKET);
  ASSERT_NE(seen, nullptr);
  EXPECT_EQ((*seen)->socket.family, AF_INET6);
  EXPECT_EQ((*seen)->socket.type, SOCK_DGRAM);
}

}  // namespace
}  // namespace shrike
