// Calls of privilege and evasion. As on a host, what is routine of prctl, ptrace and mmap makes no event of its own.

#include <sys/mman.h>
#include <sys/shm.h>

#include "agent/detonate/call_numbers.h"
#include "agent/detonate/converter.h"

namespace shrike::detonate {
namespace {

using sandbox::Call;

constexpr uint64_t pr_set_name = 15, pr_set_seccomp = 22, pr_set_securebits = 28, pr_set_mm = 35;
constexpr uint64_t pr_set_ptracer = 0x59616d61;

uint64_t narrow(uint64_t value) { return static_cast<uint64_t>(int64_t{static_cast<int32_t>(value)}); }

/// Requests that only look at a tracee, or let it run on (bpf/privilege.bpf.c has the same).
bool routine_request(uint64_t request) {
  const auto between = [&](uint64_t first, uint64_t last) { return request >= first && request <= last; };
  return between(1, 3) || request == 7 || request == 9 || request == 12 || request == 14 || request == 18 ||
         request == 24 || between(31, 33) || between(0x4201, 0x4202) || request == 0x4204 || between(0x4207, 0x420a) ||
         between(0x420c, 0x420f);
}

bool wanted_prctl(uint64_t option) {
  return option == pr_set_name || option == pr_set_seccomp || option == pr_set_mm || option == pr_set_securebits ||
         option == pr_set_ptracer;
}

/// mmap and its kin: only what is writable and executable at once.
bool map_of(uint32_t id, const Call& call, std::array<uint64_t, 6>& arg) {
  arg = {call.args[0], call.args[1], call.args[2], call.args[3], narrow(call.args[4]), 0};
  if (id == SHRIKE_CALL_ipc) return false;  // a 32-bit call, which no sandbox lets through
  if (id == SHRIKE_CALL_shmat) {
    const bool writes = (call.args[2] & SHM_RDONLY) == 0, runs = (call.args[2] & SHM_EXEC) != 0;
    arg = {call.result >= 0 ? static_cast<uint64_t>(call.result) : call.args[1], 0, PROT_READ, call.args[2], ~0ull, 0};
    arg[2] |= PROT_WRITE | PROT_EXEC;
    return writes && runs;
  }
  if ((call.args[2] & (PROT_WRITE | PROT_EXEC)) != (PROT_WRITE | PROT_EXEC)) return false;
  if (id == SHRIKE_CALL_mprotect || id == SHRIKE_CALL_pkey_mprotect) {
    arg[3] = 0;
    arg[4] = ~uint64_t{0};
  } else if (call.result >= 0) {
    arg[0] = static_cast<uint64_t>(call.result);
  }
  return true;
}

bool prctl_of(uint32_t id, const Call& call, std::array<uint64_t, 6>& arg) {
  arg = call.args;
  if (id != SHRIKE_CALL_seccomp) return wanted_prctl(call.args[0]);
  // Shown as the prctl that does the same: mode 1 strict, 2 filter. Others only ask.
  arg = {pr_set_seccomp, call.args[0] + 1, call.args[1], 0, 0, 0};
  return call.args[0] <= 1;
}

}  // namespace

void Converter::privilege(const Call& call, uint32_t id, Event& event, JobProcess& process) {
  auto kind = static_cast<EventKind>(shrike_call_infos[id].first);
  std::array<uint64_t, 6> arg = call.args;
  const auto target = [&](size_t argument) {
    const JobProcess* other = processes_.find(static_cast<uint32_t>(call.args[argument]));
    arg[4] = other != nullptr ? other->task.pid : 0;
    arg[5] = other != nullptr ? other->task.start_ns : 0;
  };
  switch (kind) {
    case EventKind::ptrace:
      if (routine_request(call.args[0])) return;
      target(1);
      break;
    case EventKind::vm_access:
      arg = {call.args[0], id == SHRIKE_CALL_process_vm_writev ? uint64_t{1} : 0, 0, 0, 0, 0};
      target(0);
      break;
    case EventKind::map_wx:
      if (!map_of(id, call, arg)) return;
      break;
    case EventKind::prctl:
      if (!prctl_of(id, call, arg)) return;
      break;
    case EventKind::bpf:
      arg = {call.args[0], 0, static_cast<uint64_t>(call.result >= 0 ? call.result : -1), 0, 0, 0};
      break;
    case EventKind::perf_event:  // what is to be counted stands in memory
      arg = {0, 0, narrow(call.args[1]), narrow(call.args[2]), narrow(call.args[3]), call.args[4]};
      break;
    case EventKind::uring_setup:
      arg = {call.args[0], 0, static_cast<uint64_t>(call.result >= 0 ? call.result : -1), 0, 0, 0};
      break;
    case EventKind::capset:
      arg = {process.task.cap_effective, 0, 0, 0, 0, 0};
      break;
    case EventKind::memfd:
      arg = {0, call.args[id == SHRIKE_CALL_memfd_create ? 1 : 0], 0, 0, 0, 0};
      if (call.result >= 0)
        process.descriptors.put(static_cast<int>(call.result), {{}, "", "/memfd:" + std::string(event.path.text)});
      break;
    default:
      break;
  }
  event.kind = kind;
  event.arg = arg;
}

}  // namespace shrike::detonate
