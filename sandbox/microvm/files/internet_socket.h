#pragma once
// TCP and UDP: to the guest's own addresses within it, to all others to the sink.

#include "sandbox/microvm/files/stream_socket.h"

namespace shrike::sandbox::microvm {

class TcpSocket final : public StreamSocket {
 public:
  TcpSocket(StatePtr state, int family, uint32_t pid);
  int64_t bind(const Place& place, std::span<const std::byte> address) override;
  int64_t connect(const Place& place, std::span<const std::byte> address) override;
  [[nodiscard]] int64_t name(Address& out) const override;
  [[nodiscard]] int64_t peer(Address& out) const override;
  [[nodiscard]] std::optional<uint64_t> wakes_at() const override;

 protected:
  int64_t may_listen() override;
  std::shared_ptr<StreamSocket> make_accepted() override;
  [[nodiscard]] bool ended() const override;
  bool send_outside(std::span<const std::byte> bytes) override;

 private:
  int64_t ensure_bound(const Endpoint& to);
  int64_t connect_within(const Endpoint& to);
  int64_t connect_outside(const Endpoint& to);
  void hear(const SinkSession::Answer& answer);

  Endpoint own_, peer_;
  bool bound_ = false;
  std::unique_ptr<SinkSession> sink_;
};

class UdpSocket final : public BasicSocket {
 public:
  UdpSocket(StatePtr state, int family, uint32_t pid);
  int64_t bind(const Place& place, std::span<const std::byte> address) override;
  int64_t connect(const Place& place, std::span<const std::byte> address) override;
  int64_t send(const Place& place, std::span<const std::byte> bytes, const Message& message, int send_flags) override;
  int64_t receive(std::span<std::byte> out, Message& message, int receive_flags) override;
  [[nodiscard]] int64_t name(Address& out) const override;
  [[nodiscard]] int64_t peer(Address& out) const override;
  [[nodiscard]] uint32_t poll() const override;
  [[nodiscard]] uint64_t activity(uint32_t events) const override;
  void drop_messages() override { queue_.clear(); }

 protected:
  [[nodiscard]] size_t waiting() const override { return queue_.first_bytes(); }

 private:
  static constexpr size_t datagram_max = 65507;
  int64_t ensure_bound(const Endpoint& to);
  void send_within(const Endpoint& to, std::string_view bytes);
  void send_outside(const Endpoint& to, std::string_view bytes);
  void arrive(const Endpoint& from, std::string_view bytes);

  MessageQueue queue_;
  Endpoint own_;
  std::optional<Endpoint> peer_;
  bool bound_ = false;
};

/// What a socket that is bound to all addresses, or to none, has as its own when it talks to `to`.
Endpoint own_towards(const Endpoint& to, uint16_t port);

}  // namespace shrike::sandbox::microvm
