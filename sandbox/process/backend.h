#pragma once
// The backend `process`: a job in namespaces, under a system call filter, its calls told by eBPF or by notification.

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "sandbox/backend.h"
#include "sandbox/policy.h"
#include "sandbox/process/cgroup.h"
#include "sandbox/process/init.h"
#include "sandbox/process/sandbox.h"
#include "sandbox/process/tracer.h"

namespace shrike::sandbox::process {

/// Policies of both profiles and networks, with their filters: made once, before anyone waits.
class Filters {
 public:
  struct One {
    Policy policy;
    std::vector<sock_filter> ebpf;    ///< what is refused is answered by the kernel
    std::vector<sock_filter> notify;  ///< everything goes to the listener
  };
  static Result<Filters> build();
  [[nodiscard]] const One& of(Profile profile, Network network) const;

 private:
  std::vector<One> all_;
};

/// What eBPF does for one sandbox; without it calls are told by notification.
class TracerSource {
 public:
  virtual ~TracerSource() = default;
  /// Makes ready to trace a sandbox whose program does not run yet. Errors: errno.
  virtual Result<void> prepare(Sandbox& sandbox) = 0;
  /// The tracer, when it is known under which policy the program will run.
  virtual std::unique_ptr<Tracer> begin(const Policy& policy) = 0;
  /// Whether bring_ports() can do it, and why not.
  [[nodiscard]] virtual bool brings_ports() const = 0;
  [[nodiscard]] virtual std::string no_ports() const = 0;
  /// Brings every port of the sandbox's network to its sink's sockets: TCP 4, TCP 6, UDP 4, UDP 6 (without IPv6: TCP 4,
  /// UDP 4). Errors: errno.
  virtual Result<void> bring_ports(Sandbox& sandbox, const std::vector<Fd>& sockets) = 0;
};

struct ProcessOptions {
  const CgroupHost* cgroups = nullptr;
  const Filters* filters = nullptr;
  TracerSource* tracers = nullptr;  ///< null: notification alone
  std::string no_tracers;           ///< why
  RootView view;
  std::string name;  ///< job_group_name()
  uid_t uid = 0;     ///< Sandbox::prepare
};

class ProcessBackend final : public BackendRunner {
 public:
  explicit ProcessBackend(ProcessOptions options) : options_(std::move(options)) {}
  /// Makes the sandbox that the next job gets, before there is one. Errors: which step.
  Result<void> prepare();
  Report run(const Job& job, JobFiles files, Teller& teller) override;

 private:
  ProcessOptions options_;
  std::unique_ptr<Sandbox> ready_;
};

/// Unused by this host's users: one for each job at once, above all that systemd gives out (see its UIDS-GIDS.md).
inline constexpr uid_t first_job_uid = 0x70000000;

}  // namespace shrike::sandbox::process
