// What a program asks of the machine.

#include <sched.h>
#include <sys/klog.h>
#include <sys/random.h>
#include <sys/sysinfo.h>
#include <sys/utsname.h>

#include "sandbox/microvm/kernel/handlers.h"
#include "sandbox/microvm/kernel/times.h"

namespace shrike::sandbox::microvm {
namespace {
constexpr uint64_t random_most = 1u << 20;
constexpr uint64_t all_cpus = (uint64_t{1} << guest_cpus) - 1;  // one, but nobody needs to know

void fill_text(char (&out)[65], const std::string& text) {
  std::memcpy(out, text.data(), std::min<size_t>(text.size(), sizeof out - 1));
}

int64_t set_text(Request& request, std::string& to) {
  const int length = request.number(1);
  if (length < 0 || length > 64) return -EINVAL;
  if ((request.process.credentials.effective >> 21 & 1) == 0) return -EPERM;  // CAP_SYS_ADMIN
  std::string text(static_cast<size_t>(length), '\0');
  if (!request.memory.read(request.args[0], std::as_writable_bytes(std::span(text)))) return -EFAULT;
  request.tell(TextKind::name, text);
  to = std::move(text);
  return 0;
}

const Thread* thread_of(Request& request, uint64_t pid) {
  return pid == 0 ? &request.thread : request.system.find_thread(static_cast<uint32_t>(pid));
}
}  // namespace

int64_t on_uname(Request& request) {
  struct ::utsname names {};
  fill_text(names.sysname, "Linux");
  fill_text(names.nodename, request.system.hostname);
  fill_text(names.release, guest_release);
  fill_text(names.version, guest_version);
  fill_text(names.machine, "x86_64");
  fill_text(names.domainname, request.system.domain);
  return request.memory.put(request.args[0], names) ? 0 : -EFAULT;
}

int64_t on_sethostname(Request& request) { return set_text(request, request.system.hostname); }
int64_t on_setdomainname(Request& request) { return set_text(request, request.system.domain); }

int64_t on_sysinfo(Request& request) {
  const System& system = request.system;
  struct ::sysinfo info {};
  info.uptime = static_cast<long>(system.clock.now() / second_ns);
  info.totalram = system.memory_bytes();
  info.freeram = system.free_bytes();
  info.procs = static_cast<unsigned short>(system.table.size());
  info.mem_unit = 1;
  return request.memory.put(request.args[0], info) ? 0 : -EFAULT;
}

int64_t on_getrandom(Request& request) {
  if ((request.args[2] & ~uint64_t{GRND_NONBLOCK | GRND_RANDOM | GRND_INSECURE}) != 0) return -EINVAL;
  std::vector<std::byte> bytes(std::min(request.args[1], random_most));
  request.system.random.fill(bytes);
  const size_t put = request.memory.write_some(request.args[0], bytes);
  return put == 0 && !bytes.empty() ? -EFAULT : static_cast<int64_t>(put);
}

int64_t on_getcpu(Request& request) {
  return request.memory.put_if(request.args[0], uint32_t{0}) && request.memory.put_if(request.args[1], uint32_t{0})
             ? 0
             : -EFAULT;
}

int64_t on_sched_yield(Request& request) {
  request.system.yielded = true;
  return 0;
}

int64_t on_sched_getaffinity(Request& request) {
  if (thread_of(request, request.args[0]) == nullptr) return -ESRCH;
  if (request.args[1] < 8 || request.args[1] % 8 != 0) return -EINVAL;
  return request.memory.put(request.args[2], all_cpus) ? 8 : -EFAULT;
}

int64_t on_sched_setaffinity(Request& request) {
  if (thread_of(request, request.args[0]) == nullptr) return -ESRCH;
  uint64_t mask = 0;
  const size_t size = std::min<size_t>(request.args[1], sizeof mask);
  if (!request.memory.read(request.args[2], std::as_writable_bytes(std::span(&mask, 1)).first(size))) return -EFAULT;
  return (mask & all_cpus) != 0 ? 0 : -EINVAL;
}

int64_t on_sched_getscheduler(Request& request) { return thread_of(request, request.args[0]) == nullptr ? -ESRCH : 0; }

int64_t on_sched_setscheduler(Request& request) {
  if (thread_of(request, request.args[0]) == nullptr) return -ESRCH;
  const int policy = request.number(1) & ~SCHED_RESET_ON_FORK;
  if (policy < 0 || policy > 6 || policy == 4) return -EINVAL;
  return policy == SCHED_OTHER || policy == SCHED_BATCH || policy == SCHED_IDLE ? 0 : -EPERM;
}

int64_t on_sched_getparam(Request& request) {
  if (thread_of(request, request.args[0]) == nullptr) return -ESRCH;
  return request.memory.put(request.args[1], int32_t{0}) ? 0 : -EFAULT;
}

int64_t on_sched_setparam(Request& request) {
  int32_t priority = 0;
  if (thread_of(request, request.args[0]) == nullptr) return -ESRCH;
  if (!request.memory.get(request.args[1], priority)) return -EFAULT;
  return priority == 0 ? 0 : -EINVAL;
}

int64_t on_sched_priority_max(Request& request) {
  const int policy = request.number(0);
  if (policy == SCHED_FIFO || policy == SCHED_RR) return 99;
  return policy == SCHED_OTHER || policy == SCHED_BATCH || policy == SCHED_IDLE ? 0 : -EINVAL;
}

int64_t on_sched_priority_min(Request& request) {
  const int64_t most = on_sched_priority_max(request);
  return most > 0 ? 1 : most;
}

int64_t on_sched_rr_get_interval(Request& request) {
  if (thread_of(request, request.args[0]) == nullptr) return -ESRCH;
  return request.memory.put(request.args[1], timespec_of(4'000'000)) ? 0 : -EFAULT;
}

int64_t on_getpriority(Request& request) {
  const auto pid = static_cast<uint32_t>(request.args[1]);
  if (request.args[0] > 2) return -EINVAL;
  const Process* process = pid == 0 || request.args[0] != 0 ? &request.process : request.system.find_process(pid);
  return process == nullptr ? -ESRCH : 20 - process->nice;
}

int64_t on_setpriority(Request& request) {
  const auto pid = static_cast<uint32_t>(request.args[1]);
  if (request.args[0] > 2) return -EINVAL;
  Process* process = pid == 0 || request.args[0] != 0 ? &request.process : request.system.find_process(pid);
  if (process == nullptr) return -ESRCH;
  process->nice = std::clamp(request.number(2), -20, 19);
  return 0;
}

int64_t on_syslog(Request& request) {
  // The kernel's log is empty here: only its size is asked by those who are allowed.
  constexpr int size_buffer = 10, size_unread = 9;
  if (request.number(0) == size_buffer) return 262144;
  return request.number(0) == size_unread ? 0 : -EPERM;
}

int64_t on_sysfs(Request&) { return -EINVAL; }

int64_t on_personality(Request& request) {
  const auto wanted = static_cast<uint32_t>(request.args[0]);
  return wanted == UINT32_MAX || (wanted & 0xff) == 0 ? 0 : -EINVAL;
}

}  // namespace shrike::sandbox::microvm
