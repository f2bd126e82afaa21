#pragma once
// The Internet as a sandboxed program meets it: whatever it connects to or sends datagrams to arrives here, is answered
// (sink_answer.h) and noted. Runs in the sandbox's init, in its network namespace. Bounded: connections at once, bytes
// kept of each.

#include <netinet/in.h>
#include <poll.h>

#include <array>
#include <cstdint>
#include <functional>
#include <list>
#include <string>
#include <vector>

#include "common/base/fd.h"
#include "common/base/result.h"
#include "sandbox/report.h"

namespace shrike::sandbox::process {

class Sink {
 public:
  using Record = std::function<void(const Connection&)>;
  /// Sockets that take TCP and UDP of both families. Where a BPF program cannot bring all ports to them (`wildcard`),
  /// more listen at the ports that are asked for most. Errors: errno.
  static Result<Sink> open(bool wildcard, Record record);
  /// TCP 4, TCP 6, UDP 4, UDP 6; -1 for what this kernel has not: for the BPF program.
  [[nodiscard]] std::array<int, 4> sockets() const;

  /// Appends what poll(2) has to watch; handle() gets the same, with what happened.
  void watch(std::vector<pollfd>& fds) const;
  void handle(const pollfd* fds, size_t count);
  /// Notes what is still open.
  void finish();

 private:
  struct Conversation {
    Fd socket;
    Connection what;
    bool answered = false;
  };
  explicit Sink(Record record) : record_(std::move(record)) {}
  void accept_from(int listener);
  void datagram_from(int socket);
  bool hear(Conversation& conversation);
  void close_first();

  Record record_;
  std::vector<Fd> listeners_, datagrams_;
  std::list<Conversation> conversations_;
  std::array<int, 4> main_ = {-1, -1, -1, -1};
};

/// "203.0.113.7:443", "[2001:db8::7]:443".
std::string address_text(const sockaddr_storage& address);

}  // namespace shrike::sandbox::process
