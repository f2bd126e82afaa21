#pragma once
// The service: takes clients, gives each to a process of its own, keeps the ledger. It reads nothing that a client has
// sent: what parses jobs and runs programs is the other process, and whatever becomes of that, the service goes on.

#include <sys/types.h>

#include <cstdint>
#include <list>
#include <optional>
#include <string>
#include <vector>

#include "common/base/fd.h"
#include "common/base/result.h"
#include "sandbox/backends.h"
#include "sandbox/ledger.h"
#include "sandbox/program.h"

namespace shrike::sandbox {

class Service {
 public:
  Service(Backends& backends, Ledger& ledger, Fd listener, Fd signals, const ServeOptions& options)
      : backends_(backends),
        ledger_(ledger),
        listener_(std::move(listener)),
        signals_(std::move(signals)),
        options_(options) {}
  /// Until a signal says to end. Errors: poll(2)'s.
  Result<void> run();

 private:
  struct Worker {
    pid_t pid = -1;
    Fd pidfd, control, client;  // client: to tell it when the process is gone without a word
    unsigned slot = 0;
    bool taken = false;  // has a client; it took it from the socket itself
    bool begun = false;  // has a job that the ledger knows
    bool gone = false;
    std::string caller, id;
    Usage most;
  };
  void keep_ready();
  Worker* start_worker();
  void hear(Worker& worker);
  void answer(Worker& worker, const std::string& caller, const std::string& id, const Usage& most);
  void bury(Worker& worker, const std::string& why);
  bool clear(const Worker& worker);
  [[nodiscard]] std::optional<unsigned> free_slot() const;
  void rest();
  void stop();

  Backends& backends_;
  Ledger& ledger_;
  Fd listener_, signals_;
  const ServeOptions& options_;
  std::list<Worker> workers_;
  uint64_t taken_ns_ = 0;       // CLOCK_BOOTTIME: when a client last took one that was ready
  uint64_t idle_since_ns_ = 0;  // CLOCK_BOOTTIME; 0: a job runs, or nobody has looked yet
};

/// What the process of a job does, from its client to the report. Never returns to the service.
void run_worker(Backends& backends, unsigned slot, Fd control, Fd listener);

}  // namespace shrike::sandbox
