#pragma once
// What all sockets have: a node, options, and the state that they share.

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "sandbox/microvm/files/internet_address.h"
#include "sandbox/microvm/files/message_queue.h"
#include "sandbox/microvm/files/sink.h"
#include "sandbox/microvm/files/socket.h"

namespace shrike::sandbox::microvm {

class BasicSocket;
class UnixSocket;

/// One protocol's ports, and who has them.
class Ports {
 public:
  /// Gives `socket` the port, or a free one for 0. -EADDRINUSE.
  int64_t bind(Endpoint& endpoint, const std::shared_ptr<BasicSocket>& socket);
  /// Who gets what is sent there: the one bound to that very address before one bound to all.
  std::shared_ptr<BasicSocket> find(const Endpoint& endpoint);

 private:
  struct Bound {
    Endpoint endpoint;
    std::weak_ptr<BasicSocket> socket;
  };
  [[nodiscard]] bool free_for(const Endpoint& endpoint, const BasicSocket& socket);

  std::multimap<uint16_t, Bound> bound_;
  size_t prune_at_ = 256;
  uint16_t next_ = 32768;
};

struct SocketState {
  FileSystem* files = nullptr;  // null once the world is gone
  StorePtr store;
  SocketOptions options;
  Sink sink;
  Ports tcp, udp;
  std::map<std::string, std::weak_ptr<UnixSocket>> abstract;
  std::shared_ptr<Budget> passing = std::make_shared<Budget>(512);  // owners: this and messages on their way
  std::vector<std::weak_ptr<BasicSocket>> all;
  uint32_t next_autobind = 0;

  [[nodiscard]] uint64_t now() const { return options.now(CLOCK_MONOTONIC); }
  void keep(const std::shared_ptr<BasicSocket>& socket);
};
using StatePtr = std::shared_ptr<SocketState>;  // owners: the world and its sockets

class BasicSocket : public Socket, public std::enable_shared_from_this<BasicSocket> {
 public:
  BasicSocket(StatePtr state, int family, int type, int protocol, uint32_t pid);
  /// False: no objects left; such a socket is not to be used.
  [[nodiscard]] bool made() const { return node_ != nullptr; }

  int64_t read(std::span<std::byte> out, std::optional<uint64_t> at) override;
  int64_t write(std::span<const std::byte> in, std::optional<uint64_t> at) override;
  int64_t control(uint64_t command, uint64_t value, std::span<std::byte> argument) override;
  [[nodiscard]] NodePtr node() const override { return node_; }
  [[nodiscard]] bool writes_whole() const override { return type_ == SOCK_STREAM; }
  int64_t listen(int) override { return -EOPNOTSUPP; }
  int64_t accept(std::shared_ptr<Socket>&) override { return -EOPNOTSUPP; }
  int64_t shutdown(int how) override;
  int64_t set_option(int level, int option, std::span<const std::byte> value) override;
  int64_t get_option(int level, int option, std::vector<std::byte>& value) override;

  /// Forgets what is on its way to it, so that files in it that hold sockets do not hold each other.
  virtual void drop_messages() = 0;
  [[nodiscard]] int family() const { return family_; }
  [[nodiscard]] int type() const { return type_; }
  [[nodiscard]] uint32_t pid() const { return pid_; }
  [[nodiscard]] bool reuses() const { return flag(SOL_SOCKET, SO_REUSEADDR) || flag(SOL_SOCKET, SO_REUSEPORT); }
  [[nodiscard]] virtual bool listening() const { return false; }
  [[nodiscard]] const StatePtr& state() const { return state_; }

 protected:
  [[nodiscard]] bool flag(int level, int option) const;
  /// Bytes that can be read, for FIONREAD.
  [[nodiscard]] virtual size_t waiting() const = 0;
  /// Of SO_PEERCRED; 0: nobody's.
  [[nodiscard]] virtual uint32_t peer_pid() const { return 0; }
  /// The Passing of a message's files, and its checks. -ETOOMANYREFS, -EINVAL.
  int64_t pass(const Message& message, Passing& out) const;

  bool reads_shut_ = false, writes_shut_ = false;
  int error_ = 0;  // what SO_ERROR gives, once

 private:
  StatePtr state_;
  NodePtr node_;
  int family_, type_, protocol_;
  uint32_t pid_;
  std::map<std::pair<int, int>, std::vector<std::byte>> options_;
};

}  // namespace shrike::sandbox::microvm
