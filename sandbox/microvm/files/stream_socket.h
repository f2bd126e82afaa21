#pragma once
// Connected sockets: AF_UNIX streams and sequences of packets, and TCP.

#include <deque>
#include <memory>

#include "sandbox/microvm/files/socket_base.h"

namespace shrike::sandbox::microvm {

/// One direction of a connection. Owners: its two ends.
struct Lane {
  explicit Lane(const StatePtr& state) : queue(state->store->account) {}
  MessageQueue queue;
  bool ended = false;   ///< no more will be written
  bool broken = false;  ///< nobody reads
  bool reset = false;   ///< the writer went with unread bytes of ours: told once
};
using LanePtr = std::shared_ptr<Lane>;

class StreamSocket : public BasicSocket {
 public:
  using BasicSocket::BasicSocket;
  ~StreamSocket() override;

  int64_t listen(int backlog) override;
  int64_t accept(std::shared_ptr<Socket>& out) override;
  int64_t shutdown(int how) override;
  int64_t send(const Place& place, std::span<const std::byte> bytes, const Message& message, int send_flags) override;
  int64_t receive(std::span<std::byte> out, Message& message, int receive_flags) override;
  [[nodiscard]] uint32_t poll() const override;
  [[nodiscard]] uint64_t activity(uint32_t events) const override;
  void drop_messages() override;
  [[nodiscard]] bool listening() const override { return listening_; }

  /// Two ends of a new connection.
  static void join(StreamSocket& first, StreamSocket& second);

 protected:
  static constexpr size_t backlog_max = 128;

  [[nodiscard]] size_t waiting() const override { return in_ ? in_->queue.held() : 0; }
  [[nodiscard]] uint32_t peer_pid() const override { return peer_pid_; }
  [[nodiscard]] bool connected() const { return in_ != nullptr; }
  /// Whether it may listen: has a name. 0 or -errno.
  virtual int64_t may_listen() = 0;
  /// What accept() gives for one that has connected. Null: no objects left.
  virtual std::shared_ptr<StreamSocket> make_accepted() = 0;
  /// Asks `listener`, from this side. The accepted end, or null with `error`: -ECONNREFUSED, -EAGAIN.
  std::shared_ptr<StreamSocket> ask(StreamSocket& listener, int64_t& error);
  /// Whether the other side has ended, which may come by time alone.
  [[nodiscard]] virtual bool ended() const { return in_->ended; }
  /// Bytes for who is not in the guest; false: there is a peer in the guest.
  virtual bool send_outside(std::span<const std::byte>) { return false; }
  [[nodiscard]] bool by_packets() const { return type() == SOCK_SEQPACKET; }

  LanePtr in_, out_;
  uint32_t peer_pid_ = 0;
  bool listening_ = false;

 private:
  std::deque<std::shared_ptr<StreamSocket>> pending_;
  size_t backlog_ = 0;
  uint64_t arrived_ = 0;
};

}  // namespace shrike::sandbox::microvm
