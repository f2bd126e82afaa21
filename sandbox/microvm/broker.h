#pragma once
// Gives read-only files of this host to a jailed machine, by numbers (files/broker_wire.h). Runs outside the jail;
// whatever comes over the socket may be anything.

#include "common/base/fd.h"
#include "common/base/result.h"
#include "sandbox/microvm/host_tree.h"

namespace shrike::sandbox::microvm {

class Broker {
 public:
  /// `socket`: this end of a SOCK_SEQPACKET pair. `tree` outlives this; several machines may be given the same numbers.
  Broker(HostTree& tree, Fd socket) : tree_(tree), socket_(std::move(socket)) {}

  [[nodiscard]] int fd() const { return socket_.get(); }
  /// Answers what has come, without waiting. False: the other end has gone. Errors: it sent what is no request, or does
  /// not take its answers.
  Result<bool> serve();

 private:
  Result<void> answer(std::string_view request);
  Result<void> send(const std::string& bytes, int fd);

  HostTree& tree_;
  Fd socket_;
};

}  // namespace shrike::sandbox::microvm
