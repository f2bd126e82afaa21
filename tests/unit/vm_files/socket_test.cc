#include "sandbox/microvm/files/socket.h"

#include <fcntl.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <netinet/tcp.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <cstring>

#include "sandbox/microvm/files/interfaces.h"
#include "sandbox/microvm/files/internet_address.h"
#include "tests/unit/vm_files/guest_files.h"

namespace shrike::sandbox::microvm {
namespace {

using SocketPtr = std::shared_ptr<Socket>;

Address unix_address(std::string_view name) {
  Address out(2 + name.size());
  const sa_family_t family = AF_UNIX;
  std::memcpy(out.data(), &family, 2);
  std::memcpy(out.data() + 2, name.data(), name.size());
  return out;
}

Address v4(uint32_t ip, uint16_t port) { return endpoint_address(AF_INET, Endpoint::v4(ip, port)); }

struct Sockets : testing::Test {
  GuestFiles guest;
  uint64_t now_ns = 1'000'000'000;
  std::unique_ptr<SocketWorld> world = make(Network::sink);

  std::unique_ptr<SocketWorld> make(Network network) {
    return make_sockets(guest.files, {network, [this](int) { return now_ns; }, {"203.0.113.9:80"}});
  }
  SocketPtr socket(int family, int type, int protocol = 0) {
    SocketPtr out;
    EXPECT_EQ(world->make(5, family, type, protocol, out), 0);
    return out;
  }
  std::pair<SocketPtr, SocketPtr> pair(int type) {
    SocketPtr first, second;
    EXPECT_EQ(world->make_pair(5, AF_UNIX, type, 0, first, second), 0);
    return {first, second};
  }
  int64_t bind(Socket& socket, const Address& to) { return socket.bind(guest.place, to); }
  int64_t connect(Socket& socket, const Address& to) { return socket.connect(guest.place, to); }
  int64_t send(Socket& socket, std::string_view text, Message message = {}) {
    message.sender = 5;
    return socket.send(guest.place, bytes_of(text), message, 0);
  }
  std::string receive(Socket& socket, size_t most = 65536, int flags = 0, Message* told = nullptr) {
    std::string out(most, '\0');
    Message message;
    Message& to = told != nullptr ? *told : message;
    const int64_t got = socket.receive(std::as_writable_bytes(std::span(out)), to, flags);
    if (got < 0) return "error " + std::to_string(-got);
    out.resize(std::min<size_t>(most, static_cast<size_t>(got)));
    return out;
  }
  static const std::string again;
  std::vector<Connection> connections() {
    uint64_t dropped = 0;
    return world->connections(1000, dropped);
  }
};
const std::string Sockets::again = "error " + std::to_string(EAGAIN);

TEST_F(Sockets, OfAPairCarryBytesBothWaysUntilTheEnd) {
  auto [a, b] = pair(SOCK_STREAM);
  EXPECT_EQ(receive(*b), again);
  EXPECT_EQ(write_to(*a, "hello "), 6);
  EXPECT_EQ(send(*a, "world"), 5);
  EXPECT_EQ(receive(*b, 8, MSG_PEEK), "hello wo");
  EXPECT_EQ(receive(*b, 8), "hello wo");
  EXPECT_EQ(read_from(*b), "rld");
  EXPECT_EQ(b->poll() & (POLLIN | POLLHUP), 0u);
  EXPECT_EQ(a->shutdown(SHUT_WR), 0);
  EXPECT_EQ(send(*a, "x"), -EPIPE);
  EXPECT_EQ(receive(*b), "");
  EXPECT_EQ(send(*b, "back"), 4);
  b.reset();
  EXPECT_EQ(receive(*a), "back");
  EXPECT_EQ(receive(*a), "");
  EXPECT_NE(a->poll() & POLLHUP, 0u);
}

TEST_F(Sockets, TellAResetWhenUnreadBytesAreLost) {
  auto [a, b] = pair(SOCK_STREAM);
  send(*a, "unread");
  b.reset();
  EXPECT_EQ(receive(*a), "error " + std::to_string(ECONNRESET));
  EXPECT_EQ(receive(*a), "");
  EXPECT_EQ(send(*a, "x"), -EPIPE);
}

TEST_F(Sockets, KeepMessagesApartWhereTheyAreMessages) {
  for (const int type : {SOCK_DGRAM, SOCK_SEQPACKET}) {
    auto [a, b] = pair(type);
    EXPECT_EQ(send(*a, "first"), 5);
    EXPECT_EQ(send(*a, "second"), 6);
    Message message;
    EXPECT_EQ(receive(*b, 3, 0, &message), "fir");
    EXPECT_EQ(message.flags, static_cast<uint32_t>(MSG_TRUNC));
    std::byte small[2];
    EXPECT_EQ(b->receive(small, message, MSG_TRUNC | MSG_PEEK), 6);
    EXPECT_EQ(receive(*b), "second");
  }
}

TEST_F(Sockets, FillUpAndSayWhenThereIsRoom) {
  auto [a, b] = pair(SOCK_STREAM);
  const std::string block(300'000, 'x');
  const int64_t first = send(*a, block);
  EXPECT_GT(first, 200'000);
  EXPECT_LT(first, 300'000);
  EXPECT_EQ(send(*a, "x"), -EAGAIN);
  EXPECT_EQ(a->poll() & POLLOUT, 0u);
  EXPECT_EQ(static_cast<int64_t>(receive(*b, 300'000).size()), first);
  EXPECT_NE(a->poll() & POLLOUT, 0u);
  EXPECT_EQ(guest.files.account()->buffers.used(), 0u);
}

TEST_F(Sockets, WorkABitWhenAllBuffersAreUsed) {
  ASSERT_TRUE(guest.files.account()->buffers.take(guest.files.account()->buffers.left()));
  auto [a, b] = pair(SOCK_STREAM);
  for (int i = 0; i < 3; ++i) {
    EXPECT_GT(send(*a, std::string(100'000, 'x')), 1000);
    EXPECT_LE(receive(*b).size(), 4096u);
  }
}

TEST_F(Sockets, PassOpenFilesAndLoseNoneOfThem) {
  auto [a, b] = pair(SOCK_STREAM);
  guest.write("/secret", "content");
  Message with;
  with.files = {guest.open("/secret")};
  EXPECT_EQ(send(*a, "plain"), 5);
  EXPECT_EQ(send(*a, "file", with), 4);
  EXPECT_EQ(send(*a, "after"), 5);
  with.files.clear();
  Message message;
  EXPECT_EQ(receive(*b, 100, 0, &message), "plain");
  EXPECT_TRUE(message.files.empty());
  EXPECT_EQ(receive(*b, 2, 0, &message), "fi");
  ASSERT_EQ(message.files.size(), 1u);
  EXPECT_EQ(message.sender, 5u);
  EXPECT_EQ(read_from(*message.files[0]), "content");
  message.files.clear();
  EXPECT_EQ(receive(*b, 100, 0, &message), "leafter");
  EXPECT_TRUE(message.files.empty());
}

TEST_F(Sockets, PassABoundedNumberOfFiles) {
  auto [a, b] = pair(SOCK_STREAM);
  guest.write("/f", "");
  Message with;
  with.files.assign(254, guest.open("/f"));
  EXPECT_EQ(send(*a, "x", with), -EINVAL);
  with.files.resize(253);
  EXPECT_EQ(send(*a, "x", with), 1);
  EXPECT_EQ(send(*a, "x", with), 1);
  EXPECT_EQ(send(*a, "x", with), -ETOOMANYREFS);
  receive(*b, 1);
  EXPECT_EQ(send(*a, "x", with), 1);
}

TEST_F(Sockets, ThatHoldEachOtherGoWithTheWorld) {
  std::weak_ptr<Socket> left;
  {
    auto [a, b] = pair(SOCK_DGRAM);
    Message with;
    with.files = {a, b};
    EXPECT_EQ(send(*a, "x", with), 1);
    EXPECT_EQ(send(*b, "x", with), 1);
    left = a;
  }
  EXPECT_FALSE(left.expired());
  world.reset();
  EXPECT_TRUE(left.expired());
}

TEST_F(Sockets, OfOneHostMeetAtNamesInTheTreeAndAbstractOnes) {
  for (const std::string& name : {std::string("/tmp/s\0", 7), std::string("\0abstract", 9)}) {
    guest.files.put_folder("/tmp", 0755);
    SocketPtr server = socket(AF_UNIX, SOCK_STREAM), client = socket(AF_UNIX, SOCK_STREAM), accepted;
    const Address address = unix_address(name);
    EXPECT_LT(connect(*client, address), 0);
    EXPECT_EQ(server->listen(1), -EINVAL);
    EXPECT_EQ(bind(*server, address), 0);
    EXPECT_EQ(bind(*socket(AF_UNIX, SOCK_STREAM), address), -EADDRINUSE);
    EXPECT_EQ(connect(*client, address), -ECONNREFUSED);
    EXPECT_EQ(server->listen(1), 0);
    EXPECT_EQ(server->accept(accepted), -EAGAIN);
    EXPECT_EQ(connect(*socket(AF_UNIX, SOCK_DGRAM), address), -EPROTOTYPE);
    EXPECT_EQ(connect(*client, address), 0);
    EXPECT_EQ(connect(*client, address), -EISCONN);
    EXPECT_EQ(send(*client, "early"), 5);
    EXPECT_NE(server->poll() & POLLIN, 0u);
    EXPECT_EQ(server->accept(accepted), 0);
    EXPECT_EQ(receive(*accepted), "early");
    Address told;
    EXPECT_EQ(client->peer(told), 0);
    EXPECT_EQ(told, address);
    EXPECT_EQ(accepted->peer(told), 0);
    EXPECT_EQ(told.size(), 2u);
    std::vector<std::byte> value(12);
    EXPECT_EQ(accepted->get_option(SOL_SOCKET, SO_PEERCRED, value), 0);
    EXPECT_EQ(std::to_integer<int>(value[0]), 5);
    SocketPtr one = socket(AF_UNIX, SOCK_STREAM), two = socket(AF_UNIX, SOCK_STREAM);
    EXPECT_EQ(connect(*one, address), 0);
    EXPECT_EQ(connect(*two, address), 0);
    SocketPtr late = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK);
    EXPECT_EQ(connect(*late, address), -EAGAIN);
    server.reset();
    EXPECT_EQ(connect(*late, address), -ECONNREFUSED);
    EXPECT_EQ(receive(*one), "");
  }
  EXPECT_TRUE(S_ISSOCK(guest.node("/tmp/s")->attributes().mode));
}

TEST_F(Sockets, DatagramsOfOneHostHaveSenders) {
  SocketPtr server = socket(AF_UNIX, SOCK_DGRAM), client = socket(AF_UNIX, SOCK_DGRAM);
  EXPECT_EQ(bind(*server, unix_address(std::string("\0srv", 4))), 0);
  EXPECT_EQ(bind(*client, unix_address("")), 0);
  Message to;
  to.address = unix_address(std::string("\0srv", 4));
  EXPECT_EQ(send(*client, "hi", to), 2);
  Message message;
  EXPECT_EQ(receive(*server, 10, 0, &message), "hi");
  EXPECT_EQ(message.address.size(), 8u);
  to.address = message.address;
  EXPECT_EQ(send(*server, "ho", to), 2);
  EXPECT_EQ(receive(*client), "ho");
  EXPECT_EQ(send(*client, "x"), -ENOTCONN);
  EXPECT_EQ(connect(*client, unix_address(std::string("\0srv", 4))), 0);
  server.reset();
  EXPECT_EQ(send(*client, "x"), -ECONNREFUSED);
}

TEST_F(Sockets, OfTcpMeetOnLoopback) {
  SocketPtr server = socket(AF_INET, SOCK_STREAM), client = socket(AF_INET6, SOCK_STREAM), accepted;
  EXPECT_EQ(bind(*server, v4(0x08080808, 80)), -EADDRNOTAVAIL);
  EXPECT_EQ(bind(*server, v4(0, 8080)), 0);
  EXPECT_EQ(connect(*socket(AF_INET, SOCK_STREAM), v4(0x7f000001, 8080)), -ECONNREFUSED);
  EXPECT_EQ(server->listen(5), 0);
  EXPECT_EQ(bind(*socket(AF_INET, SOCK_STREAM), v4(0x7f000001, 8080)), -EADDRINUSE);
  EXPECT_EQ(connect(*client, endpoint_address(AF_INET6, Endpoint::v4(0x7f000001, 8080))), 0);
  EXPECT_EQ(server->accept(accepted), 0);
  EXPECT_EQ(send(*client, "ping"), 4);
  EXPECT_EQ(receive(*accepted), "ping");
  Address mine, theirs;
  EXPECT_EQ(accepted->peer(theirs), 0);
  EXPECT_EQ(client->name(mine), 0);
  Endpoint a, b;
  EXPECT_EQ(parse_endpoint(AF_INET6, mine, a), 0);
  EXPECT_EQ(parse_endpoint(AF_INET, theirs, b), 0);
  EXPECT_EQ(a, b);
  EXPECT_GE(a.port, 32768);
  EXPECT_EQ(accepted->shutdown(SHUT_RDWR), 0);
  EXPECT_EQ(receive(*client), "");
  EXPECT_TRUE(connections().empty());
}

TEST_F(Sockets, OfUdpMeetOnLoopback) {
  SocketPtr server = socket(AF_INET, SOCK_DGRAM), client = socket(AF_INET, SOCK_DGRAM);
  EXPECT_EQ(bind(*server, v4(0x7f000001, 514)), 0);
  EXPECT_EQ(connect(*client, v4(0x7f000001, 514)), 0);
  EXPECT_EQ(send(*client, "log"), 3);
  Message message;
  EXPECT_EQ(receive(*server, 10, 0, &message), "log");
  message.files.clear();
  EXPECT_EQ(send(*server, "ack", message), 3);
  EXPECT_EQ(receive(*client), "ack");
  EXPECT_EQ(send(*client, std::string(70'000, 'x')), -EMSGSIZE);
  server.reset();
  EXPECT_EQ(send(*client, "log"), 3);
  EXPECT_NE(client->poll() & POLLERR, 0u);
  EXPECT_EQ(receive(*client), "error " + std::to_string(ECONNREFUSED));
}

TEST_F(Sockets, FindServersEverywhereAndAreRecorded) {
  SocketPtr web = socket(AF_INET, SOCK_STREAM);
  EXPECT_EQ(connect(*web, v4(0xcb007107, 80)), 0);
  EXPECT_EQ(send(*web, "GET /payload HTTP/1.1\r\nHo"), 25);
  EXPECT_EQ(receive(*web), again);
  EXPECT_EQ(send(*web, "st: evil.example:80\r\n\r\n"), 23);
  EXPECT_TRUE(receive(*web).starts_with("HTTP/1.1 200 OK\r\n"));
  EXPECT_EQ(receive(*web), "");
  EXPECT_EQ(connect(*socket(AF_INET, SOCK_STREAM), v4(0xcb007109, 80)), -ECONNREFUSED);
  const auto seen = connections();
  ASSERT_EQ(seen.size(), 2u);
  EXPECT_EQ(seen[0].protocol, "http");
  EXPECT_EQ(seen[0].address, "203.0.113.7:80");
  EXPECT_EQ(seen[0].name, "evil.example");
  EXPECT_EQ(seen[0].pid, 5u);
  EXPECT_EQ(seen[0].sent_bytes, 48u);
  EXPECT_GT(seen[0].received_bytes, 20u);
  EXPECT_TRUE(seen[0].first_bytes.starts_with("GET /payload"));
  EXPECT_EQ(seen[1].address, "203.0.113.9:80");
}

TEST_F(Sockets, AreHeardInSilenceAndClosedByVirtualTime) {
  SocketPtr control = socket(AF_INET, SOCK_STREAM);
  EXPECT_EQ(connect(*control, v4(0xcb007107, 4444)), 0);
  const std::string beacon(5000, 'b');
  EXPECT_EQ(send(*control, beacon), 5000);
  EXPECT_EQ(receive(*control), again);
  EXPECT_EQ(control->wakes_at(), now_ns + 60'000'000'000);
  now_ns += 60'000'000'000;
  EXPECT_NE(control->poll() & POLLIN, 0u);
  EXPECT_EQ(receive(*control), "");
  EXPECT_EQ(connections()[0].sent_bytes, 5000u);
  EXPECT_EQ(connections()[0].first_bytes.size(), 1024u);
}

TEST_F(Sockets, GetAnAddressForEveryNameThatIsRememberedLater) {
  const std::string query = std::string("\x12\x34\x01\0\0\1\0\0\0\0\0\0", 12) + std::string("\4Evil\7example\0", 14) +
                            std::string("\0\1\0\1", 4);
  SocketPtr resolver = socket(AF_INET, SOCK_DGRAM);
  EXPECT_EQ(connect(*resolver, v4(0xc0a80101, 53)), 0);
  EXPECT_EQ(send(*resolver, query), static_cast<int64_t>(query.size()));
  const std::string reply = receive(*resolver);
  ASSERT_GT(reply.size(), query.size());
  EXPECT_EQ(reply.substr(0, 2), query.substr(0, 2));
  EXPECT_EQ(reply.substr(reply.size() - 4), std::string("\xc6\x12\0\1", 4));
  SocketPtr web = socket(AF_INET, SOCK_STREAM);
  EXPECT_EQ(connect(*web, v4(0xc6120001, 443)), 0);
  const auto seen = connections();
  ASSERT_EQ(seen.size(), 2u);
  EXPECT_EQ(seen[0].protocol, "dns");
  EXPECT_EQ(seen[0].name, "Evil.example");
  EXPECT_EQ(seen[1].name, "evil.example");
  SocketPtr over_tcp = socket(AF_INET, SOCK_STREAM);
  EXPECT_EQ(connect(*over_tcp, v4(0xc0a80101, 53)), 0);
  const std::string framed = std::string(1, '\0') + static_cast<char>(query.size()) + query;
  EXPECT_EQ(send(*over_tcp, framed.substr(0, 5)), 5);
  EXPECT_EQ(receive(*over_tcp), again);
  EXPECT_EQ(send(*over_tcp, framed.substr(5)), static_cast<int64_t>(framed.size() - 5));
  EXPECT_EQ(receive(*over_tcp).substr(2), reply);
}

TEST_F(Sockets, TellWhichServerTlsWasToReach) {
  const std::string name = "c2.example";
  const auto length = [](size_t n) { return std::string(1, static_cast<char>(n >> 8)) + static_cast<char>(n); };
  const std::string entry = std::string(1, '\0') + length(name.size()) + name;
  const std::string extension = length(entry.size()) + entry;
  const std::string extensions =
      std::string("\xff\1\0\1\0", 5) + std::string("\0\0", 2) + length(extension.size()) + extension;
  const std::string hello = std::string("\3\3", 2) + std::string(32, 'r') + std::string("\0\0\2\x13\1\1\0", 7) +
                            length(extensions.size()) + extensions;
  const std::string handshake = std::string("\1\0", 2) + length(hello.size()) + hello;
  const std::string record = std::string("\x16\3\1", 3) + length(handshake.size()) + handshake;
  SocketPtr tls = socket(AF_INET, SOCK_STREAM);
  EXPECT_EQ(connect(*tls, v4(0xcb007107, 8443)), 0);
  EXPECT_EQ(send(*tls, record.substr(0, 40)), 40);
  EXPECT_EQ(receive(*tls), again);
  send(*tls, record.substr(40));
  EXPECT_EQ(receive(*tls)[0], '\x15');
  EXPECT_EQ(receive(*tls), "");
  EXPECT_EQ(connections()[0].protocol, "tls");
  EXPECT_EQ(connections()[0].name, name);
}

TEST_F(Sockets, AnswerARequestWhoseHeadNeverEnds) {
  SocketPtr web = socket(AF_INET, SOCK_STREAM);
  EXPECT_EQ(connect(*web, v4(0xcb007107, 80)), 0);
  send(*web, "GET / HTTP/1.1\r\nHost: long.example\r\nX: ");
  EXPECT_EQ(receive(*web), again);
  send(*web, std::string(10'000, 'x'));
  EXPECT_TRUE(receive(*web).starts_with("HTTP/1.1 200 OK"));
  EXPECT_EQ(connections()[0].name, "long.example");
}

TEST_F(Sockets, UseEphemeralPortsAgain) {
  for (int i = 0; i < 60'000; ++i) ASSERT_EQ(socket(AF_INET, SOCK_STREAM)->listen(1), 0);
}

TEST_F(Sockets, ReachNobodyWithoutANetworkButTheAttemptIsTold) {
  world = make(Network::none);
  EXPECT_EQ(connect(*socket(AF_INET, SOCK_STREAM), v4(0xcb007107, 80)), -ENETUNREACH);
  Message to;
  to.address = v4(0xcb007107, 53);
  EXPECT_EQ(send(*socket(AF_INET, SOCK_DGRAM), "x", to), -ENETUNREACH);
  EXPECT_EQ(connections().size(), 2u);
  SocketPtr server = socket(AF_INET, SOCK_STREAM);
  EXPECT_EQ(server->listen(1), 0);
  Address name;
  EXPECT_EQ(server->name(name), 0);
  EXPECT_EQ(connect(*socket(AF_INET, SOCK_STREAM), name), 0);
}

TEST_F(Sockets, RecordABoundedNumberOfConnections) {
  for (int i = 0; i < 1010; ++i) connect(*socket(AF_INET, SOCK_STREAM), v4(0xcb007107, 80));
  uint64_t dropped = 0;
  EXPECT_EQ(world->connections(5000, dropped).size(), 1000u);
  EXPECT_EQ(dropped, 10u);
}

TEST_F(Sockets, OfKindsThatNobodyNeedsAreRefused) {
  SocketPtr out;
  EXPECT_EQ(world->make(1, AF_INET, SOCK_RAW, IPPROTO_ICMP, out), -EPERM);
  EXPECT_EQ(world->make(1, AF_PACKET, SOCK_RAW, 0, out), -EPERM);
  EXPECT_EQ(world->make(1, AF_ALG, SOCK_SEQPACKET, 0, out), -EAFNOSUPPORT);
  EXPECT_EQ(world->make(1, AF_VSOCK, SOCK_STREAM, 0, out), -EAFNOSUPPORT);
  EXPECT_EQ(world->make(1, AF_NETLINK, SOCK_RAW, 15, out), -EPROTONOSUPPORT);
  EXPECT_EQ(world->make(1, -1, 77, 99, out), -EAFNOSUPPORT);
  EXPECT_EQ(world->make_pair(1, AF_INET, SOCK_STREAM, 0, out, out), -EOPNOTSUPP);
}

TEST_F(Sockets, AreBoundedInNumber) {
  std::vector<SocketPtr> all;
  SocketPtr next;
  int64_t result = 0;
  while (all.size() < 10'000 && (result = world->make(1, AF_INET, SOCK_STREAM, 0, next)) == 0) all.push_back(next);
  EXPECT_EQ(result, -ENFILE);
  EXPECT_LE(all.size(), 4096u);
  all.clear();
  next.reset();
  EXPECT_EQ(world->make(1, AF_INET, SOCK_STREAM, 0, next), 0);
}

TEST_F(Sockets, KeepTheirOptions) {
  SocketPtr tcp = socket(AF_INET, SOCK_STREAM), local = socket(AF_UNIX, SOCK_STREAM);
  const auto get = [](Socket& s, int level, int option, size_t size = 4) {
    std::vector<std::byte> value(size);
    const int64_t error = s.get_option(level, option, value);
    int out = 0;
    if (error == 0) std::memcpy(&out, value.data(), std::min<size_t>(4, value.size()));
    return error < 0 ? error : out;
  };
  const auto set = [](Socket& s, int level, int option, int value) {
    return s.set_option(level, option, std::as_bytes(std::span(&value, 1)));
  };
  EXPECT_EQ(get(*tcp, SOL_SOCKET, SO_TYPE), SOCK_STREAM);
  EXPECT_EQ(get(*tcp, SOL_SOCKET, SO_ERROR), 0);
  EXPECT_EQ(set(*tcp, SOL_SOCKET, SO_RCVBUF, 4096), 0);
  EXPECT_EQ(get(*tcp, SOL_SOCKET, SO_RCVBUF), 8192);
  EXPECT_EQ(set(*tcp, SOL_SOCKET, SO_SNDBUF, INT32_MIN), 0);
  EXPECT_EQ(get(*tcp, SOL_SOCKET, SO_SNDBUF), 4608);
  EXPECT_EQ(set(*tcp, IPPROTO_TCP, TCP_NODELAY, 1), 0);
  EXPECT_EQ(get(*tcp, IPPROTO_TCP, TCP_NODELAY), 1);
  EXPECT_EQ(set(*local, IPPROTO_TCP, TCP_NODELAY, 1), -EOPNOTSUPP);
  EXPECT_EQ(set(*tcp, SOL_SOCKET, 9999, 1), -ENOPROTOOPT);
  EXPECT_EQ(get(*tcp, 9999, 9999), -ENOPROTOOPT);
  EXPECT_EQ(tcp->set_option(SOL_SOCKET, SO_REUSEADDR, {}), -EINVAL);
  const struct ::timeval bad = {1, 5'000'000};
  EXPECT_EQ(tcp->set_option(SOL_SOCKET, SO_RCVTIMEO, std::as_bytes(std::span(&bad, 1))), -EDOM);
}

TEST_F(Sockets, ShowTwoInterfaces) {
  SocketPtr any = socket(AF_INET, SOCK_DGRAM);
  struct ::ifreq request {};
  const auto ask = [&](uint64_t command) {
    return any->control(command, 0, std::as_writable_bytes(std::span(&request, 1)));
  };
  EXPECT_EQ(interface_list().size(), 2 * sizeof request);
  std::strcpy(request.ifr_name, "eth0");
  EXPECT_EQ(ask(SIOCGIFADDR), 0);
  EXPECT_EQ(reinterpret_cast<const unsigned char*>(&request.ifr_addr)[4], 192);
  EXPECT_EQ(ask(SIOCGIFINDEX), 0);
  EXPECT_EQ(request.ifr_ifindex, 2);
  EXPECT_EQ(ask(SIOCSIFFLAGS), -EPERM);
  std::memset(request.ifr_name, 'x', sizeof request.ifr_name);
  EXPECT_EQ(ask(SIOCGIFADDR), -ENODEV);
  EXPECT_EQ(any->control(SIOCGIFADDR, 0, {}), -EINVAL);
}

TEST_F(Sockets, OfRoutingAnswerWhatIsAsked) {
  SocketPtr route = socket(AF_NETLINK, SOCK_RAW);
  struct {
    uint32_t length = 17;
    uint16_t type = 22, flags = 0x301;  // RTM_GETADDR, REQUEST | DUMP
    uint32_t seq = 7, pid = 0;
    uint8_t family = 0;
    uint8_t unused[3] = {};
  } request;
  const auto ask = [&] { return route->send(guest.place, std::as_bytes(std::span(&request, 1)), {}, 0); };
  EXPECT_EQ(ask(), 20);
  const std::string addresses = receive(*route);
  EXPECT_NE(addresses.find("eth0"), std::string::npos);
  EXPECT_EQ(receive(*route).substr(4, 2), std::string("\3\0", 2));  // NLMSG_DONE
  request.type = 16;                                                // RTM_NEWLINK
  EXPECT_EQ(ask(), 20);
  EXPECT_EQ(receive(*route).substr(16, 4), std::string("\xff\xff\xff\xff", 4));
  request.length = 0xffffffff;
  EXPECT_EQ(ask(), 20);
  EXPECT_EQ(receive(*route), again);
}

}  // namespace
}  // namespace shrike::sandbox::microvm
