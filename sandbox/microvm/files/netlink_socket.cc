#include "sandbox/microvm/files/netlink_socket.h"

#include <linux/netlink.h>

#include <cerrno>
#include <cstring>

namespace shrike::sandbox::microvm {

namespace {

Address address_of(uint32_t port) {
  sockaddr_nl out{};
  out.nl_family = AF_NETLINK;
  out.nl_pid = port;
  const auto bytes = std::as_bytes(std::span(&out, 1));
  return {bytes.begin(), bytes.end()};
}

}  // namespace

NetlinkSocket::NetlinkSocket(StatePtr state, int type, uint32_t pid)
    : BasicSocket(state, AF_NETLINK, type, NETLINK_ROUTE, pid), port_(pid), queue_(state->store->account) {}

int64_t NetlinkSocket::bind(const Place&, std::span<const std::byte> address) {
  sockaddr_nl wanted{};
  if (address.size() < sizeof wanted) return -EINVAL;
  std::memcpy(&wanted, address.data(), sizeof wanted);
  if (wanted.nl_family != AF_NETLINK) return -EINVAL;
  if (wanted.nl_pid != 0) port_ = wanted.nl_pid;
  return 0;
}

int64_t NetlinkSocket::connect(const Place&, std::span<const std::byte> address) {
  return address.size() < sizeof(sockaddr_nl) ? -EINVAL : 0;
}

int64_t NetlinkSocket::send(const Place&, std::span<const std::byte> bytes, const Message& message, int) {
  if (!message.files.empty()) return -EINVAL;
  const std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  for (std::string& answer : route_answers(text, port_)) {
    if (queue_.free() < answer.size()) return -ENOBUFS;
    Segment segment;
    segment.bytes = std::move(answer);
    segment.sender = address_of(0);
    queue_.push(std::move(segment));
  }
  return static_cast<int64_t>(bytes.size());
}

int64_t NetlinkSocket::receive(std::span<std::byte> out, Message& message, int receive_flags) {
  if (queue_.empty()) return -EAGAIN;
  return queue_.take_message(out, message, (receive_flags & MSG_PEEK) != 0, (receive_flags & MSG_TRUNC) != 0);
}

int64_t NetlinkSocket::name(Address& out) const {
  out = address_of(port_);
  return 0;
}

int64_t NetlinkSocket::peer(Address& out) const {
  out = address_of(0);
  return 0;
}

int64_t NetlinkSocket::set_option(int level, int option, std::span<const std::byte> value) {
  return level == SOL_NETLINK ? 0 : BasicSocket::set_option(level, option, value);
}

}  // namespace shrike::sandbox::microvm
