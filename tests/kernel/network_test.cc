// bpf/network.bpf.c: each call made for real, its event waited for.

#include <arpa/inet.h>
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>

#include <array>
#include <cstring>
#include <string>

#include "common/base/fd.h"
#include "tests/kernel/int80.h"
#include "tests/kernel/watch.h"

namespace shrike {
namespace {

using test::Watch;
constexpr std::array<uint8_t, 4> loopback = {127, 0, 0, 1};

bool is_at(const std::array<uint8_t, 16>& address, const std::array<uint8_t, 4>& wanted) {
  return std::equal(wanted.begin(), wanted.end(), address.begin());
}
sockaddr_in at_loopback(uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}
uint16_t port_of(int fd) {
  sockaddr_in address{};
  socklen_t size = sizeof address;
  ::getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size);
  return ntohs(address.sin_port);
}
const sockaddr* plain(const auto& address) { return reinterpret_cast<const sockaddr*>(&address); }
// An address of a Unix socket; `name` may begin with NUL.
std::pair<sockaddr_un, socklen_t> unix_address(const std::string& name) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, name.data(), name.size());
  return {address, static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + name.size() + (name[0] == 0 ? 0 : 1))};
}

class Network : public ::testing::Test {
 protected:
  void SetUp() override { SHRIKE_NEED("bpf", Watch::possible()); }
};

TEST_F(Network, AServerAndItsClientAreSeenStepByStep) {
  Watch watch({EventKind::socket, EventKind::bind, EventKind::listen, EventKind::accept, EventKind::connect});
  ASSERT_TRUE(watch.open());
  const Fd server(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  ASSERT_EQ(::bind(server.get(), plain(at_loopback(0)), sizeof(sockaddr_in)), 0);
  ASSERT_EQ(::listen(server.get(), 7), 0);
  const uint16_t port = port_of(server.get());
  const Fd client(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  ASSERT_EQ(::connect(client.get(), plain(at_loopback(port)), sizeof(sockaddr_in)), 0);
  const Fd accepted(::accept4(server.get(), nullptr, nullptr, SOCK_CLOEXEC));
  const auto fd_of = [](const Fd& fd) { return static_cast<uint64_t>(fd.get()); };

  const auto* made = watch.expect_own(EventKind::socket, [&](const Event& e) { return e.arg[3] == fd_of(server); });
  ASSERT_NE(made, nullptr);
  EXPECT_EQ((*made)->arg[0], static_cast<uint64_t>(AF_INET));
  EXPECT_EQ((*made)->socket.family, AF_INET);
  EXPECT_EQ((*made)->socket.type, SOCK_STREAM);
  EXPECT_EQ((*made)->socket.protocol, IPPROTO_TCP);
  EXPECT_EQ((*made)->syscall, SYS_socket);
  const auto* bound = watch.expect_own(EventKind::bind);
  ASSERT_NE(bound, nullptr);
  EXPECT_EQ((*bound)->arg[0], fd_of(server));
  EXPECT_EQ((*bound)->socket.local_port, port) << "the port the kernel chose, not the one asked for";
  EXPECT_TRUE(is_at((*bound)->socket.local, loopback));
  const auto* listening = watch.expect_own(EventKind::listen);
  ASSERT_NE(listening, nullptr);
  EXPECT_EQ((*listening)->arg[1], 7u);
  EXPECT_EQ((*listening)->socket.local_port, port);
  const auto* connected = watch.expect_own(EventKind::connect);
  ASSERT_NE(connected, nullptr);
  EXPECT_EQ((*connected)->result, 0);
  EXPECT_EQ((*connected)->socket.remote_port, port);
  EXPECT_TRUE(is_at((*connected)->socket.remote, loopback));
  EXPECT_EQ((*connected)->socket.local_port, port_of(client.get()));
  const auto* came = watch.expect_own(EventKind::accept);
  ASSERT_NE(came, nullptr);
  EXPECT_EQ((*came)->result, accepted.get());
  EXPECT_EQ((*came)->socket.local_port, port);
  EXPECT_EQ((*came)->socket.remote_port, port_of(client.get()));
}

TEST_F(Network, ARefusedConnectionShowsWhereItWasToGo) {
  Watch watch({EventKind::connect});
  ASSERT_TRUE(watch.open());
  uint16_t port = 0;
  {
    const Fd closed(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    ASSERT_EQ(::bind(closed.get(), plain(at_loopback(0)), sizeof(sockaddr_in)), 0);
    port = port_of(closed.get());
  }
  const Fd client(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  ASSERT_EQ(::connect(client.get(), plain(at_loopback(port)), sizeof(sockaddr_in)), -1);
  const auto* seen = watch.expect_own(EventKind::connect);
  ASSERT_NE(seen, nullptr);
  EXPECT_EQ((*seen)->result, -ECONNREFUSED);
  EXPECT_EQ((*seen)->socket.remote_port, port);
  EXPECT_TRUE(is_at((*seen)->socket.remote, loopback));
}

TEST_F(Network, AConnectionStillBeingMadeCountsAsMade) {
  FilterSpec spec = Watch::all_paths();
  spec.success_only.set(static_cast<size_t>(EventKind::connect));
  Watch watch({EventKind::connect}, spec);
  ASSERT_TRUE(watch.open());
  const Fd client(::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  // 192.0.2.0/24 is for documentation: nobody answers, and without a route nothing leaves.
  sockaddr_in address = at_loopback(4444);
  const Fd server(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  address.sin_port = 0;
  ASSERT_EQ(::bind(server.get(), plain(address), sizeof address), 0);
  ASSERT_EQ(::listen(server.get(), 1), 0);
  const uint16_t port = port_of(server.get());
  ASSERT_EQ(::connect(client.get(), plain(at_loopback(port)), sizeof address), -1);
  ASSERT_EQ(errno, EINPROGRESS);
  const auto* seen = watch.expect_own(EventKind::connect);
  ASSERT_NE(seen, nullptr);
  EXPECT_EQ((*seen)->result, -EINPROGRESS);
  EXPECT_EQ((*seen)->socket.remote_port, port);
}

TEST_F(Network, SixIsSeenAndFourInSixIsFour) {
  Watch watch({EventKind::connect});
  ASSERT_TRUE(watch.open());
  const Fd six(::socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  sockaddr_in6 address{};
  address.sin6_family = AF_INET6;
  address.sin6_port = htons(53);
  ::inet_pton(AF_INET6, "2001:db8::1", &address.sin6_addr);
  static_cast<void>(::connect(six.get(), plain(address), sizeof address));  // no route, perhaps: the event comes anyway
  const auto* seen = watch.expect_own(EventKind::connect);
  ASSERT_NE(seen, nullptr);
  EXPECT_EQ((*seen)->socket.family, AF_INET6);
  EXPECT_EQ((*seen)->socket.remote_port, 53);
  EXPECT_EQ(std::memcmp((*seen)->socket.remote.data(), &address.sin6_addr, 16), 0);
  watch.forget();
  const Fd mapped(::socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  ::inet_pton(AF_INET6, "::ffff:127.0.0.1", &address.sin6_addr);
  ASSERT_EQ(::connect(mapped.get(), plain(address), sizeof address), 0);
  seen = watch.expect_own(EventKind::connect);
  ASSERT_NE(seen, nullptr);
  EXPECT_EQ((*seen)->socket.family, AF_INET) << "a rule about 127.0.0.1 must not be passed by";
  EXPECT_TRUE(is_at((*seen)->socket.remote, loopback));
}

TEST_F(Network, DatagramsWithAnAddressAreSeenWhicheverCallSendsThem) {
  Watch watch({EventKind::sendto});
  ASSERT_TRUE(watch.open());
  const Fd fd(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  sockaddr_in first = at_loopback(4001);
  sockaddr_in second = at_loopback(4002);
  sockaddr_in third = at_loopback(4003);
  char text[] = "x";
  iovec piece{.iov_base = text, .iov_len = 1};
  ASSERT_EQ(::sendto(fd.get(), text, 1, 0, plain(first), sizeof first), 1);
  msghdr message{};
  message.msg_name = &second;
  message.msg_namelen = sizeof second;
  message.msg_iov = &piece;
  message.msg_iovlen = 1;
  ASSERT_EQ(::sendmsg(fd.get(), &message, 0), 1);
  mmsghdr messages[2]{};
  messages[0].msg_hdr = messages[1].msg_hdr = message;
  messages[1].msg_hdr.msg_name = &third;
  ASSERT_EQ(::sendmmsg(fd.get(), messages, 2, 0), 2);
  for (const int port : {4001, 4002, 4003}) {
    const auto* seen =
        watch.expect_own(EventKind::sendto, [&](const Event& e) { return e.socket.remote_port == port; });
    ASSERT_NE(seen, nullptr);
    EXPECT_TRUE(is_at((*seen)->socket.remote, loopback));
    EXPECT_EQ((*seen)->socket.type, SOCK_DGRAM);
  }
  EXPECT_EQ(watch.count_own([](const Event& e) { return e.socket.remote_port == 4002; }), 2u);
}

TEST_F(Network, WhatHasNoAddressOfItsOwnIsNotReported) {
  Watch watch({EventKind::sendto});
  ASSERT_TRUE(watch.open());
  int pair[2];
  ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
  ASSERT_EQ(::send(pair[0], "x", 1, 0), 1);
  const Fd marker(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  const sockaddr_in address = at_loopback(4009);
  ASSERT_EQ(::sendto(marker.get(), "x", 1, 0, plain(address), sizeof address), 1);
  ASSERT_NE(watch.expect_own(EventKind::sendto, [](const Event& e) { return e.socket.remote_port == 4009; }), nullptr);
  EXPECT_EQ(watch.count([](const Event& e) { return e.task.pid == static_cast<uint32_t>(::getpid()); }), 1u);
  ::close(pair[0]);
  ::close(pair[1]);
}

TEST_F(Network, UnixSocketsShowTheirPathsAbstractOnesToo) {
  Watch watch({EventKind::bind, EventKind::connect, EventKind::accept});
  ASSERT_TRUE(watch.open());
  const std::string path = ::testing::TempDir() + "/shrike-" + std::to_string(::getpid());
  const std::string hidden = std::string(1, '\0') + "shrike-hidden";
  for (const std::string& name : {path, hidden}) {
    watch.forget();
    const Fd server(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    const auto [address, size] = unix_address(name);
    ASSERT_EQ(::bind(server.get(), plain(address), size), 0);
    ASSERT_EQ(::listen(server.get(), 1), 0);
    const Fd client(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    ASSERT_EQ(::connect(client.get(), plain(address), size), 0);
    const Fd accepted(::accept(server.get(), nullptr, nullptr));
    const std::string shown = name == path ? path : "@shrike-hidden";
    for (const EventKind kind : {EventKind::bind, EventKind::connect, EventKind::accept}) {
      const auto* seen = watch.expect_own(kind);
      ASSERT_NE(seen, nullptr);
      EXPECT_EQ((*seen)->socket_path, shown) << kind_name(kind);
      EXPECT_EQ((*seen)->socket.family, AF_UNIX);
    }
    ::unlink(path.c_str());
  }
  watch.forget();
  const Fd client(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const auto [nowhere, size] = unix_address("/nowhere/at/all");
  ASSERT_EQ(::connect(client.get(), plain(nowhere), size), -1);
  const auto* seen = watch.expect_own(EventKind::connect);
  ASSERT_NE(seen, nullptr);
  EXPECT_EQ((*seen)->socket_path, "/nowhere/at/all");
  EXPECT_EQ((*seen)->result, -ENOENT);
}

TEST_F(Network, ASocketOntoStandardInputIsSeenHoweverItGetsThere) {
  Watch watch({EventKind::dup});
  ASSERT_TRUE(watch.open());
  const Fd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const Fd file(::open("/dev/null", O_RDONLY | O_CLOEXEC));
  const Fd saved(::fcntl(0, F_DUPFD_CLOEXEC, 100));
  ASSERT_EQ(::dup2(file.get(), 0), 0);  // not a socket: not reported
  ASSERT_EQ(::dup2(fd.get(), 0), 0);
  ASSERT_EQ(::dup3(fd.get(), 0, O_CLOEXEC), 0);
  ::close(0);
  ASSERT_EQ(::dup(fd.get()), 0);
  ::close(0);
  ASSERT_EQ(::fcntl(fd.get(), F_DUPFD, 0), 0);
  if (saved.valid())
    ::dup2(saved.get(), 0);
  else
    ::close(0);
  for (const long call : {SYS_dup2, SYS_dup3, SYS_dup, SYS_fcntl}) {
    const auto* seen = watch.expect_own(EventKind::dup, [&](const Event& e) { return e.syscall == call; });
    ASSERT_NE(seen, nullptr) << call;
    EXPECT_EQ((*seen)->arg[0], static_cast<uint64_t>(fd.get()));
    EXPECT_EQ((*seen)->arg[1], 0u);
    EXPECT_EQ((*seen)->socket.family, AF_INET);
  }
  EXPECT_EQ(watch.count([](const Event& e) { return e.task.pid == static_cast<uint32_t>(::getpid()); }), 4u);
}

TEST_F(Network, TcpStatesFollowAConnection) {
  Watch watch({EventKind::tcp_state});
  ASSERT_TRUE(watch.open());
  constexpr int established = 1;
  constexpr int syn_sent = 2;
  const Fd server(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  ASSERT_EQ(::bind(server.get(), plain(at_loopback(0)), sizeof(sockaddr_in)), 0);
  ASSERT_EQ(::listen(server.get(), 1), 0);
  const uint16_t port = port_of(server.get());
  {
    const Fd client(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    ASSERT_EQ(::connect(client.get(), plain(at_loopback(port)), sizeof(sockaddr_in)), 0);
  }
  const auto* asked = watch.expect_own(
      EventKind::tcp_state, [&](const Event& e) { return e.socket.state == syn_sent && e.socket.remote_port == port; });
  ASSERT_NE(asked, nullptr);
  const auto* open = watch.expect("established", [&](const Event& e) {
    return e.kind == EventKind::tcp_state && e.socket.old_state == syn_sent && e.socket.state == established &&
           e.socket.remote_port == port;
  });
  ASSERT_NE(open, nullptr);
  EXPECT_EQ((*open)->task.pid, 0u) << "a packet's doing: whom it interrupted says nothing";
}

TEST_F(Network, ThirtyTwoBitCallsAreSeenAndMarked) {
  SHRIKE_NEED("int80", test::has_int80());
  Watch watch({EventKind::socket, EventKind::connect, EventKind::sendto});
  ASSERT_TRUE(watch.open());
  test::LowPage page;
  const sockaddr_in address = at_loopback(4321);
  const long where = page.put(0, address);
  const int direct = static_cast<int>(test::int80(359, AF_INET, SOCK_DGRAM, 0));
  ASSERT_GE(direct, 0);
  ASSERT_EQ(test::int80(362, direct, where, sizeof address), 0);
  const auto* seen = watch.expect_own(EventKind::connect);
  ASSERT_NE(seen, nullptr);
  EXPECT_EQ((*seen)->syscall, 362);
  EXPECT_NE((*seen)->flags & flag_compat32, 0);
  EXPECT_EQ((*seen)->socket.remote_port, 4321);
  watch.forget();
  // socketcall(SYS_CONNECT) and socketcall(SYS_SENDMSG), whose msghdr has 32-bit pointers
  const std::array<uint32_t, 3> connect_args = {static_cast<uint32_t>(direct), static_cast<uint32_t>(where),
                                                sizeof address};
  ASSERT_EQ(test::int80(102, 3, page.put(64, connect_args)), 0);
  seen = watch.expect_own(EventKind::connect);
  ASSERT_NE(seen, nullptr);
  EXPECT_EQ((*seen)->syscall, 102);
  EXPECT_EQ((*seen)->arg[0], static_cast<uint64_t>(direct));
  EXPECT_EQ((*seen)->socket.remote_port, 4321);
  const sockaddr_in other = at_loopback(4322);
  const long other_at = page.put(128, other);
  const std::array<uint32_t, 2> piece = {static_cast<uint32_t>(page.put(200, 'x')), 1};
  const std::array<uint32_t, 7> message = {
      static_cast<uint32_t>(other_at), sizeof other, static_cast<uint32_t>(page.put(208, piece)), 1, 0, 0, 0};
  const std::array<uint32_t, 3> send_args = {static_cast<uint32_t>(direct),
                                             static_cast<uint32_t>(page.put(256, message)), 0};
  ASSERT_EQ(test::int80(102, 16, page.put(320, send_args)), 1);
  seen = watch.expect_own(EventKind::sendto);
  ASSERT_NE(seen, nullptr);
  EXPECT_EQ((*seen)->socket.remote_port, 4322);
  ::close(direct);
}

TEST_F(Network, TheAgentsOwnTrafficStaysInTheKernel) {
  Watch watch({EventKind::socket}, Watch::all_paths(), {.self_tgid = static_cast<uint32_t>(::getpid())});
  ASSERT_TRUE(watch.open());
  const Fd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const pid_t child = ::fork();
  if (child == 0) ::_exit(::socket(AF_INET, SOCK_DGRAM, 0) < 0 ? 1 : 0);
  const auto* seen =
      watch.expect("the child's", [&](const Event& e) { return e.task.pid == static_cast<uint32_t>(child); });
  ASSERT_NE(seen, nullptr);
  EXPECT_EQ(watch.count([](const Event& e) { return e.task.pid == static_cast<uint32_t>(::getpid()); }), 0u);
}

}  // namespace
}  // namespace shrike
