#include "sandbox/microvm/files/socket_base.h"

#include <fcntl.h>
#include <linux/sockios.h>
#include <sys/ioctl.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <cstring>

#include "sandbox/microvm/files/interfaces.h"

namespace shrike::sandbox::microvm {

namespace {

class SocketNode final : public Node {
 public:
  SocketNode(StorePtr store, Share object)
      : Node(std::move(store), S_IFSOCK | 0777, Volume::sockets), object_(std::move(object)) {}
  [[nodiscard]] std::string own_name() const override { return "socket:[" + std::to_string(number()) + "]"; }

 private:
  Share object_;
};

NodePtr socket_node(const SocketState& state) {
  Share object = Share::of(state.store->account, &Account::objects);
  return object ? std::make_shared<SocketNode>(state.store, std::move(object)) : nullptr;
}

}  // namespace

void SocketState::keep(const std::shared_ptr<BasicSocket>& socket) {
  if (all.size() >= 64 && std::has_single_bit(all.size()))  // now and then
    std::erase_if(all, [](const auto& weak) { return weak.expired(); });
  all.push_back(socket);
}

BasicSocket::BasicSocket(StatePtr state, int family, int type, int protocol, uint32_t pid)
    : state_(std::move(state)),
      node_(socket_node(*state_)),
      family_(family),
      type_(type),
      protocol_(protocol),
      pid_(pid) {
  flags = O_RDWR;
}

int64_t BasicSocket::read(std::span<std::byte> out, std::optional<uint64_t> at) {
  if (at) return -ESPIPE;
  Message message;
  return receive(out, message, 0);
}

int64_t BasicSocket::write(std::span<const std::byte> in, std::optional<uint64_t> at) {
  if (at) return -ESPIPE;
  Message message;
  message.sender = pid_;
  return send({}, in, message, 0);
}

int64_t BasicSocket::shutdown(int how) {
  if (how < SHUT_RD || how > SHUT_RDWR) return -EINVAL;
  reads_shut_ = reads_shut_ || how != SHUT_WR;
  writes_shut_ = writes_shut_ || how != SHUT_RD;
  return 0;
}

int64_t BasicSocket::control(uint64_t command, uint64_t value, std::span<std::byte> argument) {
  if (command == FIONREAD || command == SIOCOUTQ) {
    if (argument.size() < sizeof(int)) return -EINVAL;
    const int count = command == FIONREAD ? static_cast<int>(std::min<size_t>(waiting(), INT32_MAX)) : 0;
    std::memcpy(argument.data(), &count, sizeof count);
    return 0;
  }
  if (command >> 8 == 0x89) return interface_control(command, argument);
  return File::control(command, value, argument);
}

int64_t BasicSocket::pass(const Message& message, Passing& out) const {
  if (message.files.empty()) return 0;
  if (message.files.size() > message_files_max) return -EINVAL;
  auto passing = Passing::of(state_->passing, message.files);
  if (!passing) return -ETOOMANYREFS;
  out = std::move(*passing);
  return 0;
}

}  // namespace shrike::sandbox::microvm
