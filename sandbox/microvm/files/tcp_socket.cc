#include <algorithm>
#include <cerrno>

#include "sandbox/microvm/files/internet_socket.h"

namespace shrike::sandbox::microvm {

Endpoint own_towards(const Endpoint& to, uint16_t port) {
  if (to.is_v4()) return Endpoint::v4(to.v4() >> 24 == 127 || to.is_any() ? 0x7f000001 : own_v4, port);
  Endpoint own;  // ::1: IPv6 has no other address here
  own.ip[15] = 1;
  own.port = port;
  return own;
}

TcpSocket::TcpSocket(StatePtr state, int family, uint32_t pid)
    : StreamSocket(std::move(state), family, SOCK_STREAM, IPPROTO_TCP, pid) {}

int64_t TcpSocket::bind(const Place&, std::span<const std::byte> address) {
  Endpoint wanted;
  if (const int64_t error = parse_endpoint(family(), address, wanted); error < 0) return error;
  if (bound_ || connected()) return -EINVAL;
  if (!wanted.is_own()) return -EADDRNOTAVAIL;
  if (const int64_t error = state()->tcp.bind(wanted, shared_from_this()); error < 0) return error;
  own_ = wanted;
  bound_ = true;
  return 0;
}

int64_t TcpSocket::ensure_bound(const Endpoint& to) {
  Endpoint own = own_towards(to, bound_ ? own_.port : 0);
  if (!bound_)
    if (const int64_t error = state()->tcp.bind(own, shared_from_this()); error < 0) return -EADDRNOTAVAIL;
  own_ = bound_ && !own_.is_any() ? own_ : own;
  bound_ = true;
  return 0;
}

int64_t TcpSocket::may_listen() {
  if (bound_) return 0;
  Endpoint any = family() == AF_INET ? Endpoint::v4(INADDR_ANY, 0) : Endpoint();
  const int64_t error = state()->tcp.bind(any, shared_from_this());
  if (error == 0) own_ = any, bound_ = true;
  return error;
}

int64_t TcpSocket::connect(const Place&, std::span<const std::byte> address) {
  Endpoint to;
  if (const int64_t error = parse_endpoint(family(), address, to); error < 0) return error;
  if (connected() || listening()) return -EISCONN;
  return to.is_own() ? connect_within(to) : connect_outside(to);
}

int64_t TcpSocket::connect_within(const Endpoint& to) {
  const auto other = std::dynamic_pointer_cast<TcpSocket>(state()->tcp.find(to));
  if (!other || !other->listening()) return -ECONNREFUSED;
  if (const int64_t error = ensure_bound(to); error < 0) return error;
  int64_t error = 0;
  if (const auto accepted = std::static_pointer_cast<TcpSocket>(ask(*other, error))) {
    peer_ = to.is_any() ? own_towards(to, to.port) : to;
    accepted->own_ = peer_;
    accepted->bound_ = true;
    accepted->peer_ = own_;
  }
  return error;
}

int64_t TcpSocket::connect_outside(const Endpoint& to) {
  const auto& options = state()->options;
  const bool refused = std::find(options.refused.begin(), options.refused.end(), to.text()) != options.refused.end();
  if (options.network == Network::none || refused) {
    state()->sink.open(pid(), "tcp", to);
    return refused ? -ECONNREFUSED : -ENETUNREACH;
  }
  if (const int64_t error = ensure_bound(to); error < 0) return error;
  sink_ = std::make_unique<SinkSession>(state()->sink, pid(), to, state()->now());
  in_ = std::make_shared<Lane>(state());
  out_ = std::make_shared<Lane>(state());
  peer_ = to;
  hear(sink_->greeting());
  return 0;
}

bool TcpSocket::send_outside(std::span<const std::byte> bytes) {
  if (!sink_) return false;
  hear(sink_->sent({reinterpret_cast<const char*>(bytes.data()), bytes.size()}, state()->now()));
  return true;
}

void TcpSocket::hear(const SinkSession::Answer& answer) {
  // Who sends questions and never reads the answers gets no more of them.
  if (!answer.bytes.empty() && in_->queue.free() >= answer.bytes.size()) {
    Segment segment;
    segment.bytes = answer.bytes;
    in_->queue.append(std::move(segment));
  }
  in_->ended = in_->ended || answer.closes;
}

bool TcpSocket::ended() const { return in_->ended || (sink_ && state()->now() >= sink_->closes_at()); }

std::optional<uint64_t> TcpSocket::wakes_at() const {
  return sink_ && !ended() ? std::optional(sink_->closes_at()) : std::nullopt;
}

std::shared_ptr<StreamSocket> TcpSocket::make_accepted() {
  return std::make_shared<TcpSocket>(state(), family(), pid());
}

int64_t TcpSocket::name(Address& out) const {
  const Endpoint none = family() == AF_INET ? Endpoint::v4(INADDR_ANY, 0) : Endpoint();
  out = endpoint_address(family(), bound_ ? own_ : none);
  return 0;
}

int64_t TcpSocket::peer(Address& out) const {
  if (!connected()) return -ENOTCONN;
  out = endpoint_address(family(), peer_);
  return 0;
}

}  // namespace shrike::sandbox::microvm
