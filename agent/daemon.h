#pragma once
// The running agent: one loop thread from the kernel's rings to the spool.

#include <functional>
#include <memory>
#include <string>

#include "agent/config.h"
#include "agent/rules_loader.h"
#include "common/base/result.h"

namespace shrike::agent {

struct DaemonOptions {
  Config config;
  LoadedRules rules;
  /// Reads the configuration again, flags applied: for SIGHUP.
  std::function<Result<Config>()> read_config;
  std::string version;
  std::string capture;  ///< file to write records to as well; empty: none
};

class Daemon {
 public:
  /// Sets everything up: rules, state, kernel; then gives up privileges and starts publishing. Blocks SIGTERM, SIGINT,
  /// SIGHUP and SIGPIPE in the calling thread, which must be the only one.
  /// Errors: whatever kept it from starting, with what to do.
  static Result<Daemon> start(DaemonOptions options);
  Daemon(Daemon&&) noexcept;
  Daemon& operator=(Daemon&&) noexcept;
  ~Daemon();

  /// Runs until SIGTERM or SIGINT, then delivers what is there. Errors: the kernel's rings can no longer be read.
  Result<void> run();

 private:
  struct Impl;
  explicit Daemon(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace shrike::agent
