#include <fcntl.h>
#include <linux/netlink.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>

#include "sandbox/microvm/files/internet_socket.h"
#include "sandbox/microvm/files/netlink_socket.h"
#include "sandbox/microvm/files/unix_socket.h"

namespace shrike::sandbox::microvm {

namespace {

int64_t check_unix(int type, int protocol) {
  if (protocol != 0 && protocol != PF_UNIX) return -EPROTONOSUPPORT;
  return type == SOCK_STREAM || type == SOCK_DGRAM || type == SOCK_SEQPACKET || type == SOCK_RAW ? 0 : -ESOCKTNOSUPPORT;
}

int64_t check_internet(int type, int protocol) {
  if (type == SOCK_RAW) return -EPERM;
  if (type == SOCK_STREAM) return protocol == 0 || protocol == IPPROTO_TCP ? 0 : -EPROTONOSUPPORT;
  if (type != SOCK_DGRAM) return -ESOCKTNOSUPPORT;
  if (protocol == IPPROTO_ICMP || protocol == IPPROTO_ICMPV6) return -EACCES;  // as ping_group_range says
  return protocol == 0 || protocol == IPPROTO_UDP ? 0 : -EPROTONOSUPPORT;
}

class World final : public SocketWorld {
 public:
  World(FileSystem& files, SocketOptions options) : state_(std::make_shared<SocketState>()) {
    state_->files = &files;
    state_->store = files.store();
    state_->options = std::move(options);
  }

  ~World() override {
    state_->files = nullptr;
    for (const auto& weak : state_->all)
      if (const auto socket = weak.lock()) socket->drop_messages();
  }

  int64_t make(uint32_t pid, int family, int type, int protocol, std::shared_ptr<Socket>& out) override {
    std::shared_ptr<BasicSocket> socket;
    const bool wait = (type & SOCK_NONBLOCK) == 0;
    if (const int64_t error = make_socket(pid, family, type & ~(SOCK_NONBLOCK | SOCK_CLOEXEC), protocol, socket);
        error < 0)
      return error;
    keep(socket, wait);
    out = socket;
    return 0;
  }

  int64_t make_pair(uint32_t pid, int family, int type, int protocol, std::shared_ptr<Socket>& first,
                    std::shared_ptr<Socket>& second) override {
    const int kind = type & ~(SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (family != AF_UNIX) return family == AF_INET || family == AF_INET6 ? -EOPNOTSUPP : -EAFNOSUPPORT;
    std::shared_ptr<BasicSocket> ends[2];
    for (auto& end : ends)
      if (const int64_t error = make_socket(pid, family, kind, protocol, end); error < 0) return error;
    if (const auto stream = std::dynamic_pointer_cast<UnixStream>(ends[0])) {
      StreamSocket::join(*stream, static_cast<UnixStream&>(*ends[1]));
    } else {
      UnixDatagram::join(std::static_pointer_cast<UnixDatagram>(ends[0]),
                         std::static_pointer_cast<UnixDatagram>(ends[1]));
    }
    for (auto& end : ends) keep(end, (type & SOCK_NONBLOCK) == 0);
    first = ends[0];
    second = ends[1];
    return 0;
  }

  [[nodiscard]] std::vector<Connection> connections(size_t most, uint64_t& dropped) const override {
    return state_->sink.connections(most, dropped);
  }

 private:
  int64_t make_socket(uint32_t pid, int family, int type, int protocol, std::shared_ptr<BasicSocket>& out) {
    int64_t error = 0;
    switch (family) {
      case AF_UNIX:
        if ((error = check_unix(type, protocol)) < 0) return error;
        if (type == SOCK_DGRAM || type == SOCK_RAW) {
          out = std::make_shared<UnixDatagram>(state_, pid);
        } else {
          out = std::make_shared<UnixStream>(state_, type, pid);
        }
        break;
      case AF_INET:
      case AF_INET6:
        if ((error = check_internet(type, protocol)) < 0) return error;
        if (type == SOCK_STREAM) {
          out = std::make_shared<TcpSocket>(state_, family, pid);
        } else {
          out = std::make_shared<UdpSocket>(state_, family, pid);
        }
        break;
      case AF_NETLINK:
        if (type != SOCK_RAW && type != SOCK_DGRAM) return -ESOCKTNOSUPPORT;
        if (protocol != NETLINK_ROUTE) return -EPROTONOSUPPORT;
        out = std::make_shared<NetlinkSocket>(state_, type, pid);
        break;
      case AF_PACKET:
        return -EPERM;
      default:
        return -EAFNOSUPPORT;
    }
    return out->made() ? 0 : -ENFILE;
  }

  void keep(const std::shared_ptr<BasicSocket>& socket, bool waits) {
    if (!waits) socket->flags |= O_NONBLOCK;
    state_->keep(socket);
  }

  StatePtr state_;
};

}  // namespace

std::unique_ptr<SocketWorld> make_sockets(FileSystem& files, SocketOptions options) {
  return std::make_unique<World>(files, std::move(options));
}

}  // namespace shrike::sandbox::microvm
