#include <algorithm>
#include <cerrno>
#include <cstring>

#include "sandbox/microvm/files/internet_socket.h"

namespace shrike::sandbox::microvm {

namespace {

constexpr uint16_t dns_port = 53;

}  // namespace

UdpSocket::UdpSocket(StatePtr state, int family, uint32_t pid)
    : BasicSocket(state, family, SOCK_DGRAM, IPPROTO_UDP, pid), queue_(state->store->account) {}

int64_t UdpSocket::bind(const Place&, std::span<const std::byte> address) {
  Endpoint wanted;
  if (const int64_t error = parse_endpoint(family(), address, wanted); error < 0) return error;
  if (bound_) return -EINVAL;
  const bool multicast = wanted.is_v4() && wanted.v4() >> 28 == 14;
  if (!wanted.is_own() && !multicast) return -EADDRNOTAVAIL;
  if (const int64_t error = state()->udp.bind(wanted, shared_from_this()); error < 0) return error;
  own_ = wanted;
  bound_ = true;
  return 0;
}

int64_t UdpSocket::ensure_bound(const Endpoint& to) {
  if (bound_) return 0;
  Endpoint own = to.is_v4() ? Endpoint::v4(INADDR_ANY, 0) : Endpoint();
  if (const int64_t error = state()->udp.bind(own, shared_from_this()); error < 0) return -EAGAIN;
  own_ = own;
  bound_ = true;
  return 0;
}

int64_t UdpSocket::connect(const Place&, std::span<const std::byte> address) {
  sa_family_t given = AF_INET;
  if (address.size() >= sizeof given) std::memcpy(&given, address.data(), sizeof given);
  if (given == AF_UNSPEC) {
    peer_.reset();
    return 0;
  }
  Endpoint to;
  if (const int64_t error = parse_endpoint(family(), address, to); error < 0) return error;
  // A guest without IPv6 to the outside: programs then prefer IPv4 (RFC 6724's sorting connects to find out).
  const bool unreachable = !to.is_own() && (state()->options.network == Network::none || !to.is_v4());
  if (unreachable) return -ENETUNREACH;
  if (const int64_t error = ensure_bound(to); error < 0) return error;
  peer_ = to.is_any() ? own_towards(to, to.port) : to;
  return 0;
}

int64_t UdpSocket::send(const Place&, std::span<const std::byte> bytes, const Message& message, int send_flags) {
  if ((send_flags & MSG_OOB) != 0) return -EOPNOTSUPP;
  if (!message.files.empty()) return -EINVAL;
  if (writes_shut_) return -EPIPE;
  if (error_ != 0) return -std::exchange(error_, 0);
  std::optional<Endpoint> to = peer_;
  if (!message.address.empty()) {
    Endpoint given;
    if (const int64_t error = parse_endpoint(family(), message.address, given); error < 0) return error;
    to = given;
  }
  if (!to) return -EDESTADDRREQ;
  if (to->port == 0) return -EINVAL;
  if (bytes.size() > datagram_max) return -EMSGSIZE;
  if (const int64_t error = ensure_bound(*to); error < 0) return error;
  const std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  if (to->is_own()) {
    send_within(*to, text);
  } else {
    if (state()->options.network == Network::none) {
      state()->sink.find_or_open(pid(), "udp", *to);
      return -ENETUNREACH;
    }
    send_outside(*to, text);
  }
  return static_cast<int64_t>(bytes.size());
}

void UdpSocket::send_within(const Endpoint& to, std::string_view bytes) {
  const auto other = std::dynamic_pointer_cast<UdpSocket>(state()->udp.find(to));
  const Endpoint from = own_.is_any() ? own_towards(to, own_.port) : own_;
  if (!other) {
    if (peer_) error_ = ECONNREFUSED;
    return;
  }
  if (!other->peer_ || *other->peer_ == from) other->arrive(from, bytes);
}

void UdpSocket::send_outside(const Endpoint& to, std::string_view bytes) {
  Sink& sink = state()->sink;
  if (to.port == dns_port)
    if (const auto reply = sink.answer_query(pid(), to, bytes)) {
      if (!peer_ || *peer_ == to) arrive(to, *reply);
      return;
    }
  sink.sent(sink.find_or_open(pid(), "udp", to), bytes);
}

void UdpSocket::arrive(const Endpoint& from, std::string_view bytes) {
  if (queue_.free() < bytes.size() || queue_.free() == 0) return;  // as datagrams go
  Segment segment;
  segment.bytes = bytes;
  segment.sender = endpoint_address(family(), from);
  queue_.push(std::move(segment));
}

int64_t UdpSocket::receive(std::span<std::byte> out, Message& message, int receive_flags) {
  if ((receive_flags & MSG_OOB) != 0) return -EINVAL;
  if ((receive_flags & MSG_ERRQUEUE) != 0) return -EAGAIN;
  if (error_ != 0) return -std::exchange(error_, 0);
  if (queue_.empty()) return reads_shut_ ? 0 : -EAGAIN;
  return queue_.take_message(out, message, (receive_flags & MSG_PEEK) != 0, (receive_flags & MSG_TRUNC) != 0);
}

int64_t UdpSocket::name(Address& out) const {
  const Endpoint none = family() == AF_INET ? Endpoint::v4(INADDR_ANY, 0) : Endpoint();
  const Endpoint own = bound_ ? own_ : none;
  out = endpoint_address(family(), peer_ && own.is_any() ? own_towards(*peer_, own.port) : own);
  return 0;
}

int64_t UdpSocket::peer(Address& out) const {
  if (!peer_) return -ENOTCONN;
  out = endpoint_address(family(), *peer_);
  return 0;
}

uint32_t UdpSocket::poll() const {
  const uint32_t in = queue_.empty() && !reads_shut_ && error_ == 0 ? 0u : POLLIN | POLLRDNORM;
  return in | (error_ != 0 ? POLLERR : 0u) | POLLOUT | POLLWRNORM;
}

uint64_t UdpSocket::activity(uint32_t events) const {
  return ((events & POLLIN) != 0 ? queue_.pushed : 0) + (error_ != 0 ? 1 : 0);
}

}  // namespace shrike::sandbox::microvm
