#pragma once
// AF_UNIX.

#include "sandbox/microvm/files/stream_socket.h"

namespace shrike::sandbox::microvm {

/// What sockets of all types have that a name leads to.
class UnixSocket {
 public:
  virtual ~UnixSocket() = default;
  [[nodiscard]] virtual BasicSocket& socket() = 0;

 protected:
  /// The name of bind(2), in the tree or abstract; with the family alone, one is chosen.
  int64_t take_name(const std::shared_ptr<UnixSocket>& self, const Place& place, std::span<const std::byte> address);
  /// Who has a name. -ENOENT, -ECONNREFUSED, -EPROTOTYPE, -EINVAL.
  int64_t look_up(const Place& place, std::span<const std::byte> address, std::shared_ptr<UnixSocket>& out);
  [[nodiscard]] Address own_address() const { return address_.empty() ? nameless() : address_; }
  static Address nameless();

  Address address_;  // empty: none
};

class UnixStream final : public StreamSocket, public UnixSocket {
 public:
  UnixStream(StatePtr state, int type, uint32_t pid) : StreamSocket(std::move(state), AF_UNIX, type, 0, pid) {}
  int64_t bind(const Place& place, std::span<const std::byte> address) override;
  int64_t connect(const Place& place, std::span<const std::byte> address) override;
  [[nodiscard]] int64_t name(Address& out) const override;
  [[nodiscard]] int64_t peer(Address& out) const override;
  [[nodiscard]] BasicSocket& socket() override { return *this; }

 protected:
  int64_t may_listen() override { return address_.empty() ? -EINVAL : 0; }
  std::shared_ptr<StreamSocket> make_accepted() override;

 private:
  std::shared_ptr<UnixStream> self() { return std::static_pointer_cast<UnixStream>(shared_from_this()); }
  Address peer_;
};

class UnixDatagram final : public BasicSocket, public UnixSocket {
 public:
  UnixDatagram(StatePtr state, uint32_t pid);
  int64_t bind(const Place& place, std::span<const std::byte> address) override;
  int64_t connect(const Place& place, std::span<const std::byte> address) override;
  int64_t send(const Place& place, std::span<const std::byte> bytes, const Message& message, int send_flags) override;
  int64_t receive(std::span<std::byte> out, Message& message, int receive_flags) override;
  [[nodiscard]] int64_t name(Address& out) const override;
  [[nodiscard]] int64_t peer(Address& out) const override;
  [[nodiscard]] uint32_t poll() const override;
  [[nodiscard]] uint64_t activity(uint32_t events) const override;
  void drop_messages() override { queue_.clear(); }
  [[nodiscard]] BasicSocket& socket() override { return *this; }
  static void join(const std::shared_ptr<UnixDatagram>& first, const std::shared_ptr<UnixDatagram>& second);

 protected:
  [[nodiscard]] size_t waiting() const override { return queue_.first_bytes(); }
  [[nodiscard]] uint32_t peer_pid() const override { return peer_pid_; }

 private:
  std::shared_ptr<UnixDatagram> self() { return std::static_pointer_cast<UnixDatagram>(shared_from_this()); }
  MessageQueue queue_;
  std::weak_ptr<UnixDatagram> peer_;
  bool has_peer_ = false;
  uint32_t peer_pid_ = 0;
};

}  // namespace shrike::sandbox::microvm
