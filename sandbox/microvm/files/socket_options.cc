// Options of sockets: known ones are kept and given back, and nearly none changes what a socket does.

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "sandbox/microvm/files/socket_base.h"

namespace shrike::sandbox::microvm {

namespace {

struct Option {
  int level, option, value;
  bool settable = true;
};

// What is a number; the value before anything is set. linux-libc-dev's names, tcp(7), ip(7), ipv6(7), socket(7).
constexpr Option numbers[] = {
    {SOL_SOCKET, SO_REUSEADDR, 0},
    {SOL_SOCKET, SO_REUSEPORT, 0},
    {SOL_SOCKET, SO_KEEPALIVE, 0},
    {SOL_SOCKET, SO_BROADCAST, 0},
    {SOL_SOCKET, SO_SNDBUF, 212992},
    {SOL_SOCKET, SO_RCVBUF, 212992},
    {SOL_SOCKET, SO_OOBINLINE, 0},
    {SOL_SOCKET, SO_PRIORITY, 0},
    {SOL_SOCKET, SO_PASSCRED, 0},
    {SOL_SOCKET, SO_TIMESTAMP, 0},
    {SOL_SOCKET, SO_TIMESTAMPNS, 0},
    {SOL_SOCKET, SO_RCVLOWAT, 1},
    {SOL_SOCKET, SO_SNDLOWAT, 1, false},
    {SOL_SOCKET, SO_DONTROUTE, 0},
    {SOL_SOCKET, SO_MARK, 0},
    {SOL_SOCKET, SO_NO_CHECK, 0},
    {SOL_SOCKET, SO_INCOMING_CPU, 0},
    {SOL_SOCKET, SO_BUSY_POLL, 0},
    {SOL_SOCKET, SO_ZEROCOPY, 0},
    {IPPROTO_TCP, TCP_NODELAY, 0},
    {IPPROTO_TCP, TCP_KEEPIDLE, 7200},
    {IPPROTO_TCP, TCP_KEEPINTVL, 75},
    {IPPROTO_TCP, TCP_KEEPCNT, 9},
    {IPPROTO_TCP, TCP_MAXSEG, 1460},
    {IPPROTO_TCP, TCP_CORK, 0},
    {IPPROTO_TCP, TCP_USER_TIMEOUT, 0},
    {IPPROTO_TCP, TCP_FASTOPEN, 0},
    {IPPROTO_TCP, TCP_FASTOPEN_CONNECT, 0},
    {IPPROTO_TCP, TCP_QUICKACK, 1},
    {IPPROTO_TCP, TCP_DEFER_ACCEPT, 0},
    {IPPROTO_TCP, TCP_SYNCNT, 6},
    {IPPROTO_TCP, TCP_LINGER2, 60},
    {IPPROTO_TCP, TCP_WINDOW_CLAMP, 0},
    {IPPROTO_TCP, TCP_NOTSENT_LOWAT, -1},
    {IPPROTO_IP, IP_TOS, 0},
    {IPPROTO_IP, IP_TTL, 64},
    {IPPROTO_IP, IP_MTU_DISCOVER, 1},
    {IPPROTO_IP, IP_RECVERR, 0},
    {IPPROTO_IP, IP_PKTINFO, 0},
    {IPPROTO_IP, IP_RECVTTL, 0},
    {IPPROTO_IP, IP_RECVTOS, 0},
    {IPPROTO_IP, IP_MTU, 1500, false},
    {IPPROTO_IP, IP_MULTICAST_TTL, 1},
    {IPPROTO_IP, IP_MULTICAST_LOOP, 1},
    {IPPROTO_IP, IP_FREEBIND, 0},
    {IPPROTO_IP, IP_TRANSPARENT, 0},
    {IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 0},
    {IPPROTO_IPV6, IPV6_V6ONLY, 0},
    {IPPROTO_IPV6, IPV6_UNICAST_HOPS, 64},
    {IPPROTO_IPV6, IPV6_MULTICAST_HOPS, 1},
    {IPPROTO_IPV6, IPV6_MULTICAST_LOOP, 1},
    {IPPROTO_IPV6, IPV6_RECVERR, 0},
    {IPPROTO_IPV6, IPV6_RECVPKTINFO, 0},
    {IPPROTO_IPV6, IPV6_TCLASS, 0},
    {IPPROTO_IPV6, IPV6_MTU_DISCOVER, 1},
    {IPPROTO_IPV6, IPV6_RECVHOPLIMIT, 0},
    {IPPROTO_IPV6, IPV6_RECVTCLASS, 0},
};

// What is more than a number: its bytes, zero before anything is set. Memberships are taken and forgotten.
constexpr Option structures[] = {
    {SOL_SOCKET, SO_LINGER, sizeof(struct ::linger)},
    {SOL_SOCKET, SO_RCVTIMEO, 16},
    {SOL_SOCKET, SO_SNDTIMEO, 16},
    {SOL_SOCKET, SO_ATTACH_FILTER, 16},
    {IPPROTO_TCP, TCP_INFO, 104, false},
    {IPPROTO_IP, IP_ADD_MEMBERSHIP, 8},
    {IPPROTO_IP, IP_DROP_MEMBERSHIP, 8},
    {IPPROTO_IP, IP_MULTICAST_IF, 4},
    {IPPROTO_IPV6, IPV6_ADD_MEMBERSHIP, 20},
    {IPPROTO_IPV6, IPV6_DROP_MEMBERSHIP, 20},
    {IPPROTO_IPV6, IPV6_MULTICAST_IF, 4},
};

template <size_t N>
const Option* find(const Option (&all)[N], int level, int option) {
  for (const Option& known : all)
    if (known.level == level && known.option == option) return &known;
  return nullptr;
}

std::vector<std::byte> bytes_of(const void* value, size_t size) {
  const auto* bytes = static_cast<const std::byte*>(value);
  return {bytes, bytes + size};
}

std::vector<std::byte> number(int value) { return bytes_of(&value, sizeof value); }

bool fits_family(int family, int level) {
  if (level == SOL_SOCKET) return true;
  if (level == IPPROTO_IPV6) return family == AF_INET6;
  return family == AF_INET || family == AF_INET6;
}

/// A timeval that is one.
bool is_time(std::span<const std::byte> value) {
  struct ::timeval time {};
  std::memcpy(&time, value.data(), sizeof time);
  return time.tv_usec >= 0 && time.tv_usec < 1'000'000;
}

}  // namespace

bool BasicSocket::flag(int level, int option) const {
  const auto known = options_.find({level, option});
  return known != options_.end() &&
         std::any_of(known->second.begin(), known->second.end(), [](std::byte b) { return b != std::byte{0}; });
}

int64_t BasicSocket::set_option(int level, int option, std::span<const std::byte> value) {
  if (!fits_family(family_, level)) return level == IPPROTO_TCP && family_ == AF_UNIX ? -EOPNOTSUPP : -ENOPROTOOPT;
  if (level == IPPROTO_TCP && type_ != SOCK_STREAM) return -ENOPROTOOPT;
  // What names a thing rather than being a number, and changes nothing here.
  if (level == SOL_SOCKET && option == SO_BINDTODEVICE) return 0;
  if (level == IPPROTO_TCP && option == TCP_CONGESTION) return 0;
  if (const Option* known = find(structures, level, option)) {
    if (!known->settable) return -ENOPROTOOPT;
    if (value.size() < std::min<size_t>(static_cast<size_t>(known->value), 8)) return -EINVAL;
    const bool time = option == SO_RCVTIMEO || option == SO_SNDTIMEO;
    if (level == SOL_SOCKET && time && (value.size() < 16 || !is_time(value)))
      return value.size() < 16 ? -EINVAL : -EDOM;
    std::vector<std::byte> kept(value.begin(), value.end());
    kept.resize(static_cast<size_t>(known->value));
    options_[{level, option}] = std::move(kept);
    return 0;
  }
  const Option* known = find(numbers, level, option);
  if (level == SOL_SOCKET && (option == SO_SNDBUFFORCE || option == SO_RCVBUFFORCE)) return 0;
  if (known == nullptr || !known->settable) return -ENOPROTOOPT;
  int wanted = 0;
  // Those of IPPROTO_IP take single bytes too.
  if (level == IPPROTO_IP && value.size() == 1) {
    wanted = std::to_integer<int>(value.front());
  } else if (value.size() < sizeof wanted) {
    return -EINVAL;
  } else {
    std::memcpy(&wanted, value.data(), sizeof wanted);
  }
  if (level == SOL_SOCKET && (option == SO_SNDBUF || option == SO_RCVBUF))
    wanted = 2 * std::clamp(wanted, option == SO_SNDBUF ? 2304 : 1152, 212992);
  options_[{level, option}] = number(wanted);
  return 0;
}

int64_t BasicSocket::get_option(int level, int option, std::vector<std::byte>& value) {
  if (!fits_family(family_, level)) return level == IPPROTO_TCP && family_ == AF_UNIX ? -EOPNOTSUPP : -ENOPROTOOPT;
  std::vector<std::byte> out;
  if (const auto kept = options_.find({level, option}); kept != options_.end()) {
    out = kept->second;
  } else if (level == SOL_SOCKET && option == SO_ERROR) {
    out = number(std::exchange(error_, 0));
  } else if (level == SOL_SOCKET && option == SO_TYPE) {
    out = number(type_);
  } else if (level == SOL_SOCKET && option == SO_DOMAIN) {
    out = number(family_);
  } else if (level == SOL_SOCKET && option == SO_PROTOCOL) {
    out = number(protocol_);
  } else if (level == SOL_SOCKET && option == SO_ACCEPTCONN) {
    out = number(listening() ? 1 : 0);
  } else if (level == SOL_SOCKET && option == SO_PEERCRED) {
    const struct ::ucred who {
      static_cast<pid_t>(peer_pid()), peer_pid() == 0 ? UINT32_MAX : 0, peer_pid() == 0 ? UINT32_MAX : 0
    };
    out = bytes_of(&who, sizeof who);
  } else if (level == IPPROTO_TCP && option == TCP_CONGESTION) {
    out = bytes_of("cubic\0\0\0\0\0\0\0\0\0\0", 16);
  } else if (const Option* structure = find(structures, level, option)) {
    out.resize(static_cast<size_t>(structure->value));
    if (option == TCP_INFO && level == IPPROTO_TCP) out[0] = std::byte{1};  // established
  } else if (const Option* known = find(numbers, level, option)) {
    out = number(known->value);
  } else {
    return -ENOPROTOOPT;
  }
  if (level == IPPROTO_TCP && type_ != SOCK_STREAM) return -EOPNOTSUPP;
  if (value.size() < out.size()) out.resize(value.size());
  value = std::move(out);
  return 0;
}

}  // namespace shrike::sandbox::microvm
