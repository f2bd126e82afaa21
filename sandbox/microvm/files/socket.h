#pragma once
// Sockets as the guest has them: local ones (AF_UNIX, loopback) to each other, all others to the sink, which answers
// and records. Results as system calls return them; what would have to wait is -EAGAIN (connect: -EINPROGRESS, then
// poll).

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "sandbox/microvm/files/file_system.h"

namespace shrike::sandbox::microvm {

/// Bytes of a sockaddr as the guest gave it (copied, 0 to 128), or as it is given one.
using Address = std::vector<std::byte>;

/// What goes with the bytes of sendmsg and recvmsg.
struct Message {
  Address address;             ///< send: to whom, empty: to the peer; receive: from whom
  std::vector<FilePtr> files;  ///< SCM_RIGHTS
  uint32_t flags = 0;          ///< receive: MSG_TRUNC, MSG_CTRUNC as recvmsg tells
  uint32_t sender = 0;         ///< pid
};

class Socket : public File {
 public:
  /// AF_UNIX names are found in `place` of `files`.
  virtual int64_t bind(const Place& place, std::span<const std::byte> address) = 0;
  virtual int64_t connect(const Place& place, std::span<const std::byte> address) = 0;
  virtual int64_t listen(int backlog) = 0;
  virtual int64_t accept(std::shared_ptr<Socket>& out) = 0;
  virtual int64_t shutdown(int how) = 0;
  /// MSG_PEEK, MSG_OOB, MSG_TRUNC, MSG_WAITALL ... in `flags`; waiting is kernel/'s.
  virtual int64_t send(std::span<const std::byte> bytes, const Message& message, int flags) = 0;
  virtual int64_t receive(std::span<std::byte> out, Message& message, int flags) = 0;
  [[nodiscard]] virtual int64_t name(Address& out) const = 0;
  [[nodiscard]] virtual int64_t peer(Address& out) const = 0;
  virtual int64_t set_option(int level, int option, std::span<const std::byte> value) = 0;
  /// Fills `value`, as long as the option is and `value` was.
  virtual int64_t get_option(int level, int option, std::vector<std::byte>& value) const = 0;
};

/// Makes the sockets of one guest and keeps what they did.
class SocketWorld {
 public:
  virtual ~SocketWorld() = default;
  /// socket(2) for process `pid`: -EAFNOSUPPORT, -EPROTONOSUPPORT, -EPERM (raw and exotic ones: kernel/ reports them).
  virtual int64_t make(uint32_t pid, int family, int type, int protocol, std::shared_ptr<Socket>& out) = 0;
  virtual int64_t make_pair(uint32_t pid, int family, int type, int protocol, std::shared_ptr<Socket>& first,
                            std::shared_ptr<Socket>& second) = 0;
  [[nodiscard]] virtual std::vector<Connection> connections(size_t most, uint64_t& dropped) const = 0;
};

}  // namespace shrike::sandbox::microvm
