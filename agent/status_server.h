#pragma once

#include <memory>
#include <string>

#include "agent/config.h"
#include "agent/status.h"
#include "common/base/result.h"

namespace shrike::agent {

/// Serves /metrics and /status on loopback from the board, in three threads of its own. Stops when destroyed.
class StatusServer {
 public:
  /// Errors: the address cannot be bound. `board` must outlive the server.
  static Result<StatusServer> start(const Listen& listen, const StatusBoard& board);
  StatusServer(StatusServer&&) noexcept;
  StatusServer& operator=(StatusServer&&) noexcept;
  ~StatusServer();

 private:
  struct Impl;
  explicit StatusServer(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace shrike::agent
