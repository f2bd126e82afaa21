// prctl, arch_prctl, limits.

#include <asm/prctl.h>
#include <linux/capability.h>
#include <linux/prctl.h>
#include <linux/seccomp.h>
#include <sys/resource.h>

#include "sandbox/microvm/kernel/handlers.h"

namespace shrike::sandbox::microvm {
namespace {
int64_t set_name(Request& request) {
  std::string name;
  const int64_t error = request.memory.text(request.args[1], 16, name);
  if (error == -EFAULT) return error;
  name = name.substr(0, 15);
  request.tell(TextKind::name, name);
  request.thread.comm = std::move(name);
  return 0;
}

int64_t get_name(Request& request) {
  std::array<std::byte, 16> name{};
  std::memcpy(name.data(), request.thread.comm.data(), std::min<size_t>(15, request.thread.comm.size()));
  return request.memory.write(request.args[1], name) ? 0 : -EFAULT;
}

int64_t ambient(Request& request) {
  Credentials& who = request.process.credentials;
  const uint64_t bit = request.args[2] > CAP_LAST_CAP ? 0 : uint64_t{1} << request.args[2];
  switch (request.args[1]) {
    case PR_CAP_AMBIENT_CLEAR_ALL:
      who.ambient = 0;
      return 0;
    case PR_CAP_AMBIENT_IS_SET:
      return bit == 0 ? -EINVAL : (who.ambient & bit) != 0;
    case PR_CAP_AMBIENT_LOWER:
      who.ambient &= ~bit;
      return bit == 0 ? -EINVAL : 0;
    case PR_CAP_AMBIENT_RAISE:
      if (bit == 0) return -EINVAL;
      if ((who.permitted & who.inheritable & bit) == 0) return -EPERM;
      who.ambient |= bit;
      return 0;
    default:
      return -EINVAL;
  }
}

int64_t bounding(Request& request, bool drop) {
  if (request.args[1] > CAP_LAST_CAP) return -EINVAL;
  const uint64_t bit = uint64_t{1} << request.args[1];
  if (!drop) return (request.process.credentials.bounding & bit) != 0;
  request.process.credentials.bounding &= ~bit;
  return 0;
}

// A filter that the program puts on itself is taken and not applied: it would only hide what the program does. What has
// none of its effects is said in the report.
int64_t take_filter(Request& request, uint64_t address) {
  struct Filter {
    uint16_t length;
    uint16_t padding[3];
    uint64_t code;
  } filter{};
  const Credentials& who = request.process.credentials;
  if (!who.no_new_privileges && (who.effective >> CAP_SYS_ADMIN & 1) == 0) return -EACCES;
  if (!request.memory.get(address, filter)) return -EFAULT;
  if (filter.length == 0 || filter.length > 4096) return -EINVAL;
  request.process.filtered = true;
  request.system.note_refusal("seccomp filter", "accepted, not applied");
  return 0;
}

int64_t death_signal(Request& request) {
  if (request.args[1] > signals_count) return -EINVAL;
  request.process.death_signal = request.number(1);
  return 0;
}
}  // namespace

int64_t on_prctl(Request& request) {
  Process& process = request.process;
  const uint64_t value = request.args[1];
  switch (request.number(0)) {
    case PR_SET_NAME:
      return set_name(request);
    case PR_GET_NAME:
      return get_name(request);
    case PR_SET_PDEATHSIG:
      return death_signal(request);
    case PR_GET_PDEATHSIG:
      return request.memory.put(value, int32_t{process.death_signal}) ? 0 : -EFAULT;
    case PR_GET_DUMPABLE:
      return process.dumpable ? 1 : 0;
    case PR_SET_DUMPABLE:
      if (value > 1) return -EINVAL;
      process.dumpable = value == 1;
      return 0;
    case PR_SET_CHILD_SUBREAPER:
      process.subreaper = value != 0;
      return 0;
    case PR_GET_CHILD_SUBREAPER:
      return request.memory.put(value, int32_t{process.subreaper}) ? 0 : -EFAULT;
    case PR_SET_NO_NEW_PRIVS:
      if (value != 1 || request.args[2] != 0 || request.args[3] != 0 || request.args[4] != 0) return -EINVAL;
      process.credentials.no_new_privileges = true;
      return 0;
    case PR_GET_NO_NEW_PRIVS:
      return process.credentials.no_new_privileges ? 1 : 0;
    case PR_GET_KEEPCAPS:
      return process.credentials.secure_bits >> 4 & 1;
    case PR_SET_KEEPCAPS:
      if (value > 1) return -EINVAL;
      process.credentials.secure_bits = (process.credentials.secure_bits & ~16u) | (value == 1 ? 16u : 0u);
      return 0;
    case PR_GET_SECUREBITS:
      return process.credentials.secure_bits;
    case PR_SET_SECUREBITS:
      if (value > 0xff) return -EINVAL;
      process.credentials.secure_bits = static_cast<uint32_t>(value);
      return 0;
    case PR_CAPBSET_READ:
      return bounding(request, false);
    case PR_CAPBSET_DROP:
      return bounding(request, true);
    case PR_CAP_AMBIENT:
      return ambient(request);
    case PR_GET_TIMERSLACK:
      return 50'000;
    case PR_SET_TIMERSLACK:
    case PR_SET_VMA:
    case PR_SET_THP_DISABLE:
      return 0;
    case PR_GET_THP_DISABLE:
    case PR_GET_SPECULATION_CTRL:
      return 0;
    case PR_GET_SECCOMP:
      return process.filtered ? SECCOMP_MODE_FILTER : SECCOMP_MODE_DISABLED;
    case PR_SET_SECCOMP:
      if (value != SECCOMP_MODE_FILTER) return request.unsupported("prctl(PR_SET_SECCOMP)", -EINVAL);
      return take_filter(request, request.args[2]);
    case PR_SET_MM:
      return request.refuse("prctl(PR_SET_MM)", -EPERM);
    default:
      return request.unsupported("prctl(" + std::to_string(request.number(0)) + ")", -EINVAL);
  }
}

int64_t on_seccomp(Request& request) {
  const uint64_t flags = request.args[1];
  constexpr uint64_t harmless = SECCOMP_FILTER_FLAG_TSYNC | SECCOMP_FILTER_FLAG_LOG | SECCOMP_FILTER_FLAG_SPEC_ALLOW;
  switch (request.number(0)) {
    case SECCOMP_SET_MODE_STRICT:
      if (flags != 0 || request.args[2] != 0) return -EINVAL;
      return request.unsupported("seccomp(SECCOMP_SET_MODE_STRICT)", -EINVAL);
    case SECCOMP_SET_MODE_FILTER:
      if (request.args[2] == 0) return -EFAULT;  // libseccomp finds out like this which flags there are
      if ((flags & SECCOMP_FILTER_FLAG_NEW_LISTENER) != 0) return request.refuse("seccomp with a listener", -EBUSY);
      return (flags & ~harmless) != 0 ? -EINVAL : take_filter(request, request.args[2]);
    case SECCOMP_GET_ACTION_AVAIL: {
      uint32_t action = 0;
      if (flags != 0) return -EINVAL;
      if (!request.memory.get(request.args[2], action)) return -EFAULT;
      return action == SECCOMP_RET_USER_NOTIF ? -EOPNOTSUPP : 0;
    }
    default:
      return request.unsupported("seccomp(" + std::to_string(request.number(0)) + ")", -EINVAL);
  }
}

int64_t on_arch_prctl(Request& request) {
  Registers& registers = request.thread.context.registers;
  const uint64_t value = request.args[1];
  switch (request.number(0)) {
    case ARCH_SET_FS:
      if (value >= user_highest) return -EPERM;
      registers.fs_base = value;
      return 0;
    case ARCH_SET_GS:
      if (value >= user_highest) return -EPERM;
      registers.gs_base = value;
      return 0;
    case ARCH_GET_FS:
      return request.memory.put(value, registers.fs_base) ? 0 : -EFAULT;
    case ARCH_GET_GS:
      return request.memory.put(value, registers.gs_base) ? 0 : -EFAULT;
    case ARCH_GET_CPUID:
      return 1;
    default:
      return -EINVAL;
  }
}

namespace {
int64_t change_limit(Request& request, Process& process, size_t which, const struct ::rlimit& wanted) {
  struct ::rlimit& limit = process.limits[which];
  if (wanted.rlim_cur > wanted.rlim_max) return -EINVAL;
  const bool may_raise = (request.process.credentials.effective >> CAP_SYS_RESOURCE & 1) != 0;
  if (wanted.rlim_max > limit.rlim_max && !may_raise) return -EPERM;
  // Ours are bounds of the sandbox: nobody raises them, root neither.
  if ((which == RLIMIT_NOFILE && wanted.rlim_max > 4096) ||
      (which == RLIMIT_NPROC && wanted.rlim_max > limit.rlim_max)) {
    if (wanted.rlim_cur > limit.rlim_max) return -EPERM;
    limit.rlim_cur = wanted.rlim_cur;
    return 0;
  }
  limit = wanted;
  if (process.space) {
    if (which == RLIMIT_STACK) process.space->stack_limit = std::min<uint64_t>(wanted.rlim_cur, 64u << 20);
    if (which == RLIMIT_DATA) process.space->data_limit = wanted.rlim_cur;
    if (which == RLIMIT_AS) process.space->address_limit = wanted.rlim_cur;
  }
  return 0;
}
}  // namespace

int64_t on_prlimit64(Request& request) {
  const uint64_t which = request.args[1];
  const auto pid = static_cast<uint32_t>(request.args[0]);
  Process* process = pid == 0 ? &request.process : request.system.find_process(pid);
  if (which >= RLIM_NLIMITS) return -EINVAL;
  if (process == nullptr) return -ESRCH;
  const struct ::rlimit before = process->limits[which];
  if (request.args[2] != 0) {
    struct ::rlimit wanted {};
    if (!request.memory.get(request.args[2], wanted)) return -EFAULT;
    if (const int64_t error = change_limit(request, *process, which, wanted); error < 0) return error;
  }
  return request.memory.put_if(request.args[3], before) ? 0 : -EFAULT;
}

int64_t on_getrlimit(Request& request) {
  if (request.args[0] >= RLIM_NLIMITS) return -EINVAL;
  return request.memory.put(request.args[1], request.process.limits[request.args[0]]) ? 0 : -EFAULT;
}

int64_t on_setrlimit(Request& request) {
  struct ::rlimit wanted {};
  if (request.args[0] >= RLIM_NLIMITS) return -EINVAL;
  if (!request.memory.get(request.args[1], wanted)) return -EFAULT;
  return change_limit(request, request.process, request.args[0], wanted);
}

}  // namespace shrike::sandbox::microvm
