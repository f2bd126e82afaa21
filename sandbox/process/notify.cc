#include "sandbox/process/notify.h"

#include <linux/audit.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <climits>

#include "common/base/clock.h"
#include "sandbox/call_texts.h"
#include "sandbox/process/small_file.h"

namespace shrike::sandbox::process {

namespace {

constexpr int at_once = 512;
constexpr size_t threads_max = 65'536;
constexpr size_t compared_bytes = 256;  // of a command line
constexpr uint32_t x32_bit = 0x4000'0000;
constexpr uint64_t page = 4096;

/// Memory of another process, as far as it is there.
std::string read_memory(uint32_t pid, uint64_t at, size_t most) {
  std::string bytes(most, '\0');
  size_t have = 0;
  while (have < most) {
    // One page at a time: what is beyond its end may not be there.
    const size_t size = std::min<size_t>(most - have, page - (at + have) % page);
    const iovec to{bytes.data() + have, size};
    const iovec from{reinterpret_cast<void*>(at + have), size};
    const ssize_t got = ::process_vm_readv(static_cast<pid_t>(pid), &to, 1, &from, 1, 0);
    if (got <= 0) break;
    have += static_cast<size_t>(got);
  }
  bytes.resize(have);
  return bytes;
}

/// False where it could not be read whole.
bool read_string(uint32_t pid, uint64_t at, size_t most, std::string& out, uint16_t& flags) {
  std::string bytes;
  while (bytes.size() < most && bytes.find('\0') == std::string::npos) {
    const std::string more = read_memory(pid, at + bytes.size(), std::min<size_t>(most - bytes.size(), 256));
    if (more.empty()) return false;
    bytes += more;
  }
  const size_t end = bytes.find('\0');
  if (end == std::string::npos) flags |= call_cut;
  out += bytes.substr(0, end);
  return true;
}

bool read_strings(uint32_t pid, uint64_t at, size_t most, std::string& out, uint16_t& flags) {
  for (size_t i = 0; out.size() < most; ++i) {
    const std::string pointer = read_memory(pid, at + i * sizeof(uint64_t), sizeof(uint64_t));
    if (pointer.size() != sizeof(uint64_t)) return false;
    uint64_t word = 0;
    pointer.copy(reinterpret_cast<char*>(&word), sizeof word);
    if (word == 0) return true;
    if (!read_string(pid, word, most - out.size(), out, flags)) return false;
    out += '\0';
  }
  flags |= call_cut;
  return true;
}

void read_texts(uint32_t pid, Call& call) {
  if (call.abi != CallAbi::x86_64) return;
  for (const auto& plan : text_plans(call.number)) {
    const uint64_t at = call.args[plan.argument];
    if (at == 0) continue;
    CallText text{plan.kind, {}};
    bool whole = true;
    if (plan.how == TextHow::string) whole = read_string(pid, at, plan.most, text.text, call.flags);
    if (plan.how == TextHow::strings) whole = read_strings(pid, at, plan.most, text.text, call.flags);
    if (plan.how == TextHow::bytes) {
      const uint64_t length = call.args[plan.length_argument];
      if (length > plan.most) call.flags |= call_cut;
      text.text = read_memory(pid, at, std::min<uint64_t>(length, plan.most));
      whole = text.text.size() == std::min<uint64_t>(length, plan.most);
    }
    if (!whole) call.flags |= call_memory;
    if (!text.text.empty()) call.texts.push_back(std::move(text));
  }
  drop_needless_texts(call);
}

/// A number of /proc/PID/status; the last one on its line (NSpid has one for each namespace).
uint32_t status_number(const std::string& status, std::string_view key) {
  const size_t at = status.find(std::string("\n") + std::string(key) + ":");
  if (at == std::string::npos) return 0;
  const size_t end = status.find('\n', at + 1);
  const size_t last = status.find_last_of(" \t", end);
  uint32_t number = 0;
  std::from_chars(status.data() + last + 1, status.data() + std::min(end, status.size()), number);
  return number;
}

}  // namespace

NotifyTracer::NotifyTracer(Fd listener, const Policy& policy, pid_t init)
    : listener_(std::move(listener)), policy_(policy), init_(init) {}

void NotifyTracer::tell(Call call, CallSink& calls) {
  call.seq = seq_++;
  calls.call(call);
}

NotifyTracer::Thread& NotifyTracer::thread(uint32_t tid, CallSink& calls) {
  const auto found = threads_.find(tid);
  if (found != threads_.end()) return found->second;
  if (threads_.size() >= threads_max) threads_.erase(threads_.begin());
  const std::string status = get("/proc/" + std::to_string(tid) + "/status");
  const uint32_t group = status_number(status, "Tgid"), parent = status_number(status, "PPid");
  Thread one{status_number(status, "NStgid"), status_number(status, "NSpid"), {}, false};
  // The first one's parent is our own init.
  uint32_t parent_inside = 0;
  if (const auto known = threads_.find(parent); known != threads_.end()) parent_inside = known->second.pid;
  auto& kept = threads_[tid] = std::move(one);
  if (parent != static_cast<uint32_t>(init_) && parent_inside == 0)
    parent_inside = status_number(get("/proc/" + std::to_string(parent) + "/status"), "NStgid");
  Call start;
  start.kind = CallKind::start;
  start.pid = kept.pid;
  start.tid = kept.tid;
  start.time_ns = boot_now_ns();
  start.args[0] = group == tid ? parent_inside : kept.pid;
  tell(start, calls);
  return kept;
}

void NotifyTracer::tell_exec(uint32_t tid, Thread& one, CallSink& calls) {
  one.executing = false;
  const std::string proc = "/proc/" + std::to_string(tid);
  // A call that failed has left the command line as it was.
  const std::string now = get(proc + "/cmdline");
  if (!now.starts_with(one.arguments) && !one.arguments.starts_with(now.substr(0, compared_bytes))) return;
  char exe[PATH_MAX];
  const ssize_t length = ::readlink((proc + "/exe").c_str(), exe, sizeof exe);
  Call exec;
  exec.kind = CallKind::exec;
  exec.pid = one.pid;
  exec.tid = one.tid;
  exec.time_ns = boot_now_ns();
  if (length > 0) exec.texts.push_back({TextKind::exe, std::string(exe, static_cast<size_t>(length))});
  exec.texts.push_back({TextKind::argv, now});
  tell(exec, calls);
}

void NotifyTracer::answer(uint64_t id, int error) {
  seccomp_notif_resp response{};
  response.id = id;
  if (error == 0)
    response.flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE;
  else
    response.error = -error;
  // Who has been killed meanwhile needs none.
  ::ioctl(listener_.get(), SECCOMP_IOCTL_NOTIF_SEND, &response);
}

void NotifyTracer::handle(const seccomp_notif& n, CallSink& calls) {
  Call call;
  call.time_ns = boot_now_ns();
  call.abi = n.data.arch == AUDIT_ARCH_I386 ? CallAbi::i386 : CallAbi::x86_64;
  call.number = n.data.nr;
  if (call.abi == CallAbi::x86_64 && (static_cast<uint32_t>(n.data.nr) & x32_bit) != 0) {
    call.abi = CallAbi::x32;
    call.number = static_cast<int32_t>(static_cast<uint32_t>(n.data.nr) & ~x32_bit);
  }
  std::copy(std::begin(n.data.args), std::end(n.data.args), call.args.begin());
  const Verdict verdict = policy_.evaluate(call.abi, call.number, call.args);
  const int error = verdict == Verdict::allow ? 0 : policy_.error_of(call.abi, call.number, call.args);
  // The first is our own: the exec that makes the program.
  const bool first = began_ns_ == 0;
  auto& one = thread(n.pid, calls);
  if (one.executing && !first) tell_exec(n.pid, one, calls);
  call.pid = one.pid;
  call.tid = one.tid;
  call.flags = call_no_result;
  read_texts(n.pid, call);
  uint64_t id = n.id;
  if (::ioctl(listener_.get(), SECCOMP_IOCTL_NOTIF_ID_VALID, &id) != 0) {
    // It is dead: what was read may be another process's.
    call.texts.clear();
    call.flags |= call_memory;
  }
  if (verdict == Verdict::refuse) call.flags |= call_denied;
  if (verdict == Verdict::unknown) call.flags |= call_unknown;
  if (verdict != Verdict::allow) {
    call.flags = static_cast<uint16_t>(call.flags & ~call_no_result);
    call.result = -error;
  }
  const bool executes = call.number == SYS_execve || call.number == SYS_execveat;
  if (executes && verdict == Verdict::allow) {
    one.executing = true;
    for (const auto& text : call.texts)
      if (text.kind == TextKind::argv) one.arguments = text.text.substr(0, compared_bytes);
  }
  const bool leaves = call.abi == CallAbi::x86_64 && (call.number == SYS_exit_group || call.number == SYS_exit);
  if (leaves) call.flags |= call_no_return;
  if (!first) tell(call, calls);
  if (leaves) {
    Call exit;
    exit.kind = CallKind::exit;
    exit.pid = one.pid;
    exit.tid = one.tid;
    exit.time_ns = call.time_ns;
    exit.args = {(call.args[0] & 0xff) << 8, call.number == SYS_exit_group || one.tid == one.pid ? 1u : 0u};
    tell(exit, calls);
    threads_.erase(n.pid);
  }
  // Who broke the rules of a strict policy waits for its end.
  if (verdict != Verdict::refuse || policy_.profile() != Profile::strict) answer(n.id, error);
  if (first) began_ns_ = boot_now_ns();
}

void NotifyTracer::read(CallSink& calls) {
  for (int i = 0; i < at_once; ++i) {
    pollfd ready{listener_.get(), POLLIN, 0};
    if (::poll(&ready, 1, 0) <= 0 || (ready.revents & POLLIN) == 0) {
      // Nobody is under the filter any more; a descriptor that hangs up would keep poll from waiting.
      if ((ready.revents & POLLHUP) != 0) listener_.reset();
      return;
    }
    // The kernel wants it zeroed.
    seccomp_notif notification{};
    if (::ioctl(listener_.get(), SECCOMP_IOCTL_NOTIF_RECV, &notification) == 0) handle(notification, calls);
  }
}

uint64_t NotifyTracer::finish(CallSink&) {
  listener_.reset();
  return 0;
}

}  // namespace shrike::sandbox::process
