#pragma once
// AF_NETLINK, as much of routing as getifaddrs(3) and `ip addr` ask: links, addresses, routes are told, nothing
// changes.

#include "sandbox/microvm/files/socket_base.h"

namespace shrike::sandbox::microvm {

class NetlinkSocket final : public BasicSocket {
 public:
  NetlinkSocket(StatePtr state, int type, uint32_t pid);
  int64_t bind(const Place& place, std::span<const std::byte> address) override;
  int64_t connect(const Place& place, std::span<const std::byte> address) override;
  int64_t send(const Place& place, std::span<const std::byte> bytes, const Message& message, int send_flags) override;
  int64_t receive(std::span<std::byte> out, Message& message, int receive_flags) override;
  [[nodiscard]] int64_t name(Address& out) const override;
  [[nodiscard]] int64_t peer(Address& out) const override;
  [[nodiscard]] uint32_t poll() const override {
    return (queue_.empty() ? 0u : POLLIN | POLLRDNORM) | POLLOUT | POLLWRNORM;
  }
  [[nodiscard]] uint64_t activity(uint32_t) const override { return queue_.pushed; }
  int64_t set_option(int level, int option, std::span<const std::byte> value) override;
  void drop_messages() override { queue_.clear(); }

 protected:
  [[nodiscard]] size_t waiting() const override { return queue_.first_bytes(); }

 private:
  uint32_t port_;
  MessageQueue queue_;
};

/// The answers to one request of NETLINK_ROUTE: each a message of recvmsg's. `request` may be anything.
std::vector<std::string> route_answers(std::string_view request, uint32_t port);

}  // namespace shrike::sandbox::microvm
