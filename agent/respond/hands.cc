#include "agent/respond/hands.h"

#include <poll.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>

#include "agent/respond/process_stat.h"
#include "common/base/fd.h"

namespace shrike::respond {
namespace {

constexpr size_t cuts_max = 64;

/// A handle on that very process. The order matters: what the pid names is looked at after the pidfd was taken, so if
/// it is the one we mean, the pidfd is its, or of one that died before it was born: then this one would not be there.
Result<Fd> take(const Target& target) {
  Fd fd(static_cast<int>(::syscall(SYS_pidfd_open, static_cast<pid_t>(target.pid), 0u)));
  if (!fd.valid()) return errno == ESRCH ? Error{"it has ended", ESRCH} : errno_error("pidfd_open");
  const auto stat = process_stat(target.pid);
  if (!stat) return Error{"it has ended", ESRCH};
  if (!same_start(target.start_ns, *stat)) return Error{"its pid is another process's by now", ESRCH};
  pollfd ended{fd.get(), POLLIN, 0};
  if (::poll(&ended, 1, 0) == 1) return Error{"it has ended", ESRCH};
  return fd;
}

}  // namespace

Result<void> KernelHands::signal(const Target& target, int number) {
  const Fd process = TRY(take(target));
  if (::syscall(SYS_pidfd_send_signal, process.get(), number, nullptr, 0u) == 0) return {};
  return errno == ESRCH ? Error{"it has ended", ESRCH} : errno_error("pidfd_send_signal");
}

Result<void> KernelHands::cut(const Target& target) {
  const Fd process = TRY(take(target));
  const Cgroup cgroup = TRY(cgroup_of(target.pid));
  pollfd ended{process.get(), POLLIN, 0};
  if (::poll(&ended, 1, 0) == 1) return Error{"it has ended", ESRCH};  // and the cgroup may have been another's
  if (cuts_.contains(cgroup.path)) return {};
  for (const uint32_t pid : TRY(processes_of(cgroup))) {
    const Process* known = find_(pid);
    if (known == nullptr)
      return Error{"its cgroup " + cgroup.path + " holds pid " + std::to_string(pid) + ", which is not known"};
    if (const auto why = untouchable_.why(target_of(*known)))
      return Error{"its cgroup " + cgroup.path + " holds pid " + std::to_string(pid) + ": " + *why};
  }
  if (cuts_.size() >= cuts_max) return Error{"too many cgroups are cut off already"};
  cuts_.emplace(cgroup.path, TRY(NetworkCut::make(cgroup)));
  return {};
}

}  // namespace shrike::respond
