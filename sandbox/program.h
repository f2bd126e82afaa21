#pragma once
// The modes of shrike-sandbox.

#include <string>

#include "common/base/result.h"
#include "sandbox/ledger.h"

namespace shrike::sandbox {

struct JobOptions {
  int channel = -1;
  bool ebpf = true;  ///< or notification, also where eBPF is possible
};
/// One job for the client at `channel`, in this process. Errors: what came was no job; the client has gone.
Result<void> run_job(const JobOptions& options);

struct CheckOptions {
  bool json = false;
};
/// Prints what this host can do. Errors: it cannot run any job, why.
Result<void> run_check(const CheckOptions& options);

struct ServeOptions {
  std::string socket = "/run/shrike/sandbox.sock";
  std::string state = "/var/lib/shrike-sandbox";
  unsigned ready = 2;
  bool new_machines = false;  ///< each is made when its job comes
  bool ebpf = true;
  uint64_t cpu_s = 3600;
  Quota quota;
};
/// Listens until SIGTERM. Errors: what cannot be had at the start.
Result<void> run_serve(const ServeOptions& options);

}  // namespace shrike::sandbox
