#pragma once
// Sockets as the guest has them: local ones (AF_UNIX, loopback) to each other, all others to the sink, which answers
// and records. Results as system calls return them; what would have to wait is -EAGAIN. To connect never waits.

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "sandbox/microvm/files/file_system.h"
#include "sandbox/microvm/files/objects.h"

namespace shrike::sandbox::microvm {

/// Bytes of a sockaddr as the guest gave it (copied, 0 to 128), or as it is given one.
using Address = std::vector<std::byte>;

/// What goes with the bytes of sendmsg and recvmsg.
struct Message {
  Address address;             ///< send: to whom, empty: to the peer; receive: from whom
  std::vector<FilePtr> files;  ///< SCM_RIGHTS
  uint32_t flags = 0;          ///< receive: MSG_TRUNC as recvmsg tells; MSG_CTRUNC is kernel/'s to find
  uint32_t sender = 0;         ///< pid; send: of who calls, receive: of who did
};

inline constexpr size_t message_files_max = 253;  ///< SCM_MAX_FD

class Socket : public File {
 public:
  /// AF_UNIX names are found from `place`. -EINVAL: bound already, or too short; -EADDRINUSE, -EADDRNOTAVAIL.
  virtual int64_t bind(const Place& place, std::span<const std::byte> address) = 0;
  /// -ECONNREFUSED, -EISCONN, -ENETUNREACH (a job without a network), -ENOENT ...
  virtual int64_t connect(const Place& place, std::span<const std::byte> address) = 0;
  virtual int64_t listen(int backlog) = 0;
  virtual int64_t accept(std::shared_ptr<Socket>& out) = 0;
  virtual int64_t shutdown(int how) = 0;
  /// MSG_OOB is refused; MSG_NOSIGNAL and waiting are kernel/'s. `place`: where an AF_UNIX address is looked for.
  /// -EPIPE, -EMSGSIZE, -ETOOMANYREFS (files on their way), -ENOBUFS.
  virtual int64_t send(const Place& place, std::span<const std::byte> bytes, const Message& message, int flags) = 0;
  /// MSG_PEEK and MSG_TRUNC in `flags`; MSG_WAITALL and waiting are kernel/'s.
  virtual int64_t receive(std::span<std::byte> out, Message& message, int flags) = 0;
  [[nodiscard]] virtual int64_t name(Address& out) const = 0;
  [[nodiscard]] virtual int64_t peer(Address& out) const = 0;
  /// What is not known: -ENOPROTOOPT. SO_RCVTIMEO and SO_SNDTIMEO are kept for kernel/ to ask.
  virtual int64_t set_option(int level, int option, std::span<const std::byte> value) = 0;
  /// Fills `value`, as long as the option is and `value` was.
  virtual int64_t get_option(int level, int option, std::vector<std::byte>& value) = 0;
};

/// Makes the sockets of one guest and keeps what they did.
class SocketWorld {
 public:
  virtual ~SocketWorld() = default;
  /// socket(2) for process `pid`, with SOCK_NONBLOCK: -EAFNOSUPPORT, -EPROTONOSUPPORT, -ENFILE, and -EPERM for raw and
  /// packet sockets, which kernel/ reports as refused.
  virtual int64_t make(uint32_t pid, int family, int type, int protocol, std::shared_ptr<Socket>& out) = 0;
  virtual int64_t make_pair(uint32_t pid, int family, int type, int protocol, std::shared_ptr<Socket>& first,
                            std::shared_ptr<Socket>& second) = 0;
  /// What went to the sink, `most` at most.
  [[nodiscard]] virtual std::vector<Connection> connections(size_t most, uint64_t& dropped) const = 0;
};

struct SocketOptions {
  Network network = Network::sink;
  ClockNow now;                      ///< CLOCK_MONOTONIC is asked
  std::vector<std::string> refused;  ///< "203.0.113.7:443": no server there
};

/// `files` outlives it. Sockets may outlive it, but then lose what is on its way to them.
std::unique_ptr<SocketWorld> make_sockets(FileSystem& files, SocketOptions options);

}  // namespace shrike::sandbox::microvm
