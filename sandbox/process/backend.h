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

/// A tracer for one sandbox, before its program runs: gets the sandbox and the sockets of its sink (empty without
/// network). Null: by notification.
class TracerSource {
 public:
  virtual ~TracerSource() = default;
  virtual Result<std::unique_ptr<Tracer>> begin(Sandbox& sandbox, const Policy& policy, const Job& job) = 0;
  /// The sink's sockets, once it has them.
  virtual Result<void> bring_ports(Sandbox& sandbox, const std::vector<Fd>& sockets) = 0;
  /// Why there is none, for the report.
  [[nodiscard]] virtual std::string note() const = 0;
};

struct ProcessOptions {
  const CgroupHost* cgroups = nullptr;
  const Filters* filters = nullptr;
  TracerSource* tracers = nullptr;  ///< null: notification alone
  std::string no_tracers;           ///< why
  RootView view;
  std::string name;  ///< of the control group: unique on this host
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
